package audit_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/lodd-rct/lodd/audit/store/storetest"
)

// What isn't durable yet is neither counted, shown nor signed; and a caller whose
// context ends while the write is under way is told what became of it, and not
// that it was given up.
func TestNothingIsShownBeforeItIsDurable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &storetest.Memory{}
		l := open(t, config(t, m))
		defer l.Close()
		grow(t, l, "a", 3)
		signed, err := l.Checkpoint(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		grown, release := l.Grown(), held(m)
		ctx, cancel := context.WithCancel(t.Context())
		answered := make(chan error, 1)
		go func() {
			_, err := l.Append(ctx, part("a", 3, 100), part("b", 0, 1))
			answered <- err
		}()
		synctest.Wait() // the write is under way
		cancel()
		synctest.Wait()
		select {
		case err := <-answered:
			t.Errorf("answered before the write had ended: %v", err)
			answered <- err
		case <-grown:
			t.Error("a list is said to have grown")
		default:
		}
		now, err := l.Checkpoint(t.Context(), "a")
		if err != nil || string(now) != string(signed) {
			t.Errorf("signed meanwhile: %q, %v", now, err)
		}
		if a, b, lists := l.Len("a"), l.Len("b"), l.Lists(""); a != 3 || b != 0 || len(lists) != 1 {
			t.Errorf("meanwhile a has %d entries, b %d, and there are the lists %q", a, b, lists)
		}
		if _, err := l.ProveRecord(t.Context(), "a", 4, 3); err == nil {
			t.Error("an entry was proven that isn't durable")
		}
		release()
		if err := <-answered; err != nil {
			t.Errorf("the append that was under way when its context ended: %v", err)
		}
		if n := l.Len("a"); n != 103 {
			t.Errorf("a has %d entries, want 103", n)
		}
	})
}
