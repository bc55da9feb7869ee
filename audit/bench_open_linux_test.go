package audit_test

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/audit/store/bolt"
)

// many returns how many entries a benchmark of reading works on.
func many() int {
	if testing.Short() {
		return 100_000
	}
	return 1_000_000
}

// BenchmarkOpen opens a log of a million entries, which checks all of them: the
// engine its pages, the log its trees. Cold, no page of the file is in memory.
func BenchmarkOpen(b *testing.B) {
	n := many()
	path := filepath.Join(b.TempDir(), "log.db")
	makeLog(b, path, n)
	info, err := os.Stat(path)
	if err != nil {
		b.Fatal(err)
	}
	for name, prepare := range map[string]func(*testing.B, string){
		"warm": func(*testing.B, string) {},
		"cold": dropPages,
	} {
		b.Run(name, func(b *testing.B) {
			var engine time.Duration
			var held uint64
			for b.Loop() {
				b.StopTimer()
				prepare(b, path)
				b.StartTimer()
				begin := b.Elapsed()
				db, err := bolt.Open(path, bolt.Options{})
				if err != nil {
					b.Fatal(err)
				}
				engine += b.Elapsed() - begin
				before := heap()
				l := open(b, config(b, db))
				held = heap() - before
				proveMany(b, l, int64(n))
				l.Close()
				db.Close()
			}
			b.ReportMetric(float64(n)*float64(b.N)/engine.Seconds(), "engine-entries/s")
			b.ReportMetric(float64(n)*float64(b.N)/(b.Elapsed()-engine).Seconds(), "log-entries/s")
			b.ReportMetric(b.Elapsed().Seconds()/float64(b.N)*1e6/float64(n), "s/1e6-entries")
			b.ReportMetric(float64(held)/float64(n), "MB/1e6-entries") // bytes an entry
			b.ReportMetric(float64(info.Size())/float64(n)/entrySize, "disk-bytes/byte")
		})
	}
}

// dropPages makes the system forget what it holds in memory of a file.
func dropPages(b *testing.B, path string) {
	b.Helper()
	f, err := os.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	if err := f.Sync(); err != nil { // only what is written can be forgotten
		b.Fatal(err)
	}
	const dontNeed = 4 // POSIX_FADV_DONTNEED
	if _, _, errno := syscall.Syscall6(syscall.SYS_FADVISE64, f.Fd(), 0, 0, dontNeed, 0, 0); errno != 0 {
		b.Fatal(errno)
	}
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

// BenchmarkVerify hashes all entries of a log of a million and compares them with
// the tree, on one core and on two, in turns. The metric entries/cpu-s is of one
// core and of the processor's time, which other work on the machine doesn't change.
func BenchmarkVerify(b *testing.B) {
	n := many()
	path := filepath.Join(b.TempDir(), "log.db")
	makeLog(b, path, n)
	db, err := bolt.Open(path, bolt.Options{ReadOnly: true})
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	var rates [3][]float64
	var work []float64
	for b.Loop() {
		for cores := 1; cores <= 2; cores++ {
			runtime.GOMAXPROCS(cores)
			begin, busy := b.Elapsed(), processorTime(b)
			heads, err := audit.Inspect(b.Context(), db)
			if err != nil || len(heads) != 1 || heads[0].Size != int64(n) {
				b.Fatalf("%v, %v; want one list of %d entries", heads, err, n)
			}
			rates[cores] = append(rates[cores], float64(n)/(b.Elapsed()-begin).Seconds())
			if cores == 1 {
				work = append(work, float64(n)/(processorTime(b)-busy).Seconds())
			}
		}
	}
	b.ReportMetric(median(rates[1]), "one-core-entries/s")
	b.ReportMetric(median(rates[2]), "two-cores-entries/s")
	b.ReportMetric(median(work), "entries/cpu-s")
	b.ReportMetric(0, "ns/op") // says nothing
}

// processorTime returns how long the processors have worked for this process.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func median(x []float64) float64 {
	sorted := slices.Sorted(slices.Values(x))
	return sorted[len(sorted)/2]
}
