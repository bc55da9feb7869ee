package ledger_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/audit/store"
	"github.com/lodd-rct/lodd/audit/store/storetest"
	"github.com/lodd-rct/lodd/server/ledger"
	"github.com/lodd-rct/lodd/server/people"
	"github.com/lodd-rct/lodd/server/trial"
	"github.com/lodd-rct/lodd/server/trial/entry"
)

// written returns the bytes of an entry as whoever has the format but not the
// keys can write it.
func (w *world) written(e any, conduct int64) []byte {
	w.Helper()
	b, err := entry.Marshal(entry.Entry{Nonce: [16]byte{1}, At: w.now(), Actor: "root", Role: "auditor", ConductSize: conduct, Event: e})
	if err != nil {
		w.Fatal(err)
	}
	return b
}

// Whoever writes to the database without the keys adds nothing: not an entry of
// their own, not one with a code of another key, not a copy of one that is there,
// in no list. Hashes they can make as well as the server.
func TestForgedEntriesAreRefused(t *testing.T) {
	team := people.Granted{Grant: people.Grant{User: "liv", Trial: "IPS", Role: "treatment-team", Team: "ips"}}
	for _, tt := range []struct {
		name, list string
		entry      func(w *world, at int64) []byte
	}{
		{"a role that shows every arm", ledger.System, func(w *world, _ int64) []byte { return w.written(team, 0) }},
		{"the same with a code of another key", ledger.System, func(w *world, at int64) []byte {
			return entry.Authenticate(w.written(team, 0), [32]byte{1}, ledger.System, at)
		}},
		{"the same with a code for another place", ledger.System, func(w *world, at int64) []byte {
			return w.authentic(ledger.System, at+1, w.written(team, 0))
		}},
		{"the same with a code for another list", ledger.System, func(w *world, at int64) []byte {
			return w.authentic("IPS/conduct", at, w.written(team, 0))
		}},
		{"a death", "IPS/conduct", func(w *world, _ int64) []byte {
			return w.written(trial.Died{Participant: "P1", On: date("2020-03-01")}, 0)
		}},
		{"a reading of arms", "IPS/delivery", func(w *world, _ int64) []byte {
			return w.written(trial.ArmsViewed{Site: "OSLO", Team: "ips"}, w.log.Len("IPS/conduct"))
		}},
		{"a copy of an entry", "IPS/conduct", func(w *world, at int64) []byte {
			b, err := w.log.Read(w.Context(), "IPS/conduct", at-1, at)
			if err != nil {
				w.Fatal(err)
			}
			return b[0]
		}},
		{"no entry at all", "IPS/outcome", func(*world, int64) []byte { return nil }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := &storetest.Memory{}
			w := staffed(t, m)
			w.recruit()
			w.randomize("P1")
			at := w.log.Len(tt.list)
			w.forge(tt.list, tt.entry(w, at))
			_, err := try(t, m.Reopen())
			if err == nil || !strings.Contains(err.Error(), "of "+tt.list+" was not written by this server") || !strings.Contains(err.Error(), "entry "+fmt.Sprint(at)) {
				t.Errorf("opened: %v", err)
			}
		})
	}
}

// forge adds an entry to a list, with right hashes.
func (w *world) forge(list string, b []byte) {
	w.Helper()
	if _, err := w.log.Append(w.Context(), audit.Part{List: list, At: w.log.Len(list), Entries: [][]byte{b}}); err != nil {
		w.Fatal(err)
	}
}

// A list that nobody reads at the start would be signed unread.
func TestListOfNoTrialIsRefused(t *testing.T) {
	for _, list := range []string{"TAU/outcome", "IPS/other", "systems"} {
		m := &storetest.Memory{}
		w := recruiting(t, m)
		w.forge(list, w.authentic(list, 0, w.written(trial.EnrolmentOpened{}, 0)))
		if _, err := try(t, m.Reopen()); err == nil || !strings.Contains(err.Error(), list) {
			t.Errorf("%s: opened: %v", list, err)
		}
	}
}

