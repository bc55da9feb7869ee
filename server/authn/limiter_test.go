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
// hundred attempts; the user comes in from a known device at any time, and
// gives strangers, who may be the user elsewhere, their attempts back.
func TestStrangersGuessButDoNotLockOut(t *testing.T) {
	l := authn.NewLimiter()
	guesses := 0
	for at := t0; at.Before(t0.AddDate(0, 1, 0)); at = at.Add(10 * time.Second) {
		switch err := l.Try("kari", "", at); {
		case err == nil:
			guesses++
		case errors.Is(err, authn.ErrAttempts) && guesses != 100:
			t.Fatalf("%v after %d guesses", err, guesses)
		}
	}
	if guesses != 100 {
		t.Errorf("%d guesses, want 100", guesses)
	}
	later := t0.AddDate(0, 1, 0)
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

// A device that was stolen has a hundred attempts, too, however long it waits.
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
	l.Reset("kari")
	for _, device := range []string{"laptop", ""} {
		if err := l.Try("kari", device, at); err != nil {
			t.Errorf("%q after Reset: %v", device, err)
		}
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
