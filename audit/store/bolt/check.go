package bolt

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/lodd-rct/lodd/audit/store"
)

// maxDepth is the most levels of a tree of pages; 2^32 pages need a quarter.
const maxDepth = 64

// check reads the whole file and returns a *store.DamageError unless every page
// is in its place and every record is what was written.
func check(f *os.File, acceptOlder bool) error {
	m, _, err := readMetas(f)
	if err != nil && (m == meta{} || !acceptOlder) {
		return whole(err.Error() + "; the last commit may be lost")
	}
	// Once in sequence: the walk after it finds the pages in memory.
	if _, err := io.Copy(io.Discard, io.NewSectionReader(f, 0, 1<<62)); err != nil {
		return whole(err.Error())
	}
	p, err := newPages(f, m)
	if err != nil {
		return whole(err.Error())
	}
	c := checker{pages: p}
	if err := c.root(); err != nil {
		return err
	}
	if err := c.free(); err != nil {
		return whole(err.Error())
	}
	return nil
}

// A checker walks all pages.
type checker struct {
	*pages
	lists uint64 // that were found
	want  uint64 // lists that there should be
	about bool   // whether the bucket was found, and has the right format
	keys  bool
}

// root checks the root bucket, which holds the others.
func (c *checker) root() error {
	err := c.tree(c.meta.root, span{}, func(e element) error {
		if e.flags != bucketFlag || len(e.value) < bucketSize {
			return whole(fmt.Sprintf("%q is no bucket", e.key))
		}
		root, sequence := native.Uint64(e.value), native.Uint64(e.value[8:])
		list, isList := bytes.CutPrefix(e.key, listPrefix)
		switch {
		case isList:
			c.lists++
			return c.list(string(list), sequence, e)
		case bytes.Equal(e.key, aboutBucket):
			c.want = sequence
			return c.bucket(root, e.value[bucketSize:], c.format)
		case bytes.Equal(e.key, keysBucket):
			return c.values(sequence, e)
		}
		return whole(fmt.Sprintf("bucket %q is unknown", e.key))
	})
	if err != nil {
		return asDamage(err, "", -1)
	}
	switch {
	case !c.about:
		return whole("this isn't a store, or one of a version that this program doesn't know")
	case !c.keys:
		return whole("the map of keys is gone")
	case c.lists != c.want:
		return whole(fmt.Sprintf("%d lists were written, %d are there", c.want, c.lists))
	}
	return nil
}

func (c *checker) format(e element) error {
	c.about = e.flags == 0 && bytes.Equal(e.key, formatKey) && bytes.Equal(e.value, format)
	return nil
}

// list checks the records of a list.
func (c *checker) list(list string, length uint64, bucket element) error {
	next := uint64(0)
	err := c.bucket(native.Uint64(bucket.value), bucket.value[bucketSize:], func(e element) error {
		_, ok := unsealed(bucket.key, e.key, e.value)
		if !ok || e.flags != 0 || len(e.key) != 8 || binary.BigEndian.Uint64(e.key) != next {
			return errors.New("record isn't what was written")
		}
		next++
		return nil
	})
	if err == nil && next != length {
		err = fmt.Errorf("%d records were written, %d are there", length, next)
		next = min(next, length)
	}
	return asDamage(err, list, int64(next))
}

// values checks the map.
func (c *checker) values(length uint64, bucket element) error {
	c.keys = true
	n := uint64(0)
	err := c.bucket(native.Uint64(bucket.value), bucket.value[bucketSize:], func(e element) error {
		if _, ok := unsealed(keysBucket, e.key, e.value); !ok || e.flags != 0 {
			return fmt.Errorf("value of key %q isn't what was written", e.key)
		}
		n++
		return nil
	})
	if err == nil && n != length {
		err = fmt.Errorf("%d keys were written, %d are there", length, n)
	}
	return asDamage(err, "", -1)
}

// asDamage returns err as damage to a list, unless it says something better.
func asDamage(err error, list string, index int64) error {
	if _, ok := errors.AsType[*store.DamageError](err); ok || err == nil {
		return err
	}
	return &store.DamageError{List: list, Index: index, Reason: err.Error()}
}

// free checks that no page is both free and in use, or it would be overwritten.
func (c *checker) free() error {
	free, err := c.freelist(c.meta.freelist)
	if err != nil {
		return err
	}
	for _, id := range free {
		if err := c.claim(id, 1); err != nil {
			return fmt.Errorf("list of free pages: %w", err)
		}
	}
	if c.n < c.meta.pages {
		return fmt.Errorf("file was cut: %d pages of %d are there", c.n, c.meta.pages)
	}
	return nil
}

// bucket walks a bucket, which is a tree of pages or, if root is 0, one small
// page inline.
func (c *checker) bucket(root uint64, inline []byte, visit func(element) error) error {
	if root != 0 {
		return c.tree(root, span{}, visit)
	}
	if len(inline) < pageHeader || native.Uint16(inline[8:]) != leafFlag {
		return errors.New("bucket isn't what was written")
	}
	return leaf(inline, span{}, visit)
}

// tree walks the pages below id in the order of their keys.
func (c *checker) tree(id uint64, in span, visit func(element) error) error {
	if in.depth > maxDepth {
		return fmt.Errorf("page %d is too deep", id)
	}
	b, err := c.read(id, leafFlag, branchFlag)
	if err != nil {
		return err
	}
	if native.Uint16(b[8:]) == leafFlag {
		return leaf(b, in, visit)
	}
	children, err := branch(b, in)
	if err != nil {
		return fmt.Errorf("page %d: %w", id, err)
	}
	for i, child := range children {
		below := span{lo: child.key, hi: in.hi, depth: in.depth + 1}
		if i+1 < len(children) {
			below.hi = children[i+1].key
		}
		if err := c.tree(child.page, below, visit); err != nil {
			return err
		}
	}
	return nil
}
