package ledger_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lodd-rct/lodd/audit/store/storetest"
	"github.com/lodd-rct/lodd/server/freetext"
	"github.com/lodd-rct/lodd/server/instrument"
	"github.com/lodd-rct/lodd/server/ledger"
	"github.com/lodd-rct/lodd/server/trial"
)

// telling is a text that gives an arm away.
const telling = instrument.String("Jobbspesialisten ringte i går.")

// assessed is a world with P1 at the follow-up visit, to which an assessor has
// submitted a form with a telling text in t0 and a neutral one in t1.
func assessed(t testing.TB) (*world, ledger.Answer) {
	t.Helper()
	w := recruiting(t, &storetest.Memory{})
	w.randomize("P1")
	w.on("2020-09-02")
	values := instrument.Values{"n0": instrument.Number(1), "t0": telling, "t1": instrument.String("Sov lite.")}
	a, report, err := w.trial().Submit(t.Context(), w.as(trial.Assessor), audit6, date("2020-09-02"), values)
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Warnings) != 1 || report.Warnings[0].Item != "t0" || report.Warnings[0].Kind != instrument.KindCheck {
		t.Fatalf("warnings %+v, want one of t0", report.Warnings)
	}
	return w, a
}

// another is an assessor who didn't write the text.
func (w *world) another() ledger.Caller {
	by := w.as(trial.Assessor)
	by.Actor = "another"
	return by
}

func (w *world) read(reader string) ledger.Answered {
	w.Helper()
	got, err := w.trial().ReadForm(w.Context(), audit6, reader)
	if err != nil {
		w.Fatal(err)
	}
	return got
}

// judge judges the text in t0.
func (w *world) judge(at int64, released bool) error {
	w.Helper()
	_, err := w.trial().Do(w.Context(), w.as(trial.Reviewer), trial.TextJudged{
		Participant: "P1", Visit: "month-6", Form: "audit", At: at, Item: "t0", Released: released,
	})
	return err
}

// identifiers are texts that must not be stored, none of which is anybody's.
func identifiers() map[string]instrument.String {
	digits := func(d, w string) (sum int) {
		for i := range d {
			sum += int(d[i]-'0') * int(w[i]-'0')
		}
		return sum % 11
	}
	number := "" // a synthetic one: its month is 81
	for n := 0; number == ""; n++ {
		if d := fmt.Sprintf("018190%05d", n); digits(d[:10], "3761894521") == 0 && digits(d, "54327654321") == 0 {
			number = d
		}
	}
	return map[string]instrument.String{
		"number": instrument.String(number[:4] + "." + number[4:6] + " " + number[6:]), "email": "Skriv til kari@example.org", "phone": "tlf. 99 88 77 66",
	}
}

func TestIdentifiersInTextsAreRefusedAndNotStored(t *testing.T) {
	w, _ := assessed(t)
	for name, text := range identifiers() {
		before := w.log.Len("IPS/outcome")
		values := instrument.Values{"t0": text, "t1": telling}
		place := ledger.Place{Participant: "P1", Visit: "month-6", Form: "audit"}
		_, _, err := w.trial().Submit(t.Context(), w.as(trial.Assessor), place, date("2020-09-02"), values)
		_, _, errCorrect := w.trial().Correct(t.Context(), w.as(trial.Assessor), audit6, ledger.Patch{Set: values}, "misread")
		for what, err := range map[string]error{"submit": err, "correct": errCorrect} {
			faulty, ok := errors.AsType[*ledger.Faulty](err)
			if !ok || len(faulty.Problems) != 1 || faulty.Problems[0].Item != "t0" || faulty.Problems[0].Kind != instrument.KindCheck {
				t.Errorf("%s, %s: %v, want a problem of t0", name, what, err)
				continue
			}
			m := faulty.Problems[0].Message
			if m.NB == "" || m.EN == "" || strings.Contains(m.NB+m.EN, string(text)) {
				t.Errorf("%s, %s: message %q", name, what, m)
			}
		}
		if n := w.log.Len("IPS/outcome"); n != before {
			t.Errorf("%s: %d entries were appended", name, n-before)
		}
	}
	report, err := w.trial().CheckForm("audit", instrument.Values{"t0": identifiers()["phone"], "t1": telling, "n0": instrument.Number(3)})
	if err != nil || len(report.Problems) != 1 || len(report.Warnings) != 1 {
		t.Errorf("a draft: %+v, %v; want a problem and a warning", report, err)
	}
}

