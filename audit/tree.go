package audit

import (
	"crypto/sha256"

	"golang.org/x/mod/sumdb/tlog"
)

// A Tree computes the root of an RFC 6962 tree from its leaves, in order. The
// zero value is the empty tree. It holds one hash for each complete subtree on
// its right edge, so at most 63; copying it with Clone costs as much. It may
// not be used concurrently.
//
// Source: RFC 6962 (2013), section 2.1.
type Tree struct {
	size int64
	edge []tlog.Hash // roots of the complete subtrees, largest first
}

// Leaf returns the leaf hash of an entry.
//
// Source: RFC 6962 (2013), section 2.1.
func Leaf(entry []byte) tlog.Hash { return tlog.RecordHash(entry) }

// Add adds the next leaf, which is [Leaf] of an entry.
func (t *Tree) Add(leaf tlog.Hash) { t.add(leaf, func(int, tlog.Hash) {}) }

// add adds a leaf and calls node for every subtree that the leaf completes,
// lowest first, beginning with the leaf itself at level 0.
func (t *Tree) add(leaf tlog.Hash, node func(level int, h tlog.Hash)) { t.addSubtree(0, leaf, node) }

// addSubtree adds a complete subtree of 2^level leaves by its root, and calls
// node for it and for every larger one that it completes, lowest first. The size
// of the tree must be a multiple of 2^level.
func (t *Tree) addSubtree(level int, h tlog.Hash, node func(level int, h tlog.Hash)) {
	added := int64(1) << level
	node(level, h)
	for n := t.size >> level; n&1 == 1; n >>= 1 {
		last := len(t.edge) - 1
		h = tlog.NodeHash(t.edge[last], h)
		t.edge = t.edge[:last]
		level++
		node(level, h)
	}
	t.edge = append(t.edge, h)
	t.size += added
}

// Size returns the number of leaves.
func (t *Tree) Size() int64 { return t.size }

// Root returns the root of the tree, which for the empty tree is the SHA-256
// of nothing.
func (t *Tree) Root() tlog.Hash {
	if t.size == 0 {
		return sha256.Sum256(nil)
	}
	last := len(t.edge) - 1
	h := t.edge[last]
	for i := last - 1; i >= 0; i-- {
		h = tlog.NodeHash(t.edge[i], h)
	}
	return h
}

// Clone returns a copy that shares nothing with t.
func (t *Tree) Clone() Tree {
	return Tree{size: t.size, edge: append([]tlog.Hash(nil), t.edge...)}
}
