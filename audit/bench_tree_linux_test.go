package audit_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/audit/store"
	"github.com/lodd-rct/lodd/audit/store/bolt"
)

// A committer writes to an engine as the log does, from one goroutine, but
// without hashes, tiles and receipts.
type committer struct {
	calls chan store.Part
	errs  chan error
}

func startCommitter(b *testing.B, db *bolt.DB) *committer {
	c := &committer{make(chan store.Part, 1), make(chan error, 1)}
	ctx := b.Context()
	go func() {
		for p := range c.calls {
			c.errs <- db.Append(ctx, p)
		}
	}()
	return c
}

func (c *committer) append(p store.Part) error {
	c.calls <- p
	return <-c.errs
}

// BenchmarkTree appends the same entries to a log and to an engine of its kind
// without a tree, in turns. The metrics are the median latency of the log, and
// that without a tree in percent of it, which is what the tree leaves of the rate.
func BenchmarkTree(b *testing.B) {
	for _, some := range []int{1, 64, 256} {
		b.Run(fmt.Sprintf("entries=%d", some), func(b *testing.B) {
			var dbs [2]*bolt.DB
			for i := range dbs {
				var err error
				if dbs[i], err = bolt.Open(filepath.Join(b.TempDir(), "log.db"), bolt.Options{}); err != nil {
					b.Fatal(err)
				}
				defer dbs[i].Close()
			}
			l, plain := open(b, config(b, dbs[0])), startCommitter(b, dbs[1])
			defer close(plain.calls)
			defer l.Close()
			var with, without []float64
			for at := int64(0); b.Loop(); at += int64(some) {
				entries := entriesFrom(at, some)
				begin := b.Elapsed()
				if _, err := l.Append(b.Context(), audit.Part{List: "a", At: at, Entries: entries}); err != nil {
					b.Fatal(err)
				}
				middle := b.Elapsed()
				if err := plain.append(store.Part{List: "a", At: at, Records: entries}); err != nil {
					b.Fatal(err)
				}
				with, without = append(with, float64(middle-begin)), append(without, float64(b.Elapsed()-middle))
			}
			b.ReportMetric(median(with)/float64(time.Microsecond), "p50-us")
			b.ReportMetric(100*median(without)/median(with), "%-of-plain")
			b.ReportMetric(0, "ns/op") // says nothing
		})
	}
}

// entriesFrom returns n entries of the usual size.
func entriesFrom(at int64, n int) [][]byte {
	var out [][]byte
	for i := range int64(n) {
		out = append(out, fmt.Appendf(nil, "%0*d", entrySize, at+i))
	}
	return out
}

// BenchmarkProveRecord makes inclusion proofs in a list of 100,000 entries: of
// entries all over it, and of the last 100, as whoever has just written awaits
// them, in the tree of now and in that of a moment ago. The metric x-256-hashes
// compares it with hashing 256 nodes, measured in the same run.
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
	for _, tt := range []struct {
		name          string
		size, from, n int64
	}{
		{"all", n, 0, n},
		{"last", n, n - 100, 100},
		{"last, a moment ago", n - 30, n - 100, 70},
	} {
		b.Run(tt.name, func(b *testing.B) {
			var proofs, hashes []float64
			for i := int64(0); b.Loop(); i += 7919 {
				begin := b.Elapsed()
				if _, err := l.ProveRecord(b.Context(), "a", tt.size, tt.from+i%tt.n); err != nil {
					b.Fatal(err)
				}
				middle := b.Elapsed()
				var h tlog.Hash
				for range 256 {
					h = tlog.NodeHash(h, h)
				}
				proofs, hashes = append(proofs, float64(middle-begin)), append(hashes, float64(b.Elapsed()-middle))
			}
			b.ReportMetric(median(proofs)/float64(time.Microsecond), "p50-us")
			b.ReportMetric(median(proofs)/median(hashes), "x-256-hashes")
			b.ReportMetric(0, "ns/op") // says nothing
		})
	}
}
