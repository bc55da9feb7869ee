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

// A head is what the log holds in memory of one list: its tree, and the hashes
// of the tiles that aren't full yet.
type head struct {
	tree Tree

	// partial holds, for each tile level, the hashes of the last tile, which
	// isn't full. Slices are only ever appended to, and a full tile gets a new
	// slice, so that readers may hold an older head.
	partial [][]tlog.Hash
}

// clone returns a head that can grow while readers use h.
func (h head) clone() head {
	return head{tree: h.tree.Clone(), partial: append([][]tlog.Hash(nil), h.partial...)}
}

// add adds a leaf and calls full for each tile that it completes, lowest
// level first.
func (h *head) add(leaf tlog.Hash, full func(level int, hashes []tlog.Hash)) {
	h.tree.add(leaf, func(height int, hash tlog.Hash) {
		if height%tileHeight != 0 {
			return
		}
		level := height / tileHeight
		if level == len(h.partial) {
			h.partial = append(h.partial, nil)
		}
		h.partial[level] = append(h.partial[level], hash)
		if len(h.partial[level]) == tileWidth {
			full(level, h.partial[level])
			h.partial[level] = nil
		}
	})
}

// tiles returns how many full tiles a level has in a tree of size entries.
func tiles(size int64, level int) int64 {
	shift := tileHeight * (level + 1)
	if shift > 62 {
		return 0
	}
	return size >> shift
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
