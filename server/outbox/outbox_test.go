package outbox_test

import (
	"errors"
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
	w.now = t0.Add(time.Minute)
	w.apply(people.Disabled{User: "ina", Reason: "left"})
	w.apply(people.Revoked{Grant: people.Grant{User: "bea", Trial: "IPS", Role: "treatment-team", Site: "BGO", Team: "ips"}, Reason: "moves"})
	w.grant("IPS", people.Grant{User: "bea", Role: "treatment-team", Site: "OSL", Team: "ips"})
	w.now = t0.Add(time.Hour)
	w.apply(people.Revoked{Grant: people.Grant{User: "tom", Trial: "IPS", Role: "treatment-team", Site: "OSL", Team: "tau"}, Reason: "left later"})
	if diff := cmp.Diff(addresses("bea", "tom"), w.round()); diff != "" {
		t.Error(diff)
	}
}

// An entry can be read after the notice of its quarter of an hour was sent.
func TestLateEntriesAreToldByANoticeOfTheirOwn(t *testing.T) {
	w := newWorld(t)
	late := w.now.Add(11*time.Minute - time.Millisecond)
	w.randomize("P1", "OSL")
	w.now = t0.Add(11 * time.Minute)
	for range 2 {
		if diff := cmp.Diff(addresses("ina", "tom"), w.round()); diff != "" {
			t.Error(diff)
		}
		at := w.now
		w.now = late
		w.randomize("P2", "OSL")
		w.now = at
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
	w.grant("NEW", people.Grant{User: "kari", Role: "custodian"})
	w.log("NEW/conduct", "per", trial.UnsealingProposed{})
	w.open()
	if diff := cmp.Diff(addresses("kari"), w.round()); diff != "" {
		t.Error(diff)
	}
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
	w.grant("TWO", people.Grant{User: "kari", Role: "custodian"})
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
