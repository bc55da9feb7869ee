package randomization_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"testing"

	"github.com/lodd-rct/lodd/randomization"
)

const million = 1_000_000

// BenchmarkSchedule1e6 draws a list of 10^6 allocations. "x-limit" is its time
// over that of the HMACs that the list needs, measured in the same run: 1 is
// the physical limit.
func BenchmarkSchedule1e6(b *testing.B) {
	perHash := benchmarkHash(b)
	for _, c := range []goldenCase{goldenCases[0], goldenCases[3], goldenCases[4]} {
		b.Run(c.ratio+" "+c.sizes, func(b *testing.B) {
			var hashes uint64
			b.ReportAllocs()
			for b.Loop() {
				s := newSequence(b, c.design, c.trial, c.stratum)
				s.At(million - 1)
				hashes = s.Hashes()
			}
			perList := float64(b.Elapsed().Nanoseconds()) / float64(b.N)
			b.ReportMetric(perList/million, "ns/allocation")
			b.ReportMetric(million/perList*1e9, "allocations/s")
			b.ReportMetric(float64(hashes), "hashes")
			b.ReportMetric(perList/(float64(hashes)*perHash), "x-limit")
		})
	}
}

// benchmarkHash measures one HMAC-SHA-256 of a counter, in nanoseconds.
func benchmarkHash(b *testing.B) (ns float64) {
	b.Run("hash", func(b *testing.B) {
		mac, out := hmac.New(sha256.New, counting(0)), make([]byte, 0, sha256.Size)
		for b.Loop() {
			mac.Reset()
			mac.Write(counter[:])
			mac.Sum(out)
		}
		ns = float64(b.Elapsed().Nanoseconds()) / float64(b.N)
	})
	return ns
}

var counter [8]byte

// BenchmarkVerify1e6 compares 10^6 recorded allocations of 200 strata with what
// the seed gives, in an order that interleaves the strata.
func BenchmarkVerify1e6(b *testing.B) {
	const strata = 200
	perHash := benchmarkHash(b)
	c := goldenCases[0]
	start := func() []*randomization.Sequence {
		sequences := make([]*randomization.Sequence, strata)
		for i := range sequences {
			sequences[i] = newSequence(b, c.design, c.trial, fmt.Sprint("stratum ", i))
		}
		return sequences
	}
	recorded := make([]uint8, million)
	sequences := start()
	for i := range recorded {
		recorded[i] = uint8(sequences[i%strata].At(i / strata))
	}
	b.Run("verify", func(b *testing.B) {
		var hashes uint64
		b.ReportAllocs()
		for b.Loop() {
			sequences := start()
			for i, arm := range recorded {
				if got := sequences[i%strata].At(i / strata); got != randomization.Arm(arm) {
					b.Fatalf("allocation %d is %d, recorded %d", i, got, arm)
				}
			}
			hashes = 0
			for _, s := range sequences {
				hashes += s.Hashes()
			}
		}
		perRun := float64(b.Elapsed().Nanoseconds()) / float64(b.N)
		b.ReportMetric(perRun/million, "ns/allocation")
		b.ReportMetric(million/perRun*1e9, "allocations/s")
		b.ReportMetric(perRun/(float64(hashes)*perHash), "x-limit")
	})
}
