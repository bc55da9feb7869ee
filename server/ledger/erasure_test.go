package ledger_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/lodd-rct/lodd/audit/store"
	"github.com/lodd-rct/lodd/audit/store/storetest"
	"github.com/lodd-rct/lodd/server/ledger"
	"github.com/lodd-rct/lodd/server/trial"
	"github.com/lodd-rct/lodd/server/trial/entry"
	"github.com/lodd-rct/lodd/server/vault"
)

var w3 = trial.Withdrawn{Participant: "P1", Scope: trial.FromData, Reason: "no-longer-wants", On: date("2020-09-02")}

const p1Key = "IPS/participant/P1"

// checkOutOfReach reports data of P1 that can be read or added to.
func (w *world) checkOutOfReach() {
	w.Helper()
	if _, err := w.trial().ReadForm(w.Context(), audit6, ""); !errors.Is(err, trial.ErrErased) {
		w.Errorf("reading a form: %v", err)
	}
	if _, _, err := w.trial().Correct(w.Context(), w.as(trial.Assessor), audit6, ledger.Patch{Set: numbers(1)}, "late"); !errors.Is(err, trial.ErrErased) {
		w.Errorf("correcting: %v", err)
	}
	if _, err := w.trial().Screen(w.Context(), w.as(trial.Coordinator), screened("P1"), eligible); err == nil {
		w.Error("the number was used again")
	}
	src, err := w.trial().AtLock(w.Context(), 1)
	if err != nil || slices.Contains(src.Participants, "P1") || !slices.Equal(src.Erased, []trial.ParticipantID{"P1"}) {
		w.Errorf("the export holds %v without %v, %v", src.Participants, src.Erased, err)
	}
}

// erase destroys the data of P1, as another person than the one who withdrew.
func (w *world) erase() ledger.Receipt {
	w.Helper()
	r, err := w.trial().Erase(w.Context(), w.as(trial.Investigator), "P1")
	if err != nil {
		w.Fatal(err)
	}
	return r
}

