package bolt

import (
	"bytes"
	"errors"
)

// A span says which keys may be below a page: those from lo on that are less
// than hi; nil is no limit.
type span struct {
	lo, hi []byte
	depth  int
}

// holds reports whether key comes after last and within the span.
func (s span) holds(key, last []byte) bool {
	return (last == nil || bytes.Compare(key, last) > 0) &&
		bytes.Compare(key, s.lo) >= 0 &&
		(s.hi == nil || bytes.Compare(key, s.hi) < 0)
}

// An element is an element of a leaf page, or of a branch page.
type element struct {
	flags uint32 // leaf
	page  uint64 // branch
	key   []byte
	value []byte // leaf
}

var errElement = errors.New("page isn't what was written")

// leaf visits the elements of a leaf page.
func leaf(b []byte, in span, visit func(element) error) error {
	var last []byte
	for i := range int(native.Uint16(b[10:])) {
		head, err := header(b, i)
		if err != nil {
			return err
		}
		pos, ksize, vsize := native.Uint32(head[4:]), native.Uint32(head[8:]), native.Uint32(head[12:])
		data, err := cut(head, pos, uint64(ksize)+uint64(vsize))
		if err != nil {
			return err
		}
		e := element{flags: native.Uint32(head), key: data[:ksize], value: data[ksize:]}
		if !in.holds(e.key, last) {
			return errElement
		}
		if err := visit(e); err != nil {
			return err
		}
		last = e.key
	}
	return nil
}

// branch returns the elements of a branch page.
func branch(b []byte, in span) (children []element, err error) {
	var last []byte
	n := int(native.Uint16(b[10:]))
	if n == 0 {
		return nil, errElement
	}
	for i := range n {
		head, err := header(b, i)
		if err != nil {
			return nil, err
		}
		key, err := cut(head, native.Uint32(head), uint64(native.Uint32(head[4:])))
		if err != nil || !in.holds(key, last) {
			return nil, errElement
		}
		children = append(children, element{page: native.Uint64(head[8:]), key: key})
		last = key
	}
	return children, nil
}

// header returns the page from the header of element i on: its position counts
// from there.
func header(b []byte, i int) ([]byte, error) {
	at := pageHeader + i*elementSize
	if at+elementSize > len(b) {
		return nil, errElement
	}
	return b[at:], nil
}

// cut returns n bytes at pos, which must lie within b.
func cut(b []byte, pos uint32, n uint64) ([]byte, error) {
	if uint64(pos) > uint64(len(b)) || n > uint64(len(b))-uint64(pos) {
		return nil, errElement
	}
	return b[pos : uint64(pos)+n], nil
}
