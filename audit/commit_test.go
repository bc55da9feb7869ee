package audit_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/audit/store"
	"github.com/lodd-rct/lodd/audit/store/storetest"
)

// held makes every write of m wait until the function that it returns is
// called.
func held(m *storetest.Memory) (release func()) {
	gate := make(chan struct{})
	m.FailAppend = func(...store.Part) error {
		<-gate
		return nil
	}
	return func() { close(gate) }
}

// Calls that wait while a transaction is written share the next one.
func TestWaitingCallsShareATransaction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &storetest.Memory{}
		l := open(t, config(t, m))
		release := held(m)
		before := m.Writes() - 1
		var wg sync.WaitGroup
		for i := range 256 {
			wg.Go(func() {
				if _, err := l.Append(t.Context(), part(fmt.Sprintf("t%d", i), 0, 1)); err != nil {
					t.Error(err)
				}
			})
			if i == 0 {
				synctest.Wait() // the first is being written
			}
		}
		synctest.Wait()
		release()
		wg.Wait()
		if n := m.Writes() - before; n != 1+2 { // the origin, the first, all others
			t.Errorf("256 concurrent appends took %d transactions, want 2", n-1)
		}
		l.Close()
	})
}

// A batch never exceeds what fits in a transaction of every engine.
func TestBatchesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &storetest.Memory{}
		l := open(t, config(t, m))
		gate := make(chan struct{})
		m.FailAppend = func(parts ...store.Part) error {
			<-gate
			n := 0
			for _, p := range parts {
				if !strings.Contains(p.List, "#") {
					n += len(p.Records)
				}
			}
			if n > audit.MaxEntries {
				t.Errorf("a transaction of %d entries", n)
			}
			return nil
		}
		var wg sync.WaitGroup
		for i := range 10 {
			wg.Go(func() {
				if _, err := l.Append(t.Context(), part(fmt.Sprintf("t%d", i), 0, 400)); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		close(gate)
		wg.Wait()
		l.Close()
	})
}

// The queue has an end: who comes later is told so at once.
func TestFullQueueIsBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &storetest.Memory{}
		l := open(t, config(t, m))
		release := held(m)
		var wg sync.WaitGroup
		add := func(n int) {
			for range n {
				wg.Go(func() { l.Append(t.Context(), audit.Part{List: "a", Entries: [][]byte{{}}}) })
			}
			synctest.Wait()
		}
		add(1)
		add(4096)
		if _, err := l.Append(t.Context(), part("a", 0, 1)); !errors.Is(err, audit.ErrBusy) {
			t.Errorf("Append: %v, want ErrBusy", err)
		}
		release()
		wg.Wait()
		if _, err := l.Append(t.Context(), part("a", 1, 1)); err != nil {
			t.Errorf("Append to an empty queue: %v", err)
		}
		l.Close()
	})
}

// In one batch the first of two calls for the same place wins, and the other
// one fails alone, with all its parts.
func TestConflictFailsOneCallAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &storetest.Memory{}
		l := open(t, config(t, m))
		release := held(m)
		errs := make([]error, 4)
		var wg sync.WaitGroup
		for i, parts := range [][]audit.Part{
			{part("x", 0, 1)}, // holds the committer
			{part("a", 0, 2)},
			{part("b", 0, 1), part("a", 0, 1)},
			{part("a", 2, 1), part("b", 0, 1)},
		} {
			wg.Go(func() { _, errs[i] = l.Append(t.Context(), parts...) })
			synctest.Wait()
		}
		release()
		wg.Wait()
		for i, want := range []error{nil, nil, store.ErrConflict, nil} {
			if !errors.Is(errs[i], want) {
				t.Errorf("call %d: %v, want %v", i, errs[i], want)
			}
		}
		if a, b, n := l.Len("a"), l.Len("b"), m.Writes(); a != 3 || b != 1 || n != 3 {
			t.Errorf("lengths %d, %d after %d writes; want 3, 1 after 3", a, b, n)
		}
		l.Close()
	})
}