// A withdrawal from the data takes them out of reach at once, and destroys
// nothing: one person alone must not be able to.
func TestWithdrawalFromTheDataKeepsTheKey(t *testing.T) {
	w := recruiting(t, &storetest.Memory{})
	w.tell()
	src, err := w.trial().AtLock(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	record, ok := src.Record("P1", "month-6", "audit")
	if _, err := src.Answers(t.Context(), "P1", record); err != nil || !ok {
		t.Fatal(err, ok)
	}
	w.do(trial.Coordinator, w3)
	if _, err := src.Answers(t.Context(), "P1", record); !errors.Is(err, trial.ErrErased) {
		t.Errorf("an export that was begun before: %v", err)
	}
	for range 2 {
		w.checkOutOfReach()
		if err := w.vault.Check(t.Context(), p1Key); err != nil {
			t.Errorf("the key: %v", err)
		}
		if _, err := w.trial().Erase(t.Context(), w.as(trial.Coordinator), "P1"); !errors.Is(err, trial.ErrSamePerson) {
			t.Errorf("erasing by the same person: %v", err)
		}
		w = w.reopen()
	}
}

// After an erasure the data are gone, the events and the slot stay, and the log
// verifies and replays.
func TestErasureDestroysTheDataAndKeepsTheLog(t *testing.T) {
	w := recruiting(t, &storetest.Memory{})
	w.tell()
	slot := view(w, func(s *trial.State) int { p, _ := s.Participant("P1"); return p.Slot })
	w.do(trial.Coordinator, w3)
	w.erase()
	for restarted := range 2 {
		if restarted == 1 {
			w = w.reopen()
		}
		w.checkOutOfReach()
		if _, err := w.vault.Open(t.Context(), p1Key, nil, nil); !errors.Is(err, vault.ErrDestroyed) {
			t.Errorf("the key: %v", err)
		}
		if got := view(w, func(s *trial.State) int { p, _ := s.Participant("P1"); return p.Slot }); got != slot {
			t.Errorf("slot %d, was %d", got, slot)
		}
		if got := view(w, func(s *trial.State) []int { return s.LocksHolding("P1") }); len(got) != 1 {
			t.Errorf("locks that hold the data: %v", got)
		}
		for _, c := range trial.Compartments() {
			if err := w.log.Verify(t.Context(), w.trial().List(c), nil); err != nil {
				t.Error(err)
			}
		}
		if _, err := w.trial().ReadForm(t.Context(), ledger.Place{Participant: "P2", Visit: "baseline", Form: "audit"}, ""); err != nil {
			t.Errorf("another participant's form: %v", err)
		}
	}
	checkAllocations(t, w, 3)
}

// Whoever asks for an erasure that is done gets its receipt, also the person who
// recorded the withdrawal: it is one entry.
func TestErasureIsIdempotent(t *testing.T) {
	w := recruiting(t, &storetest.Memory{})
	w.tell()
	if _, err := w.trial().Erase(t.Context(), w.as(trial.Investigator), "P1"); !errors.Is(err, trial.ErrNotWithdrawn) {
		t.Errorf("without a withdrawal: %v", err)
	}
	w.do(trial.Coordinator, w3)
	by := w.as(trial.Investigator)
	want, err := w.trial().Erase(t.Context(), by, "P1")
	if err != nil || want.Repeated || want.List != "IPS/conduct" {
		t.Fatalf("%+v, %v", want, err)
	}
	want.Repeated = true
	for name, again := range map[string]ledger.Caller{"the same request": by, "another": w.as(trial.Investigator), "another person": w.as(trial.Coordinator)} {
		if got, err := w.trial().Erase(t.Context(), again, "P1"); err != nil || got != want {
			t.Errorf("%s: %+v, %v; want %+v", name, got, err, want)
		}
	}
	if n := len(of[trial.Erased](w)); n != 1 {
		t.Errorf("%d erasures", n)
	}
}

// A server that ends between the entry and the destruction has promised it: the
// next start keeps the promise, and so does whoever asks again before.
func TestErasureIsFinished(t *testing.T) {
	for _, how := range []string{"at the next start", "by the same request", "by another request"} {
		t.Run(how, func(t *testing.T) {
			m := &storetest.Memory{}
			w := recruiting(t, m)
			w.tell()
			w.do(trial.Coordinator, w3)
			m.FailAppend = func(parts ...store.Part) error {
				if len(parts) == 0 {
					return errors.New("power cut")
				}
				return nil
			}
			by := w.as(trial.Investigator)
			if _, err := w.trial().Erase(t.Context(), by, "P1"); !errors.Is(err, ledger.ErrUnknown) {
				t.Fatalf("cut: %v", err)
			}
			m.FailAppend = nil
			if err := w.vault.Check(t.Context(), p1Key); err != nil {
				t.Fatalf("the key is gone already: %v", err)
			}
			switch how {
			case "at the next start":
				w = w.reopen()
			case "by the same request":
				if _, err := w.trial().Erase(t.Context(), by, "P1"); err != nil {
					t.Error(err)
				}
			default:
				w.erase()
			}
			if _, err := w.vault.Open(t.Context(), p1Key, nil, nil); !errors.Is(err, vault.ErrDestroyed) {
				t.Errorf("the key: %v", err)
			}
			if n := len(of[trial.Erased](w)); n != 1 {
				t.Errorf("%d erasures", n)
			}
		})
	}
}

// Keys that come back with an older copy are destroyed before anything is
// served, if the log says that they were.
func TestErasureIsAppliedToAnOlderCopyOfTheKeys(t *testing.T) {
	m := &storetest.Memory{}
	w := recruiting(t, m)
	w.tell()
	w.do(trial.Coordinator, w3)
	older, err := m.Get(t.Context(), "key/"+p1Key)
	if err != nil {
		t.Fatal(err)
	}
	w.erase()
	again := m.Reopen()
	if err := again.Put(t.Context(), "key/"+p1Key, older); err != nil {
		t.Fatal(err)
	}
	next := open(t, again)
	next.at, next.used = w.now(), w.used
	if err := next.vault.Check(t.Context(), p1Key); !errors.Is(err, vault.ErrDestroyed) {
		t.Errorf("the key: %v", err)
	}
	next.checkOutOfReach()
}

// One person who records a withdrawal, and has the database, must not be able to
// destroy the data unnoticed: that takes the entry of a second person.
func TestKeyOfAWithdrawnParticipantThatIsGoneIsMissed(t *testing.T) {
	for name, lose := range map[string]func(*world, *storetest.Memory) error{
		"deleted":   func(w *world, m *storetest.Memory) error { return m.Delete(w.Context(), "key/"+p1Key) },
		"destroyed": func(w *world, _ *storetest.Memory) error { return w.vault.Destroy(w.Context(), p1Key) },
	} {
		t.Run(name, func(t *testing.T) {
			m := &storetest.Memory{}
			w := recruiting(t, m)
			w.tell()
			w.do(trial.Coordinator, w3)
			if err := lose(w, m); err != nil {
				t.Fatal(err)
			}
			if _, err := try(t, m.Reopen()); err == nil || !strings.Contains(err.Error(), "is sealed with a key that is gone") || strings.Contains(err.Error(), "P1") {
				t.Errorf("opened: %v", err)
			}
		})
	}
}

// Whoever changes the sealed design or a sealed arm in the store is found when
// the ledger is opened, and where.
func TestOpenFindsChangedAllocations(t *testing.T) {
	change := func(w *world, index int64, f func(any) any) func([]byte) []byte {
		return func(b []byte) []byte {
			e, err := entry.Unmarshal(b)
			if err != nil {
				t.Fatal(err)
			}
			e.Event = f(e.Event)
			if b, err = entry.Marshal(e); err != nil {
				t.Fatal(err)
			}
			return w.authentic("IPS/allocation", index, b) // as only a holder of the keys can
		}
	}
	for _, tt := range []struct {
		name  string
		index int64
		do    func(w *world) func(any) any
		want  string
	}{
		{"a byte of the design", 0, func(*world) func(any) any {
			return func(e any) any { k := e.(trial.DesignKept); k.Sealed[40] ^= 1; return k }
		}, "ledger: trial IPS: entry 0 of allocation: open design: vault: the sealed bytes do not open with this key and context"},
		{"a byte of an arm", 2, func(*world) func(any) any {
			return func(e any) any { a := e.(trial.Allocated); a.Sealed[40] ^= 1; return a }
		}, "ledger: trial IPS: entry 2 of allocation: open allocation: vault: the sealed bytes do not open with this key and context"},
		{"the arm of another slot", 2, func(w *world) func(any) any {
			other := of[trial.Allocated](w)[0].Event.(trial.Allocated)
			return func(e any) any { a := e.(trial.Allocated); a.Sealed = other.Sealed; return a }
		}, "ledger: trial IPS: entry 2 of allocation: open allocation: vault: the sealed bytes do not open with this key and context"},
		{"another arm, sealed with the right key", 2, func(w *world) func(any) any {
			return func(e any) any { a := e.(trial.Allocated); a.Sealed = w.otherArm(a); return a }
		}, "ledger: trial IPS: entry 2 of allocation: sealed allocation does not follow from the sealed design"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := &storetest.Memory{}
			w := recruiting(t, m)
			w.randomize("P1")
			w.randomize("P2")
			other := protocol()
			other.ID = "A-TRIAL" // which is opened before, and closed again
			if _, err := w.ledger.Create(t.Context(), w.as(trial.Administrator), other); err != nil {
				t.Fatal(err)
			}
			again := m.Reopen()
			again.Tamper("IPS/allocation", tt.index, change(w, tt.index, tt.do(w)))
			if _, err := try(t, again); err == nil || err.Error() != tt.want {
				t.Errorf("opened: %v\nwant %s", err, tt.want)
			}
		})
	}
}

// otherArm seals the arm that the participant doesn't have.
func (w *world) otherArm(a trial.Allocated) []byte {
	w.Helper()
	ad := bound("arm", string(a.Participant), string(a.Stratum), "1")
	arm := w.unsealed(a.Sealed, ad)
	plain, err := vault.Pad([]byte{1 - arm[0]}, 32)
	if err != nil {
		w.Fatal(err)
	}
	sealed, err := w.vault.Seal(w.Context(), "IPS/allocation", plain, ad)
	if err != nil {
		w.Fatal(err)
	}
	return sealed
}
