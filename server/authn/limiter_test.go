package authn_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lodd-rct/lodd/server/authn"
)

var t0 = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestWaitsGrow(t *testing.T) {
	l := authn.NewLimiter()
	for range 3 {
		if err := l.Try("kari", "", t0); err != nil {
			t.Fatal(err)
		}
	}
	at := t0
	var waits []time.Duration
	for range 13 {
		wait, ok := errors.AsType[*authn.WaitError](l.Try("kari", "", at))
		if !ok {
			t.Fatal("an attempt is let through at once")
		}
		early, ok := errors.AsType[*authn.WaitError](l.Try("kari", "", at.Add(wait.For-time.Nanosecond)))
		if !ok || early.For != time.Second { // rounded up, so that waiting helps
			t.Errorf("an attempt a moment before %v: %v", wait.For, early)
		}
		at = at.Add(wait.For)
		if err := l.Try("kari", "", at); err != nil {
			t.Errorf("an attempt after %v: %v", wait.For, err)
		}
		waits = append(waits, wait.For)
	}
	s, limit := time.Second, 15*time.Minute
	want := []time.Duration{
		s, 2 * s, 4 * s, 8 * s, 16 * s, 32 * s, 64 * s, 128 * s, 256 * s, 512 * s, limit, limit, limit,
	}
	if diff := cmp.Diff(want, waits); diff != "" {
		t.Error(diff)
	}
}

// A stranger tries as fast as the limiter lets them, for a month. They get a
// hundred attempts, then none for a day, and so on; the user comes in from a
// known device at any time, and gives strangers, who may be the user elsewhere,
// their attempts back.
func TestStrangersGuessButDoNotLockOut(t *testing.T) {
	l := authn.NewLimiter()
	guesses, later := 0, t0
	for ; later.Before(t0.AddDate(0, 1, 0)) || guesses%100 != 0; later = later.Add(10 * time.Second) {
		switch err := l.Try("kari", "", later); {
		case err == nil:
			guesses++
		case errors.Is(err, authn.ErrAttempts) && guesses%100 != 0:
			t.Fatalf("%v after %d guesses", err, guesses)
		}
	}
	if guesses > 1700 {
		t.Errorf("%d guesses in a month, want a hundred in 47 hours", guesses)
	}
	if err := l.Try("kari", "", later); !errors.Is(err, authn.ErrAttempts) {
		t.Errorf("a stranger after that: %v", err)
	}
	if err := l.Try("kari", "laptop", later); err != nil {
		t.Errorf("the user's laptop: %v", err)
	}
	if err := l.Try("ola", "", later); err != nil {
		t.Errorf("another account: %v", err)
	}
	l.Succeeded("kari", "laptop")
	if err := l.Try("kari", "", later); err != nil {
		t.Errorf("a stranger after the user's log-in: %v", err)
	}
}

// A device that was stolen has a hundred attempts, too, if it comes each hour. A
// day without an attempt ends the row, for nobody else could.
func TestDevicesHaveALimit(t *testing.T) {
	l := authn.NewLimiter()
	at := t0
	for range 100 {
		if err := l.Try("kari", "laptop", at); err != nil {
			t.Fatal(err)
		}
		at = at.Add(time.Hour)
	}
	if err := l.Try("kari", "laptop", at); !errors.Is(err, authn.ErrAttempts) {
		t.Errorf("attempt 101 = %v", err)
	}
	day := at.Add(23 * time.Hour) // a day after attempt 100, which was an hour before
	if err := l.Try("kari", "laptop", day.Add(-time.Nanosecond)); !errors.Is(err, authn.ErrAttempts) {
		t.Errorf("less than a day later: %v", err)
	}
	for range 3 {
		if err := l.Try("kari", "laptop", day); err != nil {
			t.Errorf("a day later: %v", err)
		}
	}
	if _, ok := errors.AsType[*authn.WaitError](l.Try("kari", "laptop", day)); !ok {
		t.Error("the new row isn't counted")
	}
}

func TestSuccessEndsTheRow(t *testing.T) {
	l := authn.NewLimiter()
	at := t0
	for range 300 { // each log-in needs three attempts
		for range 3 {
			if err := l.Try("kari", "", at); err != nil {
				t.Fatal(err)
			}
		}
		l.Succeeded("kari", "")
	}
}

// An attempt that is withdrawn costs nothing; one that isn't does.
func TestWithdraw(t *testing.T) {
	l := authn.NewLimiter()
	for range 200 {
		if err := l.Try("kari", "", t0); err != nil {
			t.Fatal(err)
		}
		l.Withdraw("kari", "")
	}
	if n := l.Counters(); n != 0 {
		t.Errorf("%d counters are left", n)
	}
	l.Withdraw("ola", "")
	for range 3 {
		if err := l.Try("kari", "", t0); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Try("kari", "", t0.Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	l.Withdraw("kari", "") // the three before it stay counted
	if _, ok := errors.AsType[*authn.WaitError](l.Try("kari", "", t0.Add(time.Second))); !ok {
		t.Error("more than one attempt was withdrawn")
	}
}

// Attempts at the same moment don't slip through together.
func TestAttemptsAtOnce(t *testing.T) {
	l := authn.NewLimiter()
	var passed atomic.Int64
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if l.Try("kari", "", t0) == nil {
				passed.Add(1)
			}
		})
	}
	wg.Wait()
	if n := passed.Load(); n != 3 {
		t.Errorf("%d attempts at once, want 3", n)
	}
}

// Names that nobody has fill no memory, and don't push out the account that is
// under attack.
func TestCountersAreBounded(t *testing.T) {
	l := authn.NewLimiter()
	at := t0
	for range 100 {
		if err := l.Try("kari", "", at); err != nil {
			t.Fatal(err)
		}
		at = at.Add(time.Hour)
	}
	for i := range 3 * authn.MaxCounters {
		if err := l.Try(fmt.Sprint("nobody", i), "", at); err != nil {
			t.Fatal(err)
		}
	}
	if n := l.Counters(); n > authn.MaxCounters {
		t.Errorf("%d counters, want at most %d", n, authn.MaxCounters)
	}
	if err := l.Try("kari", "", at); !errors.Is(err, authn.ErrAttempts) {
		t.Errorf("the account under attack was forgotten: %v", err)
	}
}
