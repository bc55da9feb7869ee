package server_test

import (
	"cmp"
	"math"
	"slices"
	"testing"
	"time"
)

// mannWhitney returns the two-sided p of the hypothesis that both samples, of more
// than 20 each, are of one distribution: the normal approximation, with a
// correction for ties.
//
// Source: Mann and Whitney 1947, Annals of Mathematical Statistics 18:50-60.
func mannWhitney(a, b []time.Duration) float64 {
	type one struct {
		of    time.Duration
		first bool
	}
	var all []one
	for _, d := range a {
		all = append(all, one{d, true})
	}
	for _, d := range b {
		all = append(all, one{d, false})
	}
	slices.SortFunc(all, func(x, y one) int { return cmp.Compare(x.of, y.of) })
	n, m, total := float64(len(a)), float64(len(b)), float64(len(all))
	ranks, ties := 0.0, 0.0
	for lo := 0; lo < len(all); {
		hi := lo
		for hi < len(all) && all[hi].of == all[lo].of {
			hi++
		}
		tied := float64(hi - lo)
		ties += tied*tied*tied - tied
		for ; lo < hi; lo++ {
			if all[lo].first {
				ranks += float64(hi) - (tied-1)/2
			}
		}
	}
	variance := n * m / 12 * (total + 1 - ties/(total*(total-1)))
	if variance == 0 {
		return 1
	}
	z := (ranks - n*(total+1)/2) / math.Sqrt(variance)
	return math.Erfc(math.Abs(z) / math.Sqrt2)
}

func median(of []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(of))
	return sorted[len(sorted)/2]
}

// The test of ranks has the values that tables have.
func TestMannWhitney(t *testing.T) {
	sample := func(from, step, n int) (out []time.Duration) {
		for i := range n {
			out = append(out, time.Duration(from+step*i))
		}
		return out
	}
	for name, tt := range map[string]struct {
		a, b     []time.Duration
		low, top float64
	}{
		"interleaved": {sample(0, 2, 100), sample(1, 2, 100), 0.8, 1},
		"all equal":   {sample(5, 0, 100), sample(5, 0, 100), 1, 1},
		"apart":       {sample(0, 1, 100), sample(100, 1, 100), 0, 1e-30},
		// U is 780 of 2,500: z = 470 / sqrt(2,500 * 101 / 12) = 3.240.
		"shifted by a fifth": {sample(0, 2, 50), sample(21, 2, 50), 1.19e-3, 1.20e-3},
	} {
		if p := mannWhitney(tt.a, tt.b); p < tt.low || p > tt.top {
			t.Errorf("%s: p = %g, want %g to %g", name, p, tt.low, tt.top)
		}
	}
}
