package audit

import (
	"context"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// RootAt returns the root that a list had when it had size entries. It reads
// at most one tile.
func (l *Log) RootAt(ctx context.Context, list string, size int64) (tlog.Hash, error) {
	h, err := l.headAt(list, size)
	if err != nil {
		return tlog.Hash{}, err
	}
	root, err := tlog.TreeHash(size, l.hashes(ctx, list, h))
	if err != nil {
		return tlog.Hash{}, fmt.Errorf("audit: root of list %s at %d: %w", list, size, err)
	}
	return root, nil
}

// ProveRecord returns the proof that the entry at index is in the list of the
// first size entries. It reads at most two tiles, whatever the size.
func (l *Log) ProveRecord(ctx context.Context, list string, size, index int64) (tlog.RecordProof, error) {
	h, err := l.headAt(list, size)
	if err != nil {
		return nil, err
	}
	proof, err := tlog.ProveRecord(size, index, l.hashes(ctx, list, h))
	if err != nil {
		return nil, fmt.Errorf("audit: prove entry %d of list %s at %d: %w", index, list, size, err)
	}
	return proof, nil
}

// ProveTree returns the proof that the list of the first older entries is a
// prefix of the list of the first newer entries. It is empty if older is 0 or
// newer.
func (l *Log) ProveTree(ctx context.Context, list string, older, newer int64) (tlog.TreeProof, error) {
	h, err := l.headAt(list, newer)
	if err != nil {
		return nil, err
	}
	if older == 0 {
		return tlog.TreeProof{}, nil
	}
	proof, err := tlog.ProveTree(newer, older, l.hashes(ctx, list, h))
	if err != nil {
		return nil, fmt.Errorf("audit: prove list %s from %d to %d: %w", list, older, newer, err)
	}
	return proof, nil
}

// Leaves returns the leaf hashes of the entries [lo, hi), without reading the
// entries.
func (l *Log) Leaves(ctx context.Context, list string, lo, hi int64) ([]tlog.Hash, error) {
	h, err := l.head(list)
	if err != nil {
		return nil, err
	}
	if err := checkRange(list, lo, hi, h.tree.Size()); err != nil {
		return nil, err
	}
	r := l.hashes(ctx, list, h)
	leaves := make([]tlog.Hash, 0, hi-lo)
	for i := lo; i < hi; i++ {
		leaf, err := r.hash(tlog.StoredHashIndex(0, i))
		if err != nil {
			return nil, fmt.Errorf("audit: leaves of list %s: %w", list, err)
		}
		leaves = append(leaves, leaf)
	}
	return leaves, nil
}

// headAt returns the head of a list that has at least size entries.
func (l *Log) headAt(list string, size int64) (head, error) {
	h, err := l.head(list)
	if err != nil {
		return head{}, err
	}
	if size < 0 || size > h.tree.Size() {
		return head{}, fmt.Errorf("audit: list %s has %d entries, asked for the tree of %d", list, h.tree.Size(), size)
	}
	return h, nil
}

// tileReader reads nodes of a tree: low ones out of the full tiles of level 0,
// each tile once, and the others from memory. It implements tlog.HashReader.
type tileReader struct {
	ctx  context.Context // it lives for one call; tlog.HashReader passes none
	log  *Log
	list string
	head head
	read map[int64][]byte
}

func (l *Log) hashes(ctx context.Context, list string, h head) *tileReader {
	return &tileReader{ctx: ctx, log: l, list: list, head: h, read: map[int64][]byte{}}
}

// ReadHashes implements [tlog.HashReader].
func (r *tileReader) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, 0, len(indexes))
	for _, i := range indexes {
		h, err := r.hash(i)
		if err != nil {
			return nil, err
		}
		hashes = append(hashes, h)
	}
	return hashes, nil
}

func (r *tileReader) hash(index int64) (tlog.Hash, error) {
	height, n := tlog.SplitStoredHashIndex(index)
	if height >= tileHeight {
		return r.head.node(height, n), nil
	}
	inTile := tileHeight - height
	if tile := n >> inTile; tile == tiles(r.head.tree.size, 0) {
		return r.head.lower[tlog.StoredHashIndex(height, n-tile<<inTile)], nil
	}
	t := tlog.TileForIndex(tileHeight, index)
	data, err := r.tile(t.N)
	if err != nil {
		return tlog.Hash{}, err
	}
	return tlog.HashFromTile(t, data, index)
}

// tile returns tile n of level 0, which is full.
func (r *tileReader) tile(n int64) ([]byte, error) {
	if data, ok := r.read[n]; ok {
		return data, nil
	}
	list := tileList(r.list, 0)
	records, err := r.log.config.Store.Read(r.ctx, list, n, n+1)
	if err != nil {
		return nil, err
	}
	data := records[0]
	if len(data) != tileBytes {
		return nil, damaged(list, n, fmt.Sprintf("tile has %d bytes, want %d", len(data), tileBytes))
	}
	r.read[n] = data
	return data, nil
}
