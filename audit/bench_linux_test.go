package audit_test

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/audit/store/bolt"
)

const entrySize = 236 // bytes, as in the design's measurements

// rawAppends appends n times some records of 256 bytes to a file, durably each
// time.
func rawAppends(b *testing.B, n, some int) {
	b.Helper()
	f, err := os.Create(filepath.Join(b.TempDir(), "raw"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	for range n {
		if _, err := f.Write(make([]byte, 256*some)); err != nil {
			b.Fatal(err)
		}
		if err := syscall.Fdatasync(int(f.Fd())); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkAppend appends through the log, durably: from as many callers as
// there are trials, each with a list of its own, and a number of entries at a
// time, as the one owner of a trial appends what waits for it. The metric x-raw
// compares the rate with that of appending 256 bytes to a plain file and
// fdatasync, and %-of-64 with that of 64 times 256 bytes at once, measured in
// the same run.
func BenchmarkAppend(b *testing.B) {
	for _, tt := range []struct{ callers, entries int }{
		{1, 1}, {16, 1}, {64, 1}, {256, 1}, {1, 16}, {1, 64}, {1, 256}, {4, 64},
	} {
		b.Run(fmt.Sprintf("callers=%d/entries=%d", tt.callers, tt.entries), func(b *testing.B) {
			db, err := bolt.Open(filepath.Join(b.TempDir(), "log.db"), bolt.Options{})
			if err != nil {
				b.Fatal(err)
			}
			defer db.Close()
			l := open(b, config(b, db))
			defer l.Close()

			const rounds, raws = 5, 60 // interleaved: a disk has moods
			var raw, raw64, ours time.Duration
			b.ResetTimer()
			for range rounds {
				begin := b.Elapsed()
				rawAppends(b, raws, 1)
				single := b.Elapsed()
				rawAppends(b, raws, 64)
				middle := b.Elapsed()
				var wg sync.WaitGroup
				for c := range tt.callers {
					wg.Go(func() { appendMany(b, l, fmt.Sprintf("t%d", c), b.N/tt.callers/rounds, tt.entries) })
				}
				wg.Wait()
				raw, raw64, ours = raw+single-begin, raw64+middle-single, ours+b.Elapsed()-middle
			}
			n := 0
			for _, list := range l.Lists("") {
				n += int(l.Len(list))
			}
			if n > 0 {
				b.ReportMetric(float64(ours)/float64(n), "ns/op")
				b.ReportMetric(float64(n)/ours.Seconds(), "entries/s")
				b.ReportMetric(float64(raw)/rounds/raws*float64(n)/float64(ours), "x-raw")
				b.ReportMetric(100*float64(raw64)/rounds/raws/64*float64(n)/float64(ours), "%-of-64")
			}
		})
	}
}

// appendMany appends n entries to a list, some at a time.
func appendMany(b *testing.B, l *audit.Log, list string, n, some int) {
	for ; n > 0; n -= some {
		p := audit.Part{List: list, At: l.Len(list)}
		for range some {
			p.Entries = append(p.Entries, make([]byte, entrySize))
		}
		if _, err := l.Append(b.Context(), p); err != nil {
			b.Error(err)
			return
		}
	}
}
