package ledger_test

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lodd-rct/lodd/audit/store/storetest"
	"github.com/lodd-rct/lodd/server/ledger"
	"github.com/lodd-rct/lodd/server/trial"
	"github.com/lodd-rct/lodd/server/trial/entry"
	"github.com/lodd-rct/lodd/server/vault"
)

func phoned(p trial.ParticipantID) trial.Contact {
	return trial.Contact{Participant: p, On: date("2020-03-01"), Kind: "phone"}
}

// contact records a contact as a member of a treatment team.
func (w *world) contact(c trial.Contact) ledger.Receipt {
	w.Helper()
	r, err := w.trial().RecordContact(w.Context(), w.as(trial.TreatmentTeam), c)
	if err != nil {
		w.Fatal(err)
	}
	return r
}

func recordContact(c trial.Contact) request {
	return func(ctx context.Context, w *world, by ledger.Caller) (ledger.Receipt, error) {
		return w.trial().RecordContact(ctx, by, c)
	}
}

func relate(number int, related trial.Code) request {
	return func(ctx context.Context, w *world, by ledger.Caller) (ledger.Receipt, error) {
		return w.trial().AssessRelatedness(ctx, by, number, related)
	}
}

// Contacts are read as they were recorded, without those of others, and not after
// a withdrawal from the data.
func TestContacts(t *testing.T) {
	w := recruiting(t, &storetest.Memory{})
	w.randomize("P1")
	w.randomize("P2")
	var want []ledger.Contact
	for i, kind := range trial.ContactKinds() {
		c := trial.Contact{Participant: "P1", On: date("2020-03-01"), Kind: kind, Minutes: i}
		want = append(want, ledger.Contact{Contact: c, By: string(trial.TreatmentTeam), At: w.now()})
		w.contact(c)
		c.Participant = "P2"
		w.contact(c)
	}
	for range 2 {
		got, err := w.trial().Contacts(t.Context(), "P1")
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%v\n%s", err, diff)
		}
		w = w.reopen()
	}
	w.on("2020-09-02")
	w.do(trial.Coordinator, w3)
	if got, err := w.trial().Contacts(t.Context(), "P1"); !errors.Is(err, trial.ErrErased) {
		t.Errorf("after the withdrawal: %v, %v", got, err)
	}
}

// An erasure destroys what was done, and leaves the contacts with others.
func TestContactsOfAnErasedParticipantAreGone(t *testing.T) {
	w := recruiting(t, &storetest.Memory{})
	w.randomize("P1")
	w.randomize("P2")
	by := w.as(trial.TreatmentTeam)
	with1 := recordContact(phoned("P1"))
	if _, err := with1(t.Context(), w, by); err != nil {
		t.Fatal(err)
	}
	w.contact(phoned("P2"))
	w.on("2020-09-02")
	w.do(trial.Coordinator, w3)
	w.erase()
	for range 2 {
		if got, err := w.trial().Contacts(t.Context(), "P1"); !errors.Is(err, trial.ErrErased) {
			t.Errorf("of the erased one: %v, %v", got, err)
		}
		for _, by := range []ledger.Caller{by, w.as(trial.TreatmentTeam)} {
			if r, err := with1(t.Context(), w, by); !errors.Is(err, trial.ErrErased) {
				t.Errorf("recorded once more: %+v, %v", r, err)
			}
		}
		if got, err := w.trial().Contacts(t.Context(), "P2"); len(got) != 1 || err != nil {
			t.Errorf("of another: %v, %v", got, err)
		}
		if _, err := w.vault.Open(t.Context(), p1Key, nil, nil); !errors.Is(err, vault.ErrDestroyed) {
			t.Errorf("the key is there: %v", err)
		}
		w = w.reopen()
	}
}

// What is refused leaves no entry, and nothing sealed can be looked into later.
func TestContactsAreChecked(t *testing.T) {
	w := recruiting(t, &storetest.Memory{})
	w.randomize("P1")
	w.ready("P2")
	n := len(w.entries())
	late := phoned("P1")
	late.On = date("2020-03-02")
	for want, c := range map[error]trial.Contact{trial.ErrNotFound: phoned("P9"), trial.ErrNotRandomized: phoned("P2")} {
		if _, err := w.trial().RecordContact(t.Context(), w.as(trial.TreatmentTeam), c); !errors.Is(err, want) {
			t.Errorf("with %s: %v, want %v", c.Participant, err, want)
		}
	}
	var invalid *trial.Invalid
	if _, err := w.trial().RecordContact(t.Context(), w.as(trial.TreatmentTeam), late); !errors.As(err, &invalid) || invalid.Field != "on" {
		t.Errorf("tomorrow: %v", err)
	}
	if m := len(w.entries()); m != n {
		t.Errorf("what was refused left %d entries", m-n)
	}
}

