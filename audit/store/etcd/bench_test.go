package etcd_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/audit/store/etcd"
)

// entrySize is that of the entries in docs/performance.md.
const entrySize = 236

// rounds is how often each of the two is measured, in turns.
const rounds = 5

// BenchmarkAppend appends entries of 236 bytes, one a call, through the log
// and its committer, and puts the same into the same cluster without any of
// it. It reports the medians of both rates and their ratio, from one run.
func BenchmarkAppend(b *testing.B) {
	for _, callers := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			l := openLog(b, newPlace(b).lead(b))
			c := raw(b)
			entry := bytes.Repeat([]byte{'e'}, entrySize)
			var puts, appends []float64
			at := make([]int64, callers)
			for range rounds {
				puts = append(puts, rate(b, callers, func(caller int) error {
					_, err := c.Put(b.Context(), fmt.Sprintf("/plain/%s/%d", b.Name(), caller), string(entry))
					return err
				}))
				appends = append(appends, rate(b, callers, func(caller int) error {
					_, err := l.Append(b.Context(), audit.Part{List: fmt.Sprintf("list%d", caller), At: at[caller], Entries: [][]byte{entry}})
					at[caller]++
					return err
				}))
			}
			slices.Sort(puts)
			slices.Sort(appends)
			b.ReportMetric(appends[rounds/2], "appends/s")
			b.ReportMetric(puts[rounds/2], "puts/s")
			b.ReportMetric(appends[rounds/2]/puts[rounds/2], "appends/put")
		})
	}
}

// rate calls f for half a second and returns how often it returned in a second.
func rate(b *testing.B, callers int, f func(caller int) error) float64 {
	b.Helper()
	var calls atomic.Int64
	var over atomic.Bool
	var wg sync.WaitGroup
	start := b.Elapsed()
	defer time.AfterFunc(500*time.Millisecond, func() { over.Store(true) }).Stop()
	for caller := range callers {
		wg.Go(func() {
			for !over.Load() {
				if err := f(caller); err != nil {
					b.Error(err)
					return
				}
				calls.Add(1)
			}
		})
	}
	wg.Wait()
	return float64(calls.Load()) / (b.Elapsed() - start).Seconds()
}

func openLog(b *testing.B, d *etcd.DB) *audit.Log {
	b.Helper()
	skey, vkey, err := note.GenerateKey(bytes.NewReader(bytes.Repeat([]byte{7}, 64)), "bench/log")
	signer, serr := note.NewSigner(skey)
	verifier, verr := note.NewVerifier(vkey)
	if err := errors.Join(err, serr, verr); err != nil {
		b.Fatal(err)
	}
	l, err := audit.Open(b.Context(), audit.Config{Store: d, Origin: "bench", Signer: signer, Verifier: verifier})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Close() })
	return l
}
