package audit_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/audit/store/bolt"
)

const entrySize = 236 // bytes, as in the design's measurements

// rawAppends appends n times 256 bytes to a file, durably each time.
func rawAppends(b *testing.B, n int) {
	b.Helper()
	f, err := os.Create(filepath.Join(b.TempDir(), "raw"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	for range n {
		if _, err := f.Write(make([]byte, 256)); err != nil {
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
// compares the rate with that of appending to a plain file and fdatasync,
// measured in the same run.
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
			var raw, ours time.Duration
			b.ResetTimer()
			for range rounds {
				begin := b.Elapsed()
				rawAppends(b, raws)
				middle := b.Elapsed()
				var wg sync.WaitGroup
				for c := range tt.callers {
					wg.Go(func() { appendMany(b, l, fmt.Sprintf("t%d", c), b.N/tt.callers/rounds, tt.entries) })
				}
				wg.Wait()
				raw, ours = raw+middle-begin, ours+b.Elapsed()-middle
			}
			n := 0
			for _, list := range l.Lists("") {
				n += int(l.Len(list))
			}
			if n > 0 {
				b.ReportMetric(float64(ours)/float64(n), "ns/op")
				b.ReportMetric(float64(n)/ours.Seconds(), "entries/s")
				b.ReportMetric(float64(raw)/rounds/raws*float64(n)/float64(ours), "x-raw")
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

// BenchmarkOpen opens a log of a million entries, which checks all of them:
// the engine its pages, the log its trees.
func BenchmarkOpen(b *testing.B) {
	n := 1_000_000
	if testing.Short() {
		n = 100_000
	}
	path := filepath.Join(b.TempDir(), "log.db")
	db, err := bolt.Open(path, bolt.Options{})
	if err != nil {
		b.Fatal(err)
	}
	l := open(b, config(b, db))
	for at := 0; at < n; at += audit.MaxEntries {
		p := audit.Part{List: "a", At: int64(at)}
		for i := range min(audit.MaxEntries, n-at) {
			p.Entries = append(p.Entries, fmt.Appendf(nil, "%0*d", entrySize, at+i))
		}
		if _, err := l.Append(b.Context(), p); err != nil {
			b.Fatal(err)
		}
	}
	l.Close()
	db.Close()
	info, err := os.Stat(path)
	if err != nil {
		b.Fatal(err)
	}

	var engine time.Duration
	var held uint64
	for b.Loop() {
		begin := b.Elapsed()
		if db, err = bolt.Open(path, bolt.Options{}); err != nil {
			b.Fatal(err)
		}
		engine += b.Elapsed() - begin
		before := heap()
		l = open(b, config(b, db))
		held = heap() - before
		proveMany(b, l, int64(n))
		l.Close()
		db.Close()
	}
	b.ReportMetric(float64(n)*float64(b.N)/engine.Seconds(), "engine-entries/s")
	b.ReportMetric(float64(n)*float64(b.N)/(b.Elapsed()-engine).Seconds(), "log-entries/s")
	b.ReportMetric(float64(held)/float64(n), "MB/1e6-entries") // bytes an entry
	b.ReportMetric(float64(info.Size())/float64(n)/entrySize, "disk-bytes/byte")
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// proveMany makes some proofs, so that the benchmark can't pass with a log that
// holds nothing.
func proveMany(b *testing.B, l *audit.Log, n int64) {
	b.Helper()
	for i := int64(0); i < n; i += n / 7 {
		if _, err := l.ProveRecord(b.Context(), "a", n, i); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkProveRecord makes inclusion proofs in a list of 100,000 entries.
func BenchmarkProveRecord(b *testing.B) {
	db, err := bolt.Open(filepath.Join(b.TempDir(), "log.db"), bolt.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	l := open(b, config(b, db))
	defer l.Close()
	const n = 100_000
	grow(b, l, "a", n)
	i := int64(0)
	for b.Loop() {
		if _, err := l.ProveRecord(b.Context(), "a", n, i%n); err != nil {
			b.Fatal(err)
		}
		i += 7919
	}
}