// Channel L19: until a reviewer has released it, a text that may tell the arm is
// for its writer alone; so it is after a restart.
func TestLeakL19HeldTextIsForItsWriterAlone(t *testing.T) {
	w, a := assessed(t)
	if e, ok := a.Events[0].(trial.FormSubmitted); !ok || !cmp.Equal(e.Held, []trial.Code{"t0"}) {
		t.Fatalf("held are %+v, want t0", a.Events)
	}
	w = w.reopen()
	own, others := w.read("assessor"), w.read("another")
	if own.Values["t0"] != telling || !cmp.Equal(own.Held, []string{"t0"}) {
		t.Errorf("the writer reads %+v", own)
	}
	for name, got := range map[string]ledger.Answered{"another": others, "nobody": w.read("")} {
		want := instrument.Values{"n0": instrument.Number(1), "t1": instrument.String("Sov lite.")}
		if !cmp.Equal(got.Values, want) || got.Held != nil {
			t.Errorf("%s reads %+v, want %+v", name, got, want)
		}
	}
	if err := w.judge(a.Receipt.Index, true); err != nil {
		t.Fatal(err)
	}
	if got := w.reopen().read("another"); got.Values["t0"] != telling || got.Held != nil {
		t.Errorf("after the release another reads %+v", got)
	}
}

