package ahead_test

import (
	"slices"
	"sync/atomic"
	"testing"

	"github.com/lodd-rct/lodd/audit/ahead"
)

func TestValuesComeInOrder(t *testing.T) {
	for _, n := range []int64{0, 1, 3, 4, 5, 100} {
		var got, want []int64
		for i := range n {
			want = append(want, i*i)
		}
		for v := range ahead.Of(n, 4, func(i int64) int64 { return i * i }) {
			got = append(got, v)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%d values: %v, want %v", n, got, want)
		}
	}
}

// Whoever stops early finds nothing running, and little made in vain.
func TestNothingRunsAfterTheEnd(t *testing.T) {
	const depth = 4
	var made, running atomic.Int64
	for v := range ahead.Of(1000, depth, func(i int64) int64 {
		running.Add(1)
		defer running.Add(-1)
		made.Add(1)
		return i
	}) {
		if v == 9 {
			break
		}
	}
	if r, m := running.Load(), made.Load(); r != 0 || m < 10 || m > 10+depth {
		t.Errorf("%d run, %d were made; want 0, and 10 to %d", r, m, 10+depth)
	}
}
