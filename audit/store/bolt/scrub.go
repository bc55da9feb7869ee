package bolt

import (
	"fmt"
	"slices"

	"go.etcd.io/bbolt"
)

// scrub overwrites all free pages with zeros: bbolt never writes in place, so a
// page that held a deleted or replaced value keeps it until somebody needs the
// page. A process that ends before it scrubbed leaves that to the next [Open].
//
// The older of the two meta pages still counts pages as its own that the
// newest calls free. So a transaction that changes nothing comes first, and
// only pages are overwritten that are free for both.
func (d *DB) scrub() error {
	d.writing.Lock()
	defer d.writing.Unlock()
	if err := d.failure(); err != nil {
		return err
	}
	err := d.transact(func(tx *bbolt.Tx) error { return count(tx.Bucket(aboutBucket), 0) })
	if err != nil {
		return err
	}
	d.mu.Lock() // no reader may be on an older page
	err = shielded(d.zeroFree)
	d.mu.Unlock()
	if err != nil {
		return d.poison(fmt.Errorf("scrub: %w", err))
	}
	return nil
}

func (d *DB) zeroFree() error {
	newest, older, err := readMetas(d.file)
	if err != nil {
		return err
	}
	now, err := freeIn(d, newest)
	if err != nil {
		return err
	}
	before, err := freeIn(d, older)
	if err != nil {
		return err
	}
	zeros := make([]byte, newest.pageSize)
	for _, id := range now {
		if _, both := slices.BinarySearch(before, id); !both {
			continue
		}
		if _, err := d.file.WriteAt(zeros, int64(id)*newest.pageSize); err != nil {
			return err
		}
	}
	return d.file.Sync()
}

func freeIn(d *DB, m meta) ([]uint64, error) {
	p, err := newPages(d.file, m)
	if err != nil {
		return nil, err
	}
	return p.freelist(m.freelist)
}
