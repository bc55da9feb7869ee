package randomization_test

import (
	"fmt"
	"math"
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/lodd-rct/lodd/randomization"
)

func TestStreamGolden(t *testing.T) {
	var out strings.Builder
	for _, name := range [][2]string{{"ips", "oslo"}, {"ips", "bergen"}, {"ipsoslo", ""}, {"", "ipsoslo"}} {
		fmt.Fprintf(&out, "%q %q: %016x\n", name[0], name[1], randomization.Words(testSeed(t), name[0], name[1], 12))
	}
	golden(t, "testdata/stream.golden", out.String())
}

// More than half of all words are rejected for 2^63 + 1, so that these draws
// pin rejection too.
func TestBelowGolden(t *testing.T) {
	var out strings.Builder
	for _, n := range []uint64{1, 2, 3, 6, 10, 256, 1000, 1<<63 + 1, math.MaxUint64} {
		ns := make([]uint64, 16)
		for i := range ns {
			ns[i] = n
		}
		fmt.Fprintf(&out, "%d: %d\n", n, randomization.Below(testSeed(t), "ips", "oslo", ns))
	}
	golden(t, "testdata/below.golden", out.String())
}

// reductions are words at the edges: the first 2^64 mod n are rejected.
var reductions = []struct {
	word, n, want uint64
	ok            bool
}{
	{0, 1, 0, true},
	{math.MaxUint64, 1, 0, true},
	{0, 2, 0, true},
	{0, 3, 0, false},
	{1, 3, 1, true},
	{5, 10, 5, false},
	{6, 10, 6, true},
	{15, 10, 5, true},
	{65535, 1000, 535, true},
	{615, 1000, 615, false},
	{616, 1000, 616, true},
	{1 << 16, 65521, 15, true},
	{50624, 65521, 50624, false},
	{50625, 65521, 50625, true},
	{math.MaxUint64, 65521, 50624, true},
	{math.MaxUint64, 256, 255, true},
}

func TestReduceAtTheEdges(t *testing.T) {
	for _, tt := range reductions {
		if got, ok := randomization.Reduce(tt.word, tt.n); got != tt.want || ok != tt.ok {
			t.Errorf("reduce(%d, %d) = %d, %v; want %d, %v", tt.word, tt.n, got, ok, tt.want, tt.ok)
		}
	}
}

// A word is rejected if and only if it is below 2^64 mod n, computed here with
// numbers of any size.
func TestReduceRejectsTheRemainder(t *testing.T) {
	all := new(big.Int).Lsh(big.NewInt(1), 64)
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Uint64Min(1).Draw(t, "n")
		limit := new(big.Int).Mod(all, new(big.Int).SetUint64(n)).Uint64()
		word := rapid.OneOf(rapid.Uint64(), rapid.Uint64Range(limit/2, limit+1)).Draw(t, "word")
		x, ok := randomization.Reduce(word, n)
		if ok != (word >= limit) || ok && x != word%n {
			t.Fatalf("reduce(%d, %d) = %d, %v; limit %d", word, n, x, ok, limit)
		}
	})
}
