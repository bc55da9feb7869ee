package audit_test

import (
	"crypto/sha256"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/audit/store/storetest"
)

// An rfc6962 computes roots and proofs as the RFC defines them: recursively, from
// the entries, without tiles or stored hashes. Section numbers are the RFC's.
type rfc6962 struct {
	entries [][]byte
	known   map[[2]int]tlog.Hash // of subtrees, which are needed again and again
}

// split returns the largest power of two below n, which is at least 2.
func split(n int) int {
	k := 1
	for 2*k < n {
		k *= 2
	}
	return k
}

// mth is MTH(D[lo:hi]), section 2.1.
func (d rfc6962) mth(lo, hi int) (h tlog.Hash) {
	n := hi - lo
	switch n {
	case 0:
		return sha256.Sum256(nil)
	case 1:
		return sha256.Sum256(append([]byte{0}, d.entries[lo]...))
	}
	if h, ok := d.known[[2]int{lo, hi}]; ok {
		return h
	}
	left, right := d.mth(lo, lo+split(n)), d.mth(lo+split(n), hi)
	h = sha256.Sum256(slices.Concat([]byte{1}, left[:], right[:]))
	d.known[[2]int{lo, hi}] = h
	return h
}

// path is PATH(m, D[lo:hi]), section 2.1.1.
func (d rfc6962) path(m, lo, hi int) []tlog.Hash {
	if hi-lo == 1 {
		return nil
	}
	k := split(hi - lo)
	if m < k {
		return append(d.path(m, lo, lo+k), d.mth(lo+k, hi))
	}
	return append(d.path(m-k, lo+k, hi), d.mth(lo, lo+k))
}

// subproof is SUBPROOF(m, D[lo:hi], whole), section 2.1.2.
func (d rfc6962) subproof(m, lo, hi int, whole bool) []tlog.Hash {
	if m == hi-lo {
		if whole {
			return nil
		}
		return []tlog.Hash{d.mth(lo, hi)}
	}
	k := split(hi - lo)
	if m <= k {
		return append(d.subproof(m, lo, lo+k, whole), d.mth(lo+k, hi))
	}
	return append(d.subproof(m-k, lo+k, hi, false), d.mth(lo, lo+k))
}

// Whatever size a log has and had, its roots and proofs are those that the RFC
// defines: for all small sizes, and where tiles of both levels begin and end.
//
// Source: RFC 6962 (2013), section 2.1.
func TestProofsAreThoseOfRFC6962(t *testing.T) {
	const tile = 256
	small := make([]int, 71)
	for n := range small {
		small[n] = n
	}
	edges := []int{0, 1, 2, tile - 1, tile, tile + 1, 2*tile - 1, 2 * tile, 2*tile + 1}
	high := []int{tile*tile - 1, tile * tile, tile*tile + 1, 257*tile - 1, 257 * tile, 257*tile + 1}
	last := high[len(high)-1]
	d := rfc6962{entries("a", 0, last), map[[2]int]tlog.Hash{}}
	l := open(t, config(t, &storetest.Memory{}))
	for _, sizes := range [][]int{small, append(small[68:], edges[3:]...), append(edges, high...)} {
		for _, now := range sizes { // a log of this size
			grow(t, l, "a", max(0, now-int(l.Len("a"))))
			for _, n := range sizes {
				if n == now || now == sizes[len(sizes)-1] { // as it is, and as it was
					checkProofs(t, d, l, n, sizes)
				}
			}
		}
	}
	if n := l.Len("a"); n != int64(last) {
		t.Errorf("the log has %d entries at the end, want %d", n, last)
	}
}

// checkProofs compares the proofs of the entries and sizes that are named, in the
// tree of the first n entries.
func checkProofs(t *testing.T, d rfc6962, l *audit.Log, n int, named []int) {
	t.Helper()
	root, err := l.RootAt(t.Context(), "a", int64(n))
	if err != nil || root != d.mth(0, n) {
		t.Fatalf("root at %d is %v, want %v, %v", n, root, d.mth(0, n), err)
	}
	for _, m := range named {
		if m < n {
			proof, err := l.ProveRecord(t.Context(), "a", int64(n), int64(m))
			if want := d.path(m, 0, n); err != nil || !slices.Equal(proof, want) {
				t.Fatalf("entry %d at %d: %v (-RFC +log):\n%s", m, n, err, cmp.Diff(want, []tlog.Hash(proof)))
			}
		}
		if m > 0 && m <= n {
			proof, err := l.ProveTree(t.Context(), "a", int64(m), int64(n))
			if want := d.subproof(m, 0, n, true); err != nil || !slices.Equal(proof, want) {
				t.Fatalf("tree from %d to %d: %v (-RFC +log):\n%s", m, n, err, cmp.Diff(want, []tlog.Hash(proof)))
			}
		}
	}
}
