package outbox_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lodd-rct/lodd/audit/store"
	"github.com/lodd-rct/lodd/server/outbox"
	"github.com/lodd-rct/lodd/server/people"
	"github.com/lodd-rct/lodd/server/trial"
)

// The teams of every arm are told at the next full quarter hour, and one notice
// is for all that happened until then.
func TestRandomizationIsToldToTheTeamsOfEveryArmAtTheQuarterHour(t *testing.T) {
	w := newWorld(t)
	w.randomize("P1", "OSL")
	w.now = t0.Add(5 * time.Minute)
	w.randomize("P2", "OSL")
	w.now = t0.Add(11*time.Minute - time.Millisecond)
	if to := w.round(); to != nil {
		t.Errorf("before the quarter hour %v were told", to)
	}
	w.now = t0.Add(11 * time.Minute)
	w.randomize("P3", "BGO") // for the next one
	if diff := cmp.Diff(addresses("ina", "tom"), w.round()); diff != "" {
		t.Error(diff)
	}
	if to := w.round(); to != nil {
		t.Errorf("%v were told again", to)
	}
	for _, n := range w.sent.taken() {
		if !n.At.Equal(t0.Add(11*time.Minute)) || n.Kind != outbox.ListChanged || n.Trial != "IPS" {
			t.Errorf("%+v", n)
		}
	}
	w.now = t0.Add(time.Hour)
	if diff := cmp.Diff(addresses("bea"), w.round()); diff != "" {
		t.Error(diff)
	}
}

// Whoever left before the notice was due isn't told, and whoever came is.
func TestNoticeIsForWhoeverHoldsTheRoleWhenItIsDue(t *testing.T) {
	w := newWorld(t)
	w.randomize("P1", "OSL")
	w.grants[0].Until = t0.Add(time.Minute)
	w.grants = append(w.grants, people.Tenure{
		Grant: people.Grant{User: "ida", Trial: "IPS", Role: "treatment-team", Site: "OSL", Team: "ips"}, From: t0.Add(2 * time.Minute),
	})
	w.now = t0.Add(time.Hour)
	if diff := cmp.Diff(addresses("ida", "tom"), w.round()); diff != "" {
		t.Error(diff)
	}
}

// Who proposed can't approve and isn't told; nor are those who are there for a
// site only.
func TestProposalIsToldAtOnceToThoseWhoCanApprove(t *testing.T) {
	w := newWorld(t)
	w.log("IPS/conduct", "per", trial.UnsealingProposed{})
	if diff := cmp.Diff(addresses("kari", "stine"), w.round()); diff != "" {
		t.Error(diff)
	}
}

