package ledger_test

import (
	"context"
	"fmt"
	"runtime"
	"testing"

	"github.com/lodd-rct/lodd/audit/store/storetest"
	"github.com/lodd-rct/lodd/randomization"
	"github.com/lodd-rct/lodd/server/ledger"
	"github.com/lodd-rct/lodd/server/trial"
)

// BenchmarkAllocations opens a trial with 10^5 allocations, each of which is
// drawn again and compared with what is sealed, and says what it holds in memory
// from then on: state, request ids, sequences or counts, and the decoded forms.
func BenchmarkAllocations(b *testing.B) {
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
				site, sex := trial.SiteID("OSLO"), trial.Code([]string{"f", "m"}[i%2])
				w.do(trial.Coordinator, w.readyIn(trial.ParticipantID(fmt.Sprintf("P%06d", i)), site, sex))
			}
			w.ledger.Close()
			config := ledger.Config{Log: w.log, Vault: w.vault, Seeds: never{}, Random: never{}, Now: w.now}
			before, after := heap(), uint64(0)
			for b.Loop() {
				l, err := ledger.Open(context.Background(), config)
				if err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				after = heap()
				l.Close()
				b.StartTimer()
			}
			b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "allocations/s")
			b.ReportMetric(float64(after-before)/float64(n), "B/allocation")
		})
	}
}

// heap returns how many bytes are in use.
func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