// An entry that is changed in the store while the server runs isn't shown.
func TestChangedEntryIsNotShown(t *testing.T) {
	m := &storetest.Memory{}
	w := recruiting(t, m)
	w.randomize("P1")
	at := view(w, func(s *trial.State) int64 { p, _ := s.Participant("P1"); return p.Receipt })
	m.Tamper("IPS/conduct", at, func(b []byte) []byte { b[20] ^= 1; return b })
	if r, _, err := w.trial().Randomization(t.Context(), "P1"); err == nil {
		t.Errorf("the receipt is %+v", r)
	}
}

// The server's own entry in a compartment where it doesn't belong is refused.
func TestEntryInAnotherCompartmentIsRefused(t *testing.T) {
	for _, tt := range []struct {
		in    trial.Compartment
		event trial.Event
		want  string
	}{
		{trial.Outcome, trial.Died{Participant: "P1", On: date("2020-03-01")}, "belongs to conduct"},
		{trial.Conduct, trial.ArmsViewed{Site: "OSLO", Team: "ips"}, "belongs to delivery"},
		{trial.Delivery, trial.VisitMissed{Participant: "P1", Visit: "month-6", Reason: "moved"}, "belongs to outcome"},
	} {
		m := &storetest.Memory{}
		w := recruiting(t, m)
		w.randomize("P1")
		list, size := w.trial().List(tt.in), w.log.Len("IPS/conduct")
		if tt.in == trial.Conduct {
			size = 0
		}
		w.forge(list, w.authentic(list, w.log.Len(list), w.written(tt.event, size)))
		if _, err := try(t, m.Reopen()); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%T in %s: opened: %v", tt.event, tt.in, err)
		}
	}
}

// A key that is gone from the store without an entry is missed at the next
// start, by the entry that it sealed: editing the map of keys must not destroy
// data in silence.
func TestMissingKeyIsRefused(t *testing.T) {
	const key = "key/IPS/participant/P1"
	for name, change := range map[string]func(*storetest.Memory) error{
		"deleted":   func(m *storetest.Memory) error { return m.Delete(t.Context(), key) },
		"destroyed": func(m *storetest.Memory) error { return m.Put(t.Context(), key, []byte{0}) },
		"another's": func(m *storetest.Memory) error {
			b, err := m.Get(t.Context(), "key/IPS/participant/P2")
			if err != nil {
				return err
			}
			return m.Put(t.Context(), key, b)
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := &storetest.Memory{}
			w := recruiting(t, m)
			w.ready("P1")
			w.ready("P2")
			again := m.Reopen()
			if err := change(again); err != nil {
				t.Fatal(err)
			}
			first := view(w, func(s *trial.State) int64 { return s.Len(trial.Conduct) }) - 6 // before the two of P1 and P2
			_, err := try(t, again)
			if err == nil || !strings.Contains(err.Error(), "entry "+fmt.Sprint(first)+" of conduct is sealed with a key that is gone") || strings.Contains(err.Error(), "P1") {
				t.Errorf("opened: %v, want entry %d", err, first)
			}
		})
	}
}

// Only a screening makes a key: one that went missing while the server runs is
// not replaced, which would hide that.
func TestKeyIsMadeByTheScreeningAlone(t *testing.T) {
	m := &storetest.Memory{}
	w := recruiting(t, m)
	w.must(w.trial().Screen(t.Context(), w.as(trial.Coordinator), screened("P1"), nil))
	if err := m.Delete(t.Context(), "key/IPS/participant/P1"); err != nil {
		t.Fatal(err)
	}
	at := ledger.Place{Participant: "P1", Visit: "baseline", Form: "history"}
	if _, _, err := w.trial().Submit(t.Context(), w.as(trial.Coordinator), at, date("2020-03-01"), numbers(1)); err == nil {
		t.Error("a form was sealed with a new key")
	}
	if _, err := w.trial().Screen(t.Context(), w.as(trial.Coordinator), screened("P1"), nil); !is(trial.ErrExists)(err) {
		t.Errorf("another screening: %v", err)
	}
	if _, err := m.Get(t.Context(), "key/IPS/participant/P1"); !is(store.ErrNotFound)(err) {
		t.Errorf("the key: %v", err)
	}
	w.do(trial.Coordinator, trial.Excluded{Participant: "X1", Site: "OSLO", Reason: "other"}) // never gets a key
	if _, err := w.trial().Assess(t.Context(), w.as(trial.Coordinator), "X1", eligible); !is(trial.ErrExcluded)(err) {
		t.Errorf("assessing who is excluded: %v", err)
	}
}