// A correction tells nobody what it replaced, if that is held, and holds a new
// text itself.
func TestLeakL19CorrectionsHoldTextsToo(t *testing.T) {
	w, first := assessed(t)
	by := w.another()
	patch := ledger.Patch{Set: instrument.Values{"t0": instrument.String("Ringte i går."), "t1": telling + " Igjen."}}
	a, changes, err := w.trial().Correct(t.Context(), by, audit6, patch, "misread")
	if err != nil {
		t.Fatal(err)
	}
	if e, ok := a.Events[0].(trial.FormCorrected); !ok || !cmp.Equal(e.Held, []trial.Code{"t1"}) {
		t.Errorf("held are %+v, want t1", a.Events)
	}
	want := func(old, now instrument.Value) []instrument.Change {
		return []instrument.Change{{Item: "t0", Old: old, New: patch.Set["t0"]}, {Item: "t1", Old: instrument.String("Sov lite."), New: now}}
	}
	if diff := cmp.Diff(want(nil, patch.Set["t1"]), changes); diff != "" {
		t.Errorf("whoever corrects sees (-want +got):\n%s", diff)
	}
	again, repeated, err := w.trial().Correct(t.Context(), by, audit6, patch, "misread")
	if err != nil || !again.Receipt.Repeated || !cmp.Equal(repeated, changes) {
		t.Errorf("repeated: %+v, %+v, %v", again, repeated, err)
	}
	for reader, want := range map[string][]instrument.Change{
		"assessor": want(telling, nil), "another": want(nil, patch.Set["t1"]), "third": want(nil, nil),
	} {
		if diff := cmp.Diff(want, w.read(reader).Corrections[0].Changes); diff != "" {
			t.Errorf("%s (-want +got):\n%s", reader, diff)
		}
	}
	texts, err := w.trial().HeldTexts(t.Context())
	wantTexts := []ledger.HeldText{
		{Place: audit6, Item: "t0", Entry: first.Receipt.Index, Text: string(telling)},
		{Place: audit6, Item: "t1", Entry: a.Receipt.Index, Text: string(telling) + " Igjen."},
	}
	if diff := cmp.Diff(wantTexts, texts); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

// A text is judged once, and withheld for ever if it isn't released.
func TestHeldTextIsJudgedOnce(t *testing.T) {
	w, a := assessed(t)
	at := a.Receipt.Index
	if err := w.judge(at+100, true); !errors.Is(err, trial.ErrNotFound) {
		t.Errorf("an entry that isn't there: %v", err)
	}
	if err := w.judge(at, false); err != nil {
		t.Fatal(err)
	}
	if err := w.judge(at, true); !errors.Is(err, trial.ErrExists) {
		t.Errorf("again: %v", err)
	}
	if got := w.read("another"); got.Values["t0"] != nil {
		t.Error("a withheld text is shown")
	}
	if texts, err := w.trial().HeldTexts(t.Context()); err != nil || len(texts) != 0 {
		t.Errorf("still to be judged: %+v, %v", texts, err)
	}
}

// An export has what was released when its lock was taken: a release changes no
// bytes of an earlier lock, and a held text is in none.
func TestLeakL19ExportHoldsWhatWasReleasedAtItsLock(t *testing.T) {
	w, a := assessed(t)
	patch := ledger.Patch{Set: instrument.Values{"t0": instrument.String("Ringte.")}}
	if _, _, err := w.trial().Correct(t.Context(), w.another(), audit6, patch, "misread"); err != nil {
		t.Fatal(err)
	}
	w.do(trial.Monitor, trial.Locked{})
	if err := w.judge(a.Receipt.Index, true); err != nil {
		t.Fatal(err)
	}
	w.do(trial.Monitor, trial.Locked{})
	w = w.reopen()
	for lock, old := range map[int]instrument.Value{1: nil, 2: telling} {
		src, err := w.trial().AtLock(t.Context(), lock)
		if err != nil {
			t.Fatal(err)
		}
		r, _ := src.Record("P1", "month-6", "audit")
		got, err := src.Answers(t.Context(), "P1", r)
		if err != nil || len(got.Changes) != 1 || got.Changes[0].Old != old {
			t.Errorf("lock %d: %+v, %v; want %v before the correction", lock, got, err, old)
		}
		if got.Values["t0"] != instrument.String("Ringte.") {
			t.Errorf("lock %d: %v", lock, got.Values["t0"])
		}
	}
}

// A submission that is repeated is the same one, whatever a later version of the
// server would hold.
func TestHeldTextIsNoPartOfARepeat(t *testing.T) {
	w := recruiting(t, &storetest.Memory{})
	w.randomize("P1")
	w.on("2020-09-02")
	by, values := w.as(trial.Assessor), instrument.Values{"t0": telling}
	for _, repeated := range []bool{false, true} {
		a, report, err := w.trial().Submit(t.Context(), by, audit6, date("2020-09-02"), values)
		if err != nil || a.Receipt.Repeated != repeated || len(report.Warnings) != 1 {
			t.Errorf("%+v, %+v, %v; want repeated: %v", a, report, err, repeated)
		}
	}
	a, err := w.trial().Do(t.Context(), by, trial.FormSubmitted{
		Participant: "P1", Visit: "month-6", Form: "audit", Version: 1, On: date("2020-09-02"), Sealed: []byte("x"), Held: []trial.Code{"t0", "t9"},
	})
	if err != nil || !a.Receipt.Repeated {
		t.Errorf("with another list of held texts: %+v, %v", a, err)
	}
}

// Nobody reviews the reason for a correction, so it tells no arm and names
// nobody.
func TestLeakL19ReasonsThatTellAreRefused(t *testing.T) {
	w, _ := assessed(t)
	patch := ledger.Patch{Set: numbers(7)}
	for text, kind := range map[string]freetext.Kind{
		"jobbspesialisten sa noe annet": freetext.GiveAway, "er i TAU": freetext.GiveAway, "ring 99887766": freetext.Phone,
		"se kari@example.org": freetext.Email, string(identifiers()["number"]): freetext.NationalID,
	} {
		_, _, err := w.trial().Correct(t.Context(), w.as(trial.Assessor), audit6, patch, text)
		wording, ok := errors.AsType[*ledger.Wording](err)
		if !ok || wording.Kind != kind || wording.Field != "reason" || strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v, want %s", text, err, kind)
		}
	}
	if _, _, err := w.trial().Correct(t.Context(), w.as(trial.Assessor), audit6, patch, "lest feil"); err != nil {
		t.Error(err)
	}
}

// What is held of a participant who withdrew from the data is nobody's to read.
func TestHeldTextOfTheErasedIsGone(t *testing.T) {
	w, _ := assessed(t)
	w.do(trial.Coordinator, trial.Withdrawn{Participant: "P1", Scope: trial.FromData, Reason: "not-given", On: date("2020-09-02")})
	if texts, err := w.trial().HeldTexts(t.Context()); err != nil || len(texts) != 0 {
		t.Errorf("%+v, %v", texts, err)
	}
}
