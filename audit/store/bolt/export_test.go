package bolt

// CloseFile closes the file below bbolt, so that the next write fails.
func (d *DB) CloseFile() error { return d.file.Close() }

// NoSync makes the store answer before anything is durable, as a mistaken
// option would.
func (d *DB) NoSync() { d.db.NoSync = true }

// Used returns how many bytes of the file are in use or were: what lies beyond
// is room into which it has grown ahead of need.
func (d *DB) Used() (int64, error) {
	m, _, err := readMetas(d.file)
	return int64(m.pages) * m.pageSize, err
}
