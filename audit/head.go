package audit

import (
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/lodd-rct/lodd/audit/store"
)

const (
	tileHeight = 8
	tileWidth  = 1 << tileHeight
	tileBytes  = tileWidth * tlog.HashSize

	// maxList leaves room for "#tile/" and a level within store.MaxName.
	maxList = 200
)

// A head is what the log holds in memory of one list, about a quarter of a
// megabyte for a million entries. Its slices are only ever appended to, so that
// readers may hold an older head.
type head struct {
	tree Tree

	// lower are the nodes of the last tile of level 0, which isn't full, below
	// tileHeight, numbered by tlog.StoredHashIndex as if the tile were the tree.
	lower []tlog.Hash

	// upper are the nodes from height tileHeight on, numbered by
	// tlog.StoredHashIndex as if those of that height were leaves.
	upper []tlog.Hash
}

// clone returns a head that can grow while readers use h.
func (h head) clone() head {
	h.tree = h.tree.Clone()
	return h
}

// A fullTile is told of a tile that is full: tile index of a level.
type fullTile func(level int, index int64, hashes []tlog.Hash)

// add adds a leaf and calls full for each tile that it completes, lowest
// level first.
func (h *head) add(leaf tlog.Hash, full fullTile) {
	size := h.tree.size + 1
	h.tree.add(leaf, func(height int, hash tlog.Hash) {
		if height < tileHeight {
			h.lower = append(h.lower, hash)
			return
		}
		if height == tileHeight {
			full(0, tiles(size, 0)-1, h.leaves())
			h.lower = nil
		}
		h.addNode(size, height, hash, full)
	})
}

// addTile adds a full tile of level 0 by the root of its hashes, and calls full
// for each tile above it that this completes, lowest level first. The head may
// hold no leaves.
func (h *head) addTile(root tlog.Hash, full fullTile) {
	size := h.tree.size + tileWidth
	h.tree.addSubtree(tileHeight, root, func(height int, hash tlog.Hash) {
		h.addNode(size, height, hash, full)
	})
}

// addNode adds a node of at least tileHeight to a tree that becomes size large.
func (h *head) addNode(size int64, height int, hash tlog.Hash, full fullTile) {
	h.upper = append(h.upper, hash)
	if level := height / tileHeight; height%tileHeight == 0 && size>>height%tileWidth == 0 {
		full(level, tiles(size, level)-1, h.lastTile(height, size>>height))
	}
}

// lastTile returns the last of n nodes of a height, as many as a tile holds.
func (h *head) lastTile(height int, n int64) []tlog.Hash {
	hashes := make([]tlog.Hash, 0, tileWidth)
	for i := n - tileWidth; i < n; i++ {
		hashes = append(hashes, h.node(height, i))
	}
	return hashes
}

// leaves returns those of the last tile of level 0, which is about to be full.
func (h *head) leaves() []tlog.Hash {
	hashes := make([]tlog.Hash, tileWidth)
	for i := range hashes {
		hashes[i] = h.lower[tlog.StoredHashIndex(0, int64(i))]
	}
	return hashes
}

// node returns node n of a height, which is at least tileHeight.
func (h *head) node(height int, n int64) tlog.Hash {
	return h.upper[tlog.StoredHashIndex(height-tileHeight, n)]
}

// tiles returns how many full tiles a level has in a tree of size entries.
func tiles(size int64, level int) int64 {
	if level >= 7 { // 256^8 is more than any size
		return 0
	}
	return size >> (tileHeight * (level + 1))
}

func tileList(list string, level int) string { return fmt.Sprintf("%s#tile/%d", list, level) }

func encodeTile(hashes []tlog.Hash) []byte {
	b := make([]byte, 0, len(hashes)*tlog.HashSize)
	for _, h := range hashes {
		b = append(b, h[:]...)
	}
	return b
}

// tileHash returns hash i of an encoded tile.
func tileHash(tile []byte, i int64) tlog.Hash {
	return tlog.Hash(tile[i*tlog.HashSize : (i+1)*tlog.HashSize])
}

// tileRoot returns the root of a full tile of level 0.
func tileRoot(leaves []tlog.Hash) tlog.Hash {
	var t Tree
	for _, leaf := range leaves {
		t.Add(leaf)
	}
	return t.Root()
}

// checkList returns an error if a list may not have this name. A name ends up
// in the origin of checkpoints, so it can hold neither white space nor "+".
func checkList(list string) error {
	bad := strings.IndexFunc(list, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-_./", r)
	})
	switch {
	case list == "" || len(list) > maxList:
		return fmt.Errorf("audit: name of a list has %d bytes, want 1 to %d", len(list), maxList)
	case bad >= 0:
		return fmt.Errorf("audit: name of list %q: only letters, digits and - _ . / are allowed", list)
	}
	return nil
}

func damaged(list string, index int64, reason string) error {
	return fmt.Errorf("audit: %w", &store.DamageError{List: list, Index: index, Reason: reason})
}
