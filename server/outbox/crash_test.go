package outbox_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lodd-rct/lodd/server/outbox"
	"github.com/lodd-rct/lodd/server/trial"
)

// A server that ends at any moment sends what is left, maybe twice, and then
// with the same ID and time.
func TestEachNoticeComesAtLeastOnceThroughCrashes(t *testing.T) {
	want := func() map[string]bool {
		w := newWorld(t)
		story(w, func() {})
		return ids(w)
	}()
	for crash := 1; crash < 12; crash++ {
		for _, at := range []string{"before a notice", "after a notice", "before a cursor"} {
			t.Run(fmt.Sprintf("%s %d", at, crash), func(t *testing.T) { crashing(t, want, at, crash) })
		}
	}
}

// crashing ends the server at the n-th notice or cursor, and wants what a server
// that never ends sends.
func crashing(t *testing.T, want map[string]bool, at string, crash int) {
	t.Helper()
	w := newWorld(t)
	n, crashed := 0, false
	reached := func() error {
		if n++; n != crash {
			return nil
		}
		crashed = true
		return errDown
	}
	if at == "before a cursor" {
		w.failing = reached
	} else {
		w.sent.fail = func(notice outbox.Notice) error {
			err := reached()
			if err != nil && at == "after a notice" {
				w.sent.notices = append(w.sent.notices, notice)
			}
			return err
		}
	}
	story(w, func() {
		if crashed {
			crashed = false
			w.open() // forgets all but the cursors
		}
	})
	if diff := cmp.Diff(want, ids(w)); diff != "" || n < crash && crash < 6 {
		t.Errorf("after %d of %d: %s", n, crash, diff)
	}
}

// story lets things happen for a day, with rounds in between; after calls after
// each of them.
func story(w *world, after func()) {
	for i := range 6 {
		w.randomize(trial.ParticipantID(fmt.Sprintf("P%d", i)), []trial.SiteID{"OSL", "BGO"}[i%2])
		if i%3 == 0 {
			w.log("IPS/conduct", "per", trial.UnsealingProposed{})
		}
		for range 3 {
			w.now = w.now.Add(6 * time.Minute)
			if err := w.outbox.Round(w.Context()); err != nil && !errors.Is(err, errDown) {
				w.Fatal(err)
			}
			after()
		}
	}
	for range 3 {
		w.now = w.now.Add(time.Hour)
		w.round()
	}
}

// ids returns what was sent: every notice once, however often it came.
func ids(w *world) map[string]bool {
	out := map[string]bool{}
	for _, n := range w.sent.taken() {
		out[fmt.Sprint(n.ID, n.At, n.To, n.Kind)] = true
	}
	return out
}