// The same request gives the same answer, also after a restart. What is sealed is
// compared, too: other content is refused, and another account.
func TestSealedContentIsRepeatable(t *testing.T) {
	longer, other, later := phoned("P1"), phoned("P1"), phoned("P1")
	longer.Minutes++
	other.Kind = "meeting"
	later.On = date("2020-03-02")
	for name, tt := range map[string]struct {
		role   trial.Role
		same   request
		others []request
	}{
		"a contact": {trial.TreatmentTeam, recordContact(phoned("P1")), []request{
			recordContact(longer), recordContact(other), recordContact(later), recordContact(phoned("P2")), relate(1, "related"), report(relapse(trial.FromTeam), fell),
		}},
		"a judgement": {trial.Reviewer, relate(1, "related"), []request{
			relate(1, "unrelated"), relate(2, "related"), recordContact(phoned("P1")),
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w := recruiting(t, &storetest.Memory{})
			w.randomize("P1")
			w.randomize("P2")
			w.on("2020-03-02")
			w.report(trial.Coordinator, fell)
			w.report(trial.Coordinator, fell)
			by := w.as(tt.role)
			first, err := tt.same(t.Context(), w, by)
			if err != nil || first.Repeated {
				t.Fatalf("first: %+v, %v", first, err)
			}
			checkRepeats(t, w, by, first, tt.same, tt.others)
			w.contact(phoned("P1"))
			checkRepeats(t, w.reopen(), by, first, tt.same, tt.others)
		})
	}
}

// No byte of an entry tells with whom a contact was, who of a team reported an
// event or how it was judged, and no length: whoever has the database could join
// a name of a team with a number.
func TestEntriesOfTeamsAreSealedAndOfOneSize(t *testing.T) {
	w := recruiting(t, &storetest.Memory{})
	w.randomize("P1")
	for _, p := range []trial.ParticipantID{"P-22222", "P-2222222222"} {
		w.randomize(p)
		w.contact(trial.Contact{Participant: p, On: date("2020-03-01"), Kind: "employer", Minutes: 1440})
		w.contact(trial.Contact{Participant: p, On: date("2020-03-01"), Kind: "phone", Minutes: 7})
	}
	for _, user := range []string{"ina", "ina-of-the-team-that-gives-ips"} {
		by := w.as(trial.TreatmentTeam)
		by.Actor = user
		if _, _, err := w.trial().ReportAdverseEvent(t.Context(), by, relapse(trial.FromTeam), fell); err != nil {
			t.Fatal(err)
		}
	}
	for _, related := range trial.Relations() {
		if _, err := w.trial().AssessRelatedness(t.Context(), w.as(trial.Reviewer), 1, related); err != nil {
			t.Fatal(err)
		}
	}
	contacts, taken, judged := of[trial.ContactRecorded](w), of[trial.EventTakenIn](w), of[trial.RelatednessAssessed](w)
	if len(contacts) != 4 || len(taken) != 2 || len(judged) != 3 {
		t.Fatalf("%d contacts, %d taken in, %d judged", len(contacts), len(taken), len(judged))
	}
	for name, entries := range map[string][]ledger.Logged{"contact": contacts, "taken in": taken, "judged": judged} {
		size := 0
		for _, l := range entries {
			b, err := entry.Marshal(l.Entry)
			if err != nil {
				t.Fatal(err)
			}
			if size == 0 {
				size = len(b)
			}
			if len(b) != size {
				t.Errorf("%s: %d bytes, and %d", name, len(b), size)
			}
			for _, clear := range []string{"P-22222", "employer", "phone", "2020-03-01", "ina", "related", "possible"} {
				if bytes.Contains(b, []byte(clear)) {
					t.Errorf("%s tells %q", name, clear)
				}
			}
		}
	}
}
