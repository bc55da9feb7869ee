package bolt

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"slices"

	"github.com/lodd-rct/lodd/audit/store"
)

// What this file knows of bbolt's format, version 2: numbers are in the
// machine's byte order; a page begins with id (8 bytes), flags (2), count (2)
// and overflow (4), the number of pages that follow and belong to it.
const (
	pageHeader  = 16
	elementSize = 16 // of branch and leaf pages
	metaSize    = 64
	bucketSize  = 16 // root page and sequence number

	boltMagic   = 0xED0CDAED
	boltVersion = 2

	branchFlag   = 0x01
	leafFlag     = 0x02
	freelistFlag = 0x10

	bucketFlag = 0x01 // of a leaf element
)

var native = binary.NativeEndian

// A meta is the content of a meta page: the state of the file as one
// transaction left it.
type meta struct {
	pageSize int64
	root     uint64 // page of the root bucket
	freelist uint64 // page
	pages    uint64 // number of pages in use; those beyond are nothing
	tx       uint64
}

// readMeta reads meta page 0 or 1, which begins at an offset. In each other's
// place, the newest would be written over first.
func readMeta(f io.ReaderAt, id uint64, offset int64) (meta, error) {
	b := make([]byte, pageHeader+metaSize)
	if _, err := f.ReadAt(b, offset); err != nil {
		return meta{}, fmt.Errorf("meta page can't be read: %w", err)
	}
	if native.Uint64(b) != id {
		return meta{}, errors.New("meta page isn't what was written")
	}
	b = b[pageHeader:]
	h := fnv.New64a()
	h.Write(b[:metaSize-8])
	if native.Uint32(b) != boltMagic || native.Uint32(b[4:]) != boltVersion || native.Uint64(b[metaSize-8:]) != h.Sum64() {
		return meta{}, errors.New("meta page isn't what was written")
	}
	m := meta{
		pageSize: int64(native.Uint32(b[8:])),
		root:     native.Uint64(b[16:]),
		freelist: native.Uint64(b[32:]),
		pages:    native.Uint64(b[40:]),
		tx:       native.Uint64(b[48:]),
	}
	if m.pageSize < 1024 || m.pageSize > 1<<24 {
		return meta{}, fmt.Errorf("page size %d is impossible", m.pageSize)
	}
	return m, nil
}

// readMetas returns the two meta pages, newest first. If only one of them can
// be read, it returns that one and an error.
func readMetas(f io.ReaderAt) (newest, older meta, err error) {
	a, errA := readMeta(f, 0, 0)
	if errA != nil {
		a.pageSize = int64(os.Getpagesize()) // what it is on the machine that made the file
	}
	b, errB := readMeta(f, 1, a.pageSize)
	switch {
	case errA != nil && errB != nil:
		return meta{}, meta{}, fmt.Errorf("both meta pages are damaged: %w", errA)
	case errA != nil:
		return b, meta{}, errA
	case errB != nil:
		return a, meta{}, errB
	case b.tx > a.tx:
		a, b = b, a
	}
	return a, b, nil
}

// pages reads the pages of a file and checks that no two claim the same place.
type pages struct {
	f    io.ReaderAt
	meta meta
	n    uint64   // pages in use that the file really has
	used []uint64 // bit set of pages that were read
}

func newPages(f *os.File, m meta) (*pages, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	n := min(m.pages, uint64(info.Size()/m.pageSize))
	p := &pages{f: f, meta: m, n: n, used: make([]uint64, n/64+1)}
	return p, p.claim(0, 2) // the meta pages
}

// claim marks pages as used, each for the first time.
func (p *pages) claim(id, n uint64) error {
	if id > p.n || n > p.n-id {
		return fmt.Errorf("page %d is beyond the end of the file", id)
	}
	for ; n > 0; id, n = id+1, n-1 {
		if p.used[id/64]>>(id%64)&1 == 1 {
			return fmt.Errorf("page %d is used twice", id)
		}
		p.used[id/64] |= 1 << (id % 64)
	}
	return nil
}

// read returns a page with all that belongs to it, if it is of the right kind.
func (p *pages) read(id uint64, flags ...uint16) ([]byte, error) {
	if err := p.claim(id, 1); err != nil {
		return nil, err
	}
	size := p.meta.pageSize
	b := make([]byte, size)
	if _, err := p.f.ReadAt(b, int64(id)*size); err != nil {
		return nil, fmt.Errorf("page %d can't be read: %w", id, err)
	}
	if native.Uint64(b) != id || !slices.Contains(flags, native.Uint16(b[8:])) {
		return nil, fmt.Errorf("page %d isn't what was written", id)
	}
	more := uint64(native.Uint32(b[12:]))
	if more == 0 {
		return b, nil
	}
	if err := p.claim(id+1, more); err != nil {
		return nil, err
	}
	b = append(b, make([]byte, int64(more)*size)...)
	if _, err := p.f.ReadAt(b[size:], int64(id+1)*size); err != nil {
		return nil, fmt.Errorf("page %d can't be read: %w", id, err)
	}
	return b, nil
}

// freelist returns the pages that m says are free, in order.
func (p *pages) freelist(id uint64) ([]uint64, error) {
	b, err := p.read(id, freelistFlag)
	if err != nil {
		return nil, fmt.Errorf("list of free pages: %w", err)
	}
	n := uint64(native.Uint16(b[10:]))
	b = b[pageHeader:]
	if n == 0xFFFF { // too many for 16 bits
		n, b = native.Uint64(b), b[8:]
	}
	if n > uint64(len(b)/8) {
		return nil, errors.New("list of free pages is longer than its page")
	}
	free := make([]uint64, n)
	for i := range free {
		free[i] = native.Uint64(b[8*i:])
		if free[i] >= p.meta.pages || i > 0 && free[i] <= free[i-1] {
			return nil, errors.New("list of free pages isn't in order")
		}
	}
	return free, nil
}

// whole is damage to the file and not to a list.
func whole(reason string) error { return &store.DamageError{Index: -1, Reason: reason} }
