package bolt_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/audit/store/bolt"
)

// entryBytes is the size of an entry in the design's measurements.
const entryBytes = 236

// bytesPerByte returns how many bytes of file a log uses, with its tree, for each
// byte of n entries that were appended some at a time. It is the same in every
// run.
func bytesPerByte(tb testing.TB, n, some int) float64 {
	tb.Helper()
	l, db, err := openLogWith(tb.Context(), tb.TempDir(), bolt.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	defer db.Close()
	defer l.Close()
	db.NoSync() // nothing crashes here
	for at := 0; at < n; at += some {
		p := audit.Part{List: "a", At: int64(at)}
		for range min(some, n-at) {
			p.Entries = append(p.Entries, bytes.Repeat([]byte{1}, entryBytes))
		}
		if _, err := l.Append(tb.Context(), p); err != nil {
			tb.Fatal(err)
		}
	}
	used, err := db.Used()
	if err != nil {
		tb.Fatal(err)
	}
	return float64(used) / float64(n) / entryBytes
}

// A log takes at most 1.4 bytes of disk for each byte of entry, tree included, if
// entries come together, and 1.6 if each comes alone.
//
// Source: docs/performance.md.
func TestDiskBytesPerByte(t *testing.T) {
	for _, tt := range []struct {
		n, some int
		most    float64
	}{
		{6_000, 1, 1.6},
		{20_000, 16, 1.4},
		{20_000, 64, 1.4},
		{20_000, 256, 1.4},
	} {
		if got := bytesPerByte(t, tt.n, tt.some); got > tt.most {
			t.Errorf("%d entries, %d at a time: %.3f bytes for each byte, at most %.1f are allowed", tt.n, tt.some, got, tt.most)
		} else if got < 1.1 { // 1 and the hashes
			t.Errorf("%d entries, %d at a time: %.3f bytes for each byte: the test counts too few", tt.n, tt.some, got)
		}
	}
}

// BenchmarkBytesPerByte reports the bytes of file for each byte of entry.
func BenchmarkBytesPerByte(b *testing.B) {
	for _, some := range []int{1, 16, 64, 256, 1024} {
		b.Run(fmt.Sprintf("entries=%d", some), func(b *testing.B) {
			var got float64
			for b.Loop() {
				got = bytesPerByte(b, 20_000, some)
			}
			b.ReportMetric(got, "disk-bytes/byte")
			b.ReportMetric(0, "ns/op") // says nothing
		})
	}
}