// After a write of unknown outcome the log says nothing more about its state,
// and opened again it has what the store has.
func TestUnknownOutcomePoisonsTheLog(t *testing.T) {
	for _, written := range []bool{false, true} {
		t.Run(fmt.Sprintf("written %t", written), func(t *testing.T) {
			m := &storetest.Memory{}
			guard := memoryGuard{}
			c := config(t, m)
			c.Guard = guard
			l := open(t, c)
			grow(t, l, "a", 3)
			if err := l.SaveGuard(t.Context()); err != nil {
				t.Fatal(err)
			}
			select {
			case <-l.Failed():
				t.Error("failed before the failure")
			default:
			}
			m.WriteUnknown = written
			m.FailAppend = func(...store.Part) error { return fmt.Errorf("disk: %w", store.ErrUnknown) }
			ctx := t.Context()
			_, first := l.Append(ctx, part("a", 3, 1))
			m.FailAppend = nil
			<-l.Failed() // or the test doesn't end
			_, second := l.Append(ctx, part("b", 0, 1))
			_, readErr := l.Read(ctx, "a", 0, 1)
			_, checkpointErr := l.Checkpoint(ctx, "a")
			_, rootErr := l.RootAt(ctx, "a", 1)
			_, leavesErr := l.Leaves(ctx, "a", 0, 1)
			for what, err := range map[string]error{
				"first Append": first, "second Append": second, "Read": readErr, "Checkpoint": checkpointErr,
				"RootAt": rootErr, "Leaves": leavesErr, "Verify": l.Verify(ctx, "a", nil),
			} {
				if !errors.Is(err, store.ErrUnknown) {
					t.Errorf("%s: %v, want ErrUnknown", what, err)
				}
			}
			if err := l.Close(); err != nil {
				t.Error(err)
			}
			c.Store = m.Reopen()
			want := int64(3)
			if written {
				want = 4
			}
			if n := open(t, c).Len("a"); n != want {
				t.Errorf("after reopening: %d entries, want %d", n, want)
			}
		})
	}
}

// A store whose lists another writer has grown can't be trusted either.
func TestForeignWriterPoisonsTheLog(t *testing.T) {
	m := &storetest.Memory{}
	l := open(t, config(t, m))
	if err := m.Append(t.Context(), store.Part{List: "a", Records: entries("a", 0, 1)}); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Append(t.Context(), part("a", 0, 1)); !errors.Is(err, store.ErrUnknown) {
		t.Errorf("Append: %v, want ErrUnknown", err)
	}
}

// A store that is full, or takes no writes, refuses, and serves as before.
func TestFullStoreRefusesAndServes(t *testing.T) {
	m := &storetest.Memory{}
	l := open(t, config(t, m))
	grow(t, l, "a", 300)
	for _, refusal := range []error{store.ErrFull, store.ErrFull, store.ErrRefused, store.ErrRefused} {
		m.FailAppend = func(...store.Part) error { return refusal }
		if _, err := l.Append(t.Context(), part("a", 300, 400)); !errors.Is(err, refusal) || errors.Is(err, store.ErrUnknown) {
			t.Errorf("Append: %v, want %v", err, refusal)
		}
	}
	m.FailAppend = nil
	grow(t, l, "a", 400)
	if err := l.Verify(t.Context(), "a", nil); err != nil {
		t.Error(err)
	}
}

func TestAppendChecksItsParts(t *testing.T) {
	l := open(t, config(t, &storetest.Memory{}))
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.Append(canceled, part("a", 0, 1)); !errors.Is(err, context.Canceled) {
		t.Errorf("Append with a canceled context: %v", err)
	}
	for name, p := range map[string]audit.Part{
		"no name":          part("", 0, 1),
		"reserved name":    part("a#tile/0", 0, 1),
		"name with space":  part("a b", 0, 1),
		"name in lines":    part("a\nb", 0, 1),
		"name too long":    part(strings.Repeat("a", 201), 0, 1),
		"too many entries": part("a", 0, audit.MaxEntries+1),
		"entry too long":   {List: "a", Entries: [][]byte{make([]byte, store.MaxRecord+1)}},
		"before the list":  part("a", -1, 1),
		"beyond the list":  part("a", 1, 1),
	} {
		if _, err := l.Append(t.Context(), p); err == nil {
			t.Errorf("%s: Append succeeded", name)
		}
	}
	large := audit.Part{List: "a"}
	for range 17 {
		large.Entries = append(large.Entries, make([]byte, store.MaxRecord))
	}
	if _, err := l.Append(t.Context(), large); err == nil {
		t.Error("Append of more than a transaction holds succeeded")
	}
	if n := l.Len("a"); n != 0 || len(l.Lists("")) != 0 {
		t.Errorf("%d entries after refused appends", n)
	}
	if receipts, err := l.Append(t.Context()); err != nil || len(receipts) != 0 {
		t.Errorf("Append of nothing = %v, %v", receipts, err)
	}
}
