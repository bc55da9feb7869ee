package audit_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/audit/store/bolt"
)

// BenchmarkGrowth makes logs of ten thousand to a million entries, of ten million
// if LODD_LONG is set, and reports what changes with their size: the median
// latency of a single append at the end, beside that of appending to a plain
// file; how long the engine and the log take to open, with all entries checked
// and with the tail only; memory; and bytes of file. Run it with -benchtime 1x.
// The largest log needs 4 GB of disk.
func BenchmarkGrowth(b *testing.B) {
	sizes := []int{10_000, 100_000, 1_000_000}
	if os.Getenv("LODD_LONG") != "" {
		sizes = append(sizes, 10_000_000)
	}
	for _, n := range sizes {
		b.Run(fmt.Sprintf("entries=%d", n), func(b *testing.B) {
			path := filepath.Join(b.TempDir(), "log.db")
			makeLog(b, path, n)
			for b.Loop() {
				measureLog(b, path, n)
			}
		})
	}
}

// makeLog makes a log with one list of n entries.
func makeLog(b *testing.B, path string, n int) {
	b.Helper()
	db, err := bolt.Open(path, bolt.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	l := open(b, config(b, db))
	defer l.Close()
	for at := 0; at < n; at += audit.MaxEntries {
		p := audit.Part{List: "a", At: int64(at), Entries: entriesFrom(int64(at), min(audit.MaxEntries, n-at))}
		if _, err := l.Append(b.Context(), p); err != nil {
			b.Fatal(err)
		}
	}
}

// measureLog opens a log of n entries in both ways and appends to it.
func measureLog(b *testing.B, path string, n int) {
	b.Helper()
	info, err := os.Stat(path)
	if err != nil {
		b.Fatal(err)
	}
	begin := b.Elapsed()
	db, err := bolt.Open(path, bolt.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	engine := b.Elapsed() - begin

	before := heap()
	c := config(b, db)
	begin = b.Elapsed()
	c.FullCheck = int64(n)
	l := open(b, c)
	whole := b.Elapsed() - begin
	held := heap() - before
	l.Close()
	begin = b.Elapsed()
	c.FullCheck = 1
	l = open(b, c)
	tail := b.Elapsed() - begin
	defer l.Close()

	ours, raw := appendTimes(b, l)
	b.ReportMetric(float64(ours.Microseconds()), "append-p50-us")
	b.ReportMetric(float64(ours)/float64(raw), "append/raw")
	b.ReportMetric(float64(engine.Milliseconds()), "engine-open-ms")
	b.ReportMetric(float64(whole.Milliseconds()), "log-open-ms")
	b.ReportMetric(float64(tail.Milliseconds()), "tail-open-ms")
	b.ReportMetric(float64(held)/float64(n), "held-B/entry")
	b.ReportMetric(float64(info.Size())/float64(n), "file-B/entry")
	b.ReportMetric(0, "ns/op") // says nothing
}

// appendTimes returns the median latency of single appends to the log and to a
// plain file, measured in turns.
func appendTimes(b *testing.B, l *audit.Log) (ours, raw time.Duration) {
	b.Helper()
	f, err := os.Create(filepath.Join(b.TempDir(), "raw"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	const n = 500
	var logs, raws []time.Duration
	for range n {
		begin := b.Elapsed()
		if _, err := f.Write(make([]byte, 256)); err != nil {
			b.Fatal(err)
		}
		if err := syscall.Fdatasync(int(f.Fd())); err != nil {
			b.Fatal(err)
		}
		middle := b.Elapsed()
		if _, err := l.Append(b.Context(), audit.Part{List: "a", At: l.Len("a"), Entries: [][]byte{make([]byte, entrySize)}}); err != nil {
			b.Fatal(err)
		}
		raws, logs = append(raws, middle-begin), append(logs, b.Elapsed()-middle)
	}
	slices.Sort(raws)
	slices.Sort(logs)
	return logs[n/2], raws[n/2]
}
