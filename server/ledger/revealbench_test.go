package ledger_test

import (
	"crypto/rand"
	"fmt"
	"io"
	"runtime/metrics"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/lodd-rct/lodd/audit/store/storetest"
	"github.com/lodd-rct/lodd/randomization"
	"github.com/lodd-rct/lodd/server/export"
	"github.com/lodd-rct/lodd/server/export/csv"
	"github.com/lodd-rct/lodd/server/trial"
)

// BenchmarkReveal makes the reveal of a trial with 10^5 allocations and writes it
// twice, as a download does, and says what it holds in memory beside the ledger at
// the worst moment.
func BenchmarkReveal(b *testing.B) {
	n := 100_000
	if testing.Short() {
		n = 2_000
	}
	for _, d := range []randomization.Design{design, minimization} {
		b.Run(fmt.Sprintf("%T", d), func(b *testing.B) {
			w := created(b, &storetest.Memory{})
			if _, _, err := w.trial().Seal(b.Context(), w.as(trial.Custodian), d, false); err != nil {
				b.Fatal(err)
			}
			w.do(trial.Custodian, trial.EnrolmentOpened{})
			for i := range n {
				site, sex := []trial.SiteID{"OSLO", "BERGEN"}[i%2], trial.Code([]string{"f", "m"}[i/2%2])
				w.do(trial.Coordinator, w.readyIn(trial.ParticipantID(fmt.Sprintf("P%06d", i)), site, sex))
			}
			w.unseal()
			private, _, err := note.GenerateKey(rand.Reader, "lodd.example.org")
			if err != nil {
				b.Fatal(err)
			}
			signer, err := note.NewSigner(private)
			if err != nil {
				b.Fatal(err)
			}
			out := export.Output{Format: csv.Format{}, Signer: signer, Log: signer}
			before, peak := heap(), highest(b)
			for b.Loop() {
				r, err := w.trial().Reveal(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				for range 2 {
					if err := export.BundleReveal(b.Context(), io.Discard, r, out); err != nil {
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric(float64(peak()-before)/float64(n), "B/allocation")
		})
	}
}

// highest starts to watch how many bytes are in use, garbage with them. The
// function that it returns ends that and returns the most there were.
func highest(b *testing.B) func() uint64 {
	b.Helper()
	stop, most := make(chan struct{}), make(chan uint64)
	go func() {
		peak, sample := uint64(0), []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				metrics.Read(sample)
				peak = max(peak, sample[0].Value.Uint64())
			case <-stop:
				most <- peak
				return
			}
		}
	}()
	return func() uint64 {
		close(stop)
		return <-most
	}
}
