package export_test

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"github.com/lodd-rct/lodd/server/export"
	exportcsv "github.com/lodd-rct/lodd/server/export/csv"
	"github.com/lodd-rct/lodd/server/instrument"
	"github.com/lodd-rct/lodd/server/trial"
)

// BenchmarkBundle writes one form of each of some participants, whose answers
// cost nothing to read. The heap is the most that was in use at once; it grows
// by the row keys alone.
func BenchmarkBundle(b *testing.B) {
	for _, n := range []int{1_000, 10_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			src := many(n, 1)
			p := protocol(b)
			in, err := instrument.Parse(p.Forms[1].Definition)
			if err != nil {
				b.Fatal(err)
			}
			src.Forms = []export.Form{{ID: "mood", Version: 2, Instrument: in}}
			src.Record = func(trial.ParticipantID, trial.VisitID, trial.FormID) (trial.FormRecord, bool) {
				return trial.FormRecord{Visit: "baseline", Form: "mood", On: trial.Date{Year: 2026, Month: 1, Day: 1}}, true
			}
			src.Answers = func(context.Context, trial.ParticipantID, trial.FormRecord) (export.Answers, error) {
				return export.Answers{Values: instrument.Values{"score": instrument.Number(3), "note": instrument.String("ok")}}, nil
			}
			key, _, err := note.GenerateKey(&stream{name: "signing key"}, "example.org")
			if err != nil {
				b.Fatal(err)
			}
			signer, err := note.NewSigner(key)
			if err != nil {
				b.Fatal(err)
			}
			w := &peak{}
			for b.Loop() {
				if err := export.Bundle(b.Context(), w, src, export.Output{Format: exportcsv.Format{}, Signer: signer, Log: signer}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/row")
			b.ReportMetric(float64(w.most)/1e6, "MB-heap")
		})
	}
}

// A peak discards and looks at the live heap at every 256 KiB or so.
type peak struct {
	since int
	most  uint64
}

func (p *peak) Write(b []byte) (int, error) {
	if p.since += len(b); p.since > 1<<18 || p.most == 0 {
		p.since = 0
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		p.most = max(p.most, m.HeapAlloc)
	}
	return len(b), nil
}

var _ io.Writer = (*peak)(nil)
