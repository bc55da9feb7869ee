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

// BenchmarkVerify1e6 verifies a reveal of 10^6 allocations of 200 strata, in an
// order that interleaves them. "x-limit" is as above.
func BenchmarkVerify1e6(b *testing.B) {
	const strata = 200
	perHash := benchmarkHash(b)
	c := goldenCases[0]
	sequences, names := make([]*randomization.Sequence, strata), make([]string, strata)
	for i := range sequences {
		names[i] = fmt.Sprint("stratum ", i)
		sequences[i] = newSequence(b, c.design, c.trial, names[i])
	}
	r := randomization.Reveal{Trial: c.trial, Design: c.design, Drawn: testSeed(b), Salt: testSalt(b), Allocations: make([]randomization.Allocation, million)}
	r.Commitment = randomization.Commit(r.Trial, r.Design, r.Drawn, r.Salt)
	hashes := uint64(0)
	for i := range r.Allocations {
		r.Allocations[i] = randomization.Allocation{Kind: randomization.Drawn, Stratum: names[i%strata], Slot: i / strata, Arm: sequences[i%strata].At(i / strata)}
	}
	for _, s := range sequences {
		hashes += s.Hashes()
	}
	b.Run("verify", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := randomization.Verify(r); err != nil {
				b.Fatal(err)
			}
		}
		perRun := float64(b.Elapsed().Nanoseconds()) / float64(b.N)
		b.ReportMetric(perRun/million, "ns/allocation")
		b.ReportMetric(million/perRun*1e9, "allocations/s")
		b.ReportMetric(perRun/(float64(hashes)*perHash), "x-limit")
	})
}

// BenchmarkMinimize allocates and counts one participant after the other: 1:1,
// three factors of 20, 2 and 3 levels.
func BenchmarkMinimize(b *testing.B) {
	perHash := benchmarkHash(b)
	m, slot := newMinimizer(b, minimization([]int{1, 1}, randomization.Range, 20, 1, 2, 1, 3, 1), "ips"), 0
	levels := make([]int, 3)
	b.Run("minimize", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			levels[0], levels[1], levels[2] = slot*7%20, slot*5%2, slot*11%3
			arm := next(b, m, slot, levels)
			if slot++; slot < randomization.MaxMinimized {
				count(b, m, levels, arm)
			} else {
				slot = 0
				m = newMinimizer(b, minimization([]int{1, 1}, randomization.Range, 20, 1, 2, 1, 3, 1), "ips")
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/perHash, "x-limit")
	})
}