// What the log held before there was an outbox is no news; a trial that was made
// since is, from its first entry.
func TestFirstOutboxTellsNothingOfThePast(t *testing.T) {
	w := newWorld(t)
	w.values.Delete(t.Context(), "outbox/system")
	w.log("IPS/conduct", "per", trial.UnsealingProposed{})
	w.log("system", "per", people.SignedIn{})
	w.open()
	if to := w.round(); to != nil {
		t.Errorf("%v were told", to)
	}
	w.log("IPS/conduct", "per", trial.UnsealingProposed{})
	w.open()
	if to := w.round(); len(to) != 2 {
		t.Errorf("%v were told", to)
	}
	w.grants = append(w.grants, people.Tenure{Grant: people.Grant{User: "kari", Trial: "NEW", Role: "custodian"}, From: t0})
	w.log("NEW/conduct", "per", trial.UnsealingProposed{})
	w.open()
	if diff := cmp.Diff(addresses("kari"), w.round()); diff != "" {
		t.Error(diff)
	}
}

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
			t.Run(fmt.Sprintf("%s %d", at, crash), func(t *testing.T) {
				w := newWorld(t)
				n, crashed := 0, false
				reached := func() bool { n++; crashed = crashed || n == crash; return n == crash }
				if at == "before a cursor" {
					w.failing = func() error {
						if reached() {
							return errDown
						}
						return nil
					}
				} else {
					w.sent.fail = func(n outbox.Notice) error {
						if !reached() {
							return nil
						}
						if at == "after a notice" {
							w.sent.notices = append(w.sent.notices, n)
						}
						return errDown
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
			})
		}
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

// While the relay is down nothing is lost, and it is called at times that grow
// apart.
func TestRelayThatIsDownIsTriedLessAndLess(t *testing.T) {
	w := newWorld(t)
	tries := 0
	w.sent.fail = func(outbox.Notice) error { tries++; return errDown }
	w.log("IPS/conduct", "per", trial.UnsealingProposed{})
	for range 3600 {
		if err := w.outbox.Round(t.Context()); err != nil && !errors.Is(err, errDown) {
			t.Fatal(err)
		}
		w.now = w.now.Add(time.Second)
	}
	if tries != 11 { // 5 s apart, 10, 20, ... 640, and then 15 min
		t.Errorf("%d tries in an hour", tries)
	}
	w.randomize("P1", "OSL")
	w.sent.fail = nil
	w.now = w.now.Add(time.Hour)
	if diff := cmp.Diff(addresses("kari", "stine", "ina", "tom"), w.round()); diff != "" {
		t.Error(diff)
	}
}

// One mailbox that is full keeps nobody else's notice back, nor another notice;
// after five days its notice goes to the refuge.
func TestOneMailboxKeepsNobodyElseBack(t *testing.T) {
	w := newWorld(t)
	w.sent.fail = to("kari", outbox.ErrLater)
	w.log("IPS/conduct", "per", trial.UnsealingProposed{})
	if err := w.outbox.Round(t.Context()); !errors.Is(err, outbox.ErrLater) {
		t.Fatal(err)
	}
	w.randomize("P1", "OSL")
	w.now = t0.Add(time.Hour)
	if err := w.outbox.Round(t.Context()); !errors.Is(err, outbox.ErrLater) {
		t.Fatal(err)
	}
	if got := ids(w); len(got) != 3 || len(w.refuge.taken()) != 0 {
		t.Errorf("sent %v, in the refuge %v", got, w.refuge.taken())
	}
	if c := w.cursor("IPS/conduct"); c != "" {
		t.Errorf("the cursor is %s though a notice of entry 0 waits", c)
	}
	w.now = t0.Add(121 * time.Hour)
	w.round()
	if in := w.refuge.taken(); len(in) != 1 || in[0].To != address("kari") {
		t.Errorf("in the refuge %v", in)
	}
	if c := w.cursor("IPS/conduct"); c != "2" {
		t.Errorf("the cursor is %s", c)
	}
}

// A notice that the relay will never take goes to the refuge at once; accounts
// without an address are counted.
func TestRefusedNoticesGoToTheRefuge(t *testing.T) {
	w := newWorld(t)
	w.sent.fail = to("kari", outbox.ErrRefused)
	w.without["stine"] = true
	w.log("IPS/conduct", "tove", trial.UnsealingProposed{})
	if diff := cmp.Diff(addresses("per"), w.round()); diff != "" {
		t.Error(diff)
	}
	if in := w.refuge.taken(); len(in) != 1 || in[0].To != address("kari") {
		t.Errorf("in the refuge %v", in)
	}
	if diff := cmp.Diff(outbox.Counts{Sent: 1, Refused: 1, Skipped: 1}, w.outbox.Counts()); diff != "" {
		t.Error(diff)
	}
}

// A log that was brought back shorter than the cursor says goes on from there.
func TestCursorBeyondTheLogIsTakenBack(t *testing.T) {
	w := newWorld(t)
	w.values.Put(t.Context(), "outbox/IPS/conduct", []byte("900"))
	w.log("IPS/conduct", "tove", trial.Prepared{Participant: "P1"})
	w.round()
	w.log("IPS/conduct", "per", trial.UnsealingProposed{})
	w.open()
	if to := w.round(); len(to) != 2 {
		t.Errorf("%v were told", to)
	}
}

// A clock that was set back by a year keeps no notice for a year.
func TestClockThatWasSetBackKeepsNothingBack(t *testing.T) {
	w := newWorld(t)
	w.now = t0.AddDate(1, 0, 0)
	w.randomize("P1", "OSL")
	w.now = t0
	if to := w.round(); len(to) != 2 {
		t.Errorf("%v were told", to)
	}
}

// Entries that tell nothing cost a write of the cursor now and then, and not one
// each.
func TestQuietEntriesMoveTheCursorNowAndThen(t *testing.T) {
	w := newWorld(t)
	w.round()
	before := w.values.Writes()
	for range 2500 {
		w.log("IPS/conduct", "tove", trial.Prepared{Participant: "P1"})
		w.round()
	}
	if n := w.values.Writes() - before; n != 2 {
		t.Errorf("%d writes", n)
	}
}

// What can't be read is tried again, and the lists that can be read are.
func TestUnreadableListIsTriedAgain(t *testing.T) {
	w := newWorld(t)
	w.log("IPS/conduct", "tove", trial.Randomized{Participant: "UNKNOWN"})
	w.log("TWO/conduct", "per", trial.UnsealingProposed{})
	w.grants = append(w.grants, people.Tenure{Grant: people.Grant{User: "kari", Trial: "TWO", Role: "custodian"}, From: t0})
	if err := w.outbox.Round(t.Context()); !errors.Is(err, trial.ErrNotFound) {
		t.Fatal(err)
	}
	if len(w.sent.taken()) != 1 {
		t.Errorf("sent %v", w.sent.taken())
	}
	w.sites["UNKNOWN"] = "BGO"
	w.now = t0.Add(time.Hour)
	if diff := cmp.Diff(addresses("bea"), w.round()); diff != "" {
		t.Error(diff)
	}
}

func TestOutboxNeedsAllOfItsConfig(t *testing.T) {
	w := newWorld(t)
	_, err := outbox.New(t.Context(), outbox.Config{Source: w, Values: w.values, NotFound: store.ErrNotFound, Sender: w.sent})
	if err == nil {
		t.Error("an outbox without refuge and clock")
	}
}
