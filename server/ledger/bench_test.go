package ledger_test

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/audit/store"
	"github.com/lodd-rct/lodd/audit/store/storetest"
	"github.com/lodd-rct/lodd/server/ledger"
	"github.com/lodd-rct/lodd/server/trial"
	"github.com/lodd-rct/lodd/server/trial/entry"
	"github.com/lodd-rct/lodd/server/vault"
)

// BenchmarkReplay opens a trial of a million entries (50,000 with -short): per
// participant a screening, two baseline forms, a preparation, and as many
// corrections as make ten entries. It reports entries a second, without the
// check of the log itself, and the memory that a million entries take.
func BenchmarkReplay(b *testing.B) {
	n := 1_000_000
	if testing.Short() {
		n = 50_000
	}
	w := recruiting(b, &storetest.Memory{})
	entries := w.grow(n)
	config := ledger.Config{Log: w.log, Vault: w.vault, Seeds: never{}, Random: never{}, Now: w.now}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var elapsed time.Duration
	for b.Loop() {
		l, err := ledger.Open(context.Background(), config)
		if err != nil {
			b.Fatal(err)
		}
		elapsed = b.Elapsed()
		b.StopTimer()
		runtime.GC()
		runtime.ReadMemStats(&after)
		l.Close()
		b.StartTimer()
	}
	b.ReportMetric(float64(entries)*float64(b.N)/elapsed.Seconds(), "entries/s")
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)*1e6/float64(entries), "B/1e6-entries")
}

// never is a source of random bytes that nobody may need: a replay draws none.
type never struct{}

func (never) Read([]byte) (int, error) { return 0, fmt.Errorf("a replay drew random bytes") }

// grow appends about n entries straight to the log and returns how many the
// trial has then.
func (w *world) grow(n int) int64 {
	w.Helper()
	lens := map[trial.Compartment]int64{}
	for _, c := range trial.Compartments() {
		lens[c] = w.log.Len(w.trial().List(c))
	}
	parts := map[trial.Compartment]*store.Part{}
	sealed := make([]byte, 120)
	for i := range n / 10 {
		p := trial.ParticipantID(fmt.Sprintf("P%06d", i))
		if err := w.vault.Create(context.Background(), vault.KeyID("IPS/participant/"+p)); err != nil {
			w.Fatal(err)
		}
		s := screened(p)
		s.Assessed, s.Eligible, s.Sealed = true, true, sealed
		for j, e := range append([]trial.Event{
			s,
			trial.FormSubmitted{Participant: p, Visit: "baseline", Form: "history", Version: 1, On: s.On, Sealed: sealed},
			trial.FormSubmitted{Participant: p, Visit: "baseline", Form: "audit", Version: 1, On: s.On, Sealed: sealed},
			trial.Prepared{Participant: p},
		}, corrections(p, sealed)...) {
			by := w.as(trial.Coordinator)
			in := trial.Conduct
			rec := entry.Entry{At: w.now(), Actor: "kari", Role: string(trial.Coordinator), Request: by.Request, Event: e}
			if j == 2 || j > 3 {
				in, rec.Role, rec.ConductSize = trial.Outcome, string(trial.Assessor), lens[trial.Conduct]
			}
			data, err := entry.Marshal(rec)
			if err != nil {
				w.Fatal(err)
			}
			if parts[in] == nil {
				parts[in] = &store.Part{List: w.trial().List(in), At: lens[in]}
			}
			parts[in].Records = append(parts[in].Records, w.authentic(w.trial().List(in), lens[in], data))
			lens[in]++
		}
		if i%100 == 99 || i == n/10-1 {
			w.flush(parts)
			clear(parts)
		}
	}
	return lens[trial.Conduct] + lens[trial.Outcome] + lens[trial.Allocation]
}

func corrections(p trial.ParticipantID, sealed []byte) []trial.Event {
	var out []trial.Event
	for range 6 {
		out = append(out, trial.FormCorrected{Participant: p, Visit: "baseline", Form: "audit", Version: 1, Sealed: sealed})
	}
	return out
}

// flush appends parts in one transaction of the log.
func (w *world) flush(parts map[trial.Compartment]*store.Part) {
	w.Helper()
	var out []audit.Part
	for _, p := range parts {
		out = append(out, audit.Part{List: p.List, At: p.At, Entries: p.Records})
	}
	if _, err := w.log.Append(context.Background(), out...); err != nil {
		w.Fatal(err)
	}
}

// BenchmarkRandomize commits randomizations from one caller and from 64, on a
// store in memory: what the ledger itself costs.
func BenchmarkRandomize(b *testing.B) {
	for _, callers := range []int{1, 64} {
		b.Run(fmt.Sprint(callers), func(b *testing.B) {
			w := recruiting(b, &storetest.Memory{})
			commits := make(chan trial.Randomized, b.N)
			for i := range b.N {
				commits <- w.ready(trial.ParticipantID(fmt.Sprintf("P%d", i)))
			}
			var used sync.Mutex
			b.SetParallelism(callers)
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					used.Lock()
					by := w.as(trial.Coordinator)
					used.Unlock()
					if _, err := w.trial().Randomize(context.Background(), by, <-commits); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}
