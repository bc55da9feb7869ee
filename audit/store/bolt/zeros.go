package bolt

// aheadBytes is how much of the file is written before it is needed.
const aheadBytes = 1 << 20

// writeAhead writes zeros behind the pages in use, which end at offset end. bbolt
// grows a file without writing to it, so that the file system would give out
// blocks in every commit, and its journal would be part of every sync. Nobody
// reads there, so this is for speed alone: what fails here fails again where it
// matters. The caller holds writing.
func (d *DB) writeAhead(end int64) {
	if d.written-end >= aheadBytes/4 {
		return
	}
	info, err := d.file.Stat()
	if err != nil {
		return
	}
	from := max(end, d.written)
	if n := min(info.Size()-from, aheadBytes); n > 0 {
		k, _ := d.file.WriteAt(make([]byte, n), from)
		d.written = from + int64(k)
	}
}
