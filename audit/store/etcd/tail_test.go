package etcd

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/lodd-rct/lodd/audit/store"
	"github.com/lodd-rct/lodd/audit/store/storetest"
)

// A slow store appends as often as a test says, or fails.
type slow struct {
	*storetest.Memory
	gate chan error
}

func newSlow() slow { return slow{&storetest.Memory{}, make(chan error, 1000)} }

func (s slow) Append(ctx context.Context, parts ...store.Part) error {
	if err := <-s.gate; err != nil {
		return err
	}
	return s.Memory.Append(ctx, parts...)
}

// A slow disk changes nothing of what a reader sees, and in the end it has
// everything.
func TestCopyReadsTheSameHoweverSlowItsDisk(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		disk := newSlow()
		copied := newTail(disk, func(err error) { r.Error(err) })
		want := map[string][]string{}
		for range rapid.IntRange(1, 40).Draw(r, "steps") {
			list := rapid.SampledFrom([]string{"a", "b"}).Draw(r, "list")
			switch rapid.IntRange(0, 2).Draw(r, "step") {
			case 0:
				p := store.Part{List: list, At: int64(len(want[list]))}
				for range rapid.IntRange(1, 3).Draw(r, "records") {
					record := fmt.Sprint(list, len(want[list]))
					p.Records, want[list] = append(p.Records, []byte(record)), append(want[list], record)
				}
				if err := copied.Append(context.Background(), p); err != nil {
					r.Fatal(err)
				}
			case 1:
				disk.gate <- nil // the disk writes once
				copied.hurry()
			default:
				n := len(want[list])
				lo := rapid.IntRange(0, n).Draw(r, "lo")
				hi := rapid.IntRange(lo, n).Draw(r, "hi")
				wantRange(r, copied, list, want[list], lo, hi)
			}
		}
		close(disk.gate)
		if err := copied.settle(); err != nil {
			r.Fatal(err)
		}
		for list, records := range want {
			if n, err := disk.Len(context.Background(), list); err != nil || n != int64(len(records)) {
				r.Errorf("the disk has %d records, %v; want %d", n, err, len(records))
			}
		}
		if err := copied.Close(); err != nil {
			r.Error(err)
		}
	})
}

func wantRange(r *rapid.T, copied *tail, list string, want []string, lo, hi int) {
	n, err := copied.Len(context.Background(), list)
	if err != nil || n != int64(len(want)) {
		r.Fatalf("Len(%s) = %d, %v; want %d", list, n, err, len(want))
	}
	records, err := copied.Read(context.Background(), list, int64(lo), int64(hi))
	if err != nil || len(records) != hi-lo {
		r.Fatalf("Read(%s, %d, %d) = %d records, %v", list, lo, hi, len(records), err)
	}
	for i, got := range records {
		if string(got) != want[lo+i] {
			r.Errorf("record %d of %s is %q, want %q", lo+i, list, got, want[lo+i])
		}
		got[0] = 'X' // it is the caller's
	}
	if _, err := copied.Read(context.Background(), list, int64(lo), n+1); err == nil {
		r.Errorf("Read(%s, %d, %d) of %d records succeeded", list, lo, n+1, n)
	}
}

// When its disk fails, a copy takes nothing more and says so, and whoever
// waits for the disk waits no longer.
func TestCopyWhoseDiskFailsSaysSo(t *testing.T) {
	errDisk := errors.New("the disk is gone")
	disk := newSlow()
	told := make(chan error, 1)
	copied := newTail(disk, func(err error) { told <- err })
	full := store.Part{List: "a", Records: make([][]byte, 129)}
	for i := range full.Records {
		full.Records[i] = make([]byte, store.MaxRecord)
	}
	if err := copied.Append(t.Context(), full); err != nil {
		t.Fatal(err)
	}
	waiting := make(chan error)
	go func() { waiting <- copied.settle() }()
	disk.gate <- errDisk
	for what, err := range map[string]error{
		"the store":    <-told,
		"who waits":    <-waiting,
		"Append":       copied.Append(t.Context(), store.Part{List: "a", At: 129, Records: [][]byte{{1}}}),
		"another wait": copied.settle(),
	} {
		if !errors.Is(err, errDisk) {
			t.Errorf("%s is told %v", what, err)
		}
	}
	if err := copied.Close(); err != nil {
		t.Error(err)
	}
}

// What is appended within a moment is one transaction of the disk. It is there
// when the moment is over, and sooner if it is much, if somebody waits for the
// disk, or if the copy is closed.
func TestCopyWritesManyAppendsAtOnce(t *testing.T) {
	nothing := func(*tail) error { return nil }
	for name, tt := range map[string]struct {
		size   int // of each of 17 records
		after  func(*tail) error
		passes bool // whether the moment does meanwhile
		writes int
	}{
		"moment not over": {size: 1, after: nothing, writes: 0},
		"moment over":     {size: 1, after: func(*tail) error { time.Sleep(linger); return nil }, passes: true, writes: 1},
		"much":            {size: store.MaxRecord, after: nothing, writes: 1}, // 16 are not
		"asked for":       {size: 1, after: (*tail).settle, writes: 1},
		"closed":          {size: 1, after: (*tail).Close, writes: 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				disk := &storetest.Memory{}
				copied := newTail(disk, func(err error) { t.Error(err) })
				moment := time.AfterFunc(linger-1, func() {})
				for i := range 17 {
					if err := copied.Append(t.Context(), store.Part{List: fmt.Sprint(i), Records: [][]byte{make([]byte, tt.size)}}); err != nil {
						t.Fatal(err)
					}
				}
				synctest.Wait()
				if err := tt.after(copied); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				if n := disk.Writes(); n != tt.writes {
					t.Errorf("the disk wrote %d times, want %d", n, tt.writes)
				}
				if passed := !moment.Stop(); passed != tt.passes {
					t.Errorf("the moment is over: %t, want %t", passed, tt.passes)
				}
				if err := copied.Close(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}
