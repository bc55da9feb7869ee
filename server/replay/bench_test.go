package replay_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/server/replay"
	"github.com/lodd-rct/lodd/server/trial"
)

// BenchmarkVerify checks an archive of a trial of 10,000 randomized participants
// (100 with -short), first its hashes and then its rules, and reports how many
// entries that is a second.
func BenchmarkVerify(b *testing.B) {
	people := 10_000
	if testing.Short() {
		people = 100
	}
	s := begin(b)
	for i := range people {
		p := trial.ParticipantID(fmt.Sprintf("P%d", i))
		s.ready(p)
		s.randomize(p)
	}
	file := archive(b, s.steps, nil)
	b.ReportAllocs()
	for b.Loop() {
		a, err := audit.ReadArchive(bytes.NewReader(file), int64(len(file)), nil)
		if err != nil {
			b.Fatal(err)
		}
		if n, err := replay.Verify(a); err != nil || total(n) == 0 {
			b.Fatal(n, err)
		}
	}
	b.ReportMetric(float64(len(s.steps)*b.N)/b.Elapsed().Seconds(), "entries/s")
	b.ReportMetric(float64(len(file))/float64(len(s.steps)), "bytes/entry")
}
