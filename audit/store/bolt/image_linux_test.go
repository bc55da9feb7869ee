package bolt_test

import (
	"maps"
	"math/rand/v2"
	"slices"
)

// apply does what the event does to the content of a file, in place if it can.
func (e event) apply(b []byte) []byte {
	if e.op == opTruncate {
		if int(e.size) <= len(b) {
			clear(b[e.size:]) // or the bytes come back when the file grows again
		}
		return resize(b, int(e.size))
	}
	if e.op == opWrite {
		b = resize(b, max(len(b), int(e.at)+len(e.data)))
		copy(b[e.at:], e.data)
	}
	return b
}

func resize(b []byte, n int) []byte {
	if n > len(b) {
		return append(b, make([]byte, n-len(b))...)
	}
	return b[:n]
}

// An image is what of a file is on the disk whatever happens, and the changes
// after it of which a power cut leaves any part.
type image struct {
	durable []byte
	pending []event
}

// all returns a copy with all changes.
func (i *image) all() []byte {
	b := slices.Clone(i.durable)
	for _, e := range i.pending {
		b = e.apply(b)
	}
	return b
}

// sync ends the pending changes as o says.
//
// Source: POSIX.1-2024, fdatasync: the data and what is needed to read them
// back, so not a size beyond them. That a failed sync isn't made good by the next
// one is what Linux does: it counts the pages as written.
func (i *image) sync(o op) {
	needed := len(i.durable)
	changes := i.pending
	i.pending = nil
	for _, e := range changes {
		if e.op == opWrite {
			needed = max(needed, int(e.at)+len(e.data))
		}
		if o == opLoseSync {
			if e.op == opWrite { // its size stays, its data don't
				e = event{op: opWrite, at: e.at + int64(len(e.data))}
			}
			i.pending = append(i.pending, e)
			continue
		}
		i.durable = e.apply(i.durable)
	}
	if size := len(i.durable); o == opDataSync && size > needed {
		i.durable = resize(i.durable, needed)
		i.pending = []event{{op: opTruncate, size: int64(size)}}
	}
}

// A choice says which parts of the pending changes a power cut leaves.
type choice func(change, part, changes int) bool

// cut returns the file after a power cut. A write is torn into parts of unit
// bytes, at multiples of unit.
func (i *image) cut(unit int64, keep choice) []byte {
	b := slices.Clone(i.durable)
	for n, e := range i.pending {
		if e.op != opWrite || len(e.data) == 0 {
			if keep(n, 0, len(i.pending)) {
				b = e.apply(b)
			}
			continue
		}
		for part := 0; len(e.data) > 0; part++ {
			size := min(unit-e.at%unit, int64(len(e.data)))
			if keep(n, part, len(i.pending)) {
				b = event{op: opWrite, at: e.at, data: e.data[:size]}.apply(b)
			}
			e.at, e.data = e.at+size, e.data[size:]
		}
	}
	return b
}

// A folder is a disk as it was at some time: what was synced, and what wasn't.
type folder struct {
	images  map[*diskFile]*image
	durable map[string]*diskFile
	pending []event  // of names, in order
	told    []string // answers
}

func newFolder() *folder {
	return &folder{images: map[*diskFile]*image{}, durable: map[string]*diskFile{}}
}

// replay does one event.
func (f *folder) replay(e event) {
	switch e.op {
	case opLink, opRename, opUnlink:
		if e.op == opLink {
			f.images[e.file] = &image{}
		}
		f.pending = append(f.pending, e)
	case opSyncDir:
		f.durable = f.names(len(f.pending))
		f.pending = nil
	case opAnswer:
		f.told = append(f.told, e.name)
	case opWrite, opTruncate:
		i := f.images[e.file]
		i.pending = append(i.pending, e)
	default:
		f.images[e.file].sync(e.op)
	}
}

// names returns the folder with the first n pending changes: file systems keep
// the order of these.
func (f *folder) names(n int) map[string]*diskFile {
	names := maps.Clone(f.durable)
	for _, e := range f.pending[:n] {
		switch e.op {
		case opLink:
			names[e.name] = e.file
		case opRename:
			names[e.to] = names[e.name]
			delete(names, e.name)
		default:
			delete(names, e.name)
		}
	}
	return names
}

// cuts yields what a power cut may leave now: nothing of what is pending, all of it,
// and then a number of samples of several kinds.
func (f *folder) cuts(r *rand.Rand, samples int) []map[string][]byte {
	none := func(int, int, int) bool { return false }
	all := func(int, int, int) bool { return true }
	out := []map[string][]byte{f.cut(0, 4096, none), f.cut(len(f.pending), 4096, all)}
	for n := range samples {
		likely := []float64{0.5, 0.9, 0.1}[n%3]
		unit := []int64{512, 4096}[n/3%2]
		some := func(int, int, int) bool { return r.Float64() < likely }
		if n%4 == 3 { // in order, and then nothing more
			upTo := r.Float64()
			some = func(change, _, changes int) bool { return float64(change) < upTo*float64(changes) }
		}
		out = append(out, f.cut(r.IntN(len(f.pending)+1), unit, some))
	}
	return out
}

func (f *folder) cut(names int, unit int64, keep choice) map[string][]byte {
	files := map[string][]byte{}
	in := f.names(names)
	for _, name := range slices.Sorted(maps.Keys(in)) {
		files[name] = f.images[in[name]].cut(unit, keep)
	}
	return files
}
