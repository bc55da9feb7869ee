package ledger_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lodd-rct/lodd/audit/store"
	"github.com/lodd-rct/lodd/audit/store/storetest"
	"github.com/lodd-rct/lodd/server/ledger"
	"github.com/lodd-rct/lodd/server/people"
)

// enter appends events without a refusal.
func (w *world) enter(events ...people.Event) error {
	_, err := w.ledger.People().Do(w.Context(), ledger.Caller{Actor: "root"}, func(*people.State, time.Time) ([]people.Event, error) { return events, nil })
	return err
}

func (w *world) accounts() []people.Account {
	var out []people.Account
	w.ledger.People().View(func(s *people.State) { out = s.Accounts() })
	return out
}

var liv = people.Grant{User: "liv", Trial: "IPS", Role: "custodian"}

func staffed(t *testing.T, m *storetest.Memory) *world {
	t.Helper()
	w := open(t, m)
	if err := w.enter(people.Created{User: "root", Administrator: true}, people.Invited{Invite: "a", CodeHash: [32]byte{1}}, people.Created{User: "liv", Invite: "a"}); err != nil {
		t.Fatal(err)
	}
	return w
}

// A refused grant is an entry, and the caller is told why it was refused.
func TestRefusedGrantIsAnEntry(t *testing.T) {
	w := staffed(t, &storetest.Memory{})
	g := people.Grant{User: "root", Trial: "IPS", Role: "custodian"}
	_, err := w.ledger.People().Do(t.Context(), ledger.Caller{Actor: "root"}, func(s *people.State, _ time.Time) ([]people.Event, error) {
		e, err := s.Grant("root", s.Last(), people.Granted{Grant: g})
		return []people.Event{e}, err
	})
	if !errors.Is(err, people.ErrNotYours) || w.log.Len(ledger.System) != 4 {
		t.Errorf("%v, %d entries", err, w.log.Len(ledger.System))
	}
}

// What the rules of people refuse never reaches the log, which could not be
// opened again; nor does what came with it.
func TestPeopleAppendNothingThatCannotBeReplayed(t *testing.T) {
	w := staffed(t, &storetest.Memory{})
	for _, tt := range []struct {
		name   string
		events []people.Event
		want   error
	}{
		{"a name twice", []people.Event{people.Created{User: "liv", Invite: "a"}}, people.ErrTaken},
		{"a revocation of nothing", []people.Event{people.Revoked{Grant: liv}}, people.ErrNoGrant},
		{"a grant, and one that excludes it", []people.Event{people.Granted{Grant: liv}, people.Granted{Grant: people.Grant{User: "liv", Trial: "IPS", Role: "coordinator"}}}, people.ErrConflict},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := w.enter(tt.events...); !errors.Is(err, tt.want) {
				t.Errorf("%v, want %v", err, tt.want)
			}
		})
	}
	if n := w.log.Len(ledger.System); n != 3 {
		t.Errorf("%d entries, want 3", n)
	}
	w.ledger.People().View(func(s *people.State) {
		if s.Len() != 3 || s.Grants("liv", s.Last()) != nil {
			t.Errorf("the state has %d entries and %v", s.Len(), s.Grants("liv", s.Last()))
		}
	})
	if diff := cmp.Diff(w.accounts(), w.reopen().accounts()); diff != "" {
		t.Error(diff)
	}
}

// An entry that is too large was not written: nobody has to wonder whether it
// was.
func TestPeopleRefuseWhatIsTooLarge(t *testing.T) {
	w := staffed(t, &storetest.Memory{})
	if err := w.enter(people.Disabled{User: "liv", Reason: strings.Repeat("x", store.MaxRecord)}); !invalid("request")(err) {
		t.Error(err)
	}
	if a := w.accounts(); a[1].Disabled || w.log.Len(ledger.System) != 3 {
		t.Errorf("%+v, %d entries", a, w.log.Len(ledger.System))
	}
}

// What isn't durable isn't so.
func TestPeopleShowNothingThatIsNotDurable(t *testing.T) {
	for _, failure := range []error{store.ErrFull, store.ErrRefused, store.ErrUnknown} {
		m := &storetest.Memory{}
		w := staffed(t, m)
		m.FailAppend = func(...store.Part) error { return failure }
		want := map[error]error{store.ErrFull: ledger.ErrFull, store.ErrRefused: ledger.ErrBusy, store.ErrUnknown: ledger.ErrUnknown}[failure]
		if err := w.enter(people.Granted{Grant: liv}); !errors.Is(err, want) {
			t.Errorf("%v: %v, want %v", failure, err, want)
		}
		w.ledger.People().View(func(s *people.State) {
			if s.Grants("liv", s.Last()) != nil {
				t.Errorf("%v: %v is held", failure, s.Grants("liv", s.Last()))
			}
		})
		m.FailAppend = nil
		w = w.reopen()
		if err := w.enter(people.Granted{Grant: liv}); err != nil {
			t.Errorf("reopened after %v: %v", failure, err)
		}
	}
}

// Entries keep the last time while the clock is behind.
func TestPeopleTimesNeverGoBack(t *testing.T) {
	w := staffed(t, &storetest.Memory{})
	w.add(-time.Hour)
	if err := w.enter(people.SignedIn{Session: "s"}); err != nil {
		t.Fatal(err)
	}
	w.reopen()
}
