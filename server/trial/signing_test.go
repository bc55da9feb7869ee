package trial_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lodd-rct/lodd/server/trial"
)

// audited is a participant with a form of the assessor's, which is entry 0 of
// outcome, and one of the coordinator's.
var audited = then(opened, readied("P1")...)

// historyAt returns the index of the last entry of conduct in a history.
func historyAt(t *testing.T, history []any) int64 {
	t.Helper()
	return tell(t, history...).Len(trial.Conduct) - 1
}

func TestSignaturesRefuse(t *testing.T) {
	sign := func(change func(*trial.FormSigned)) trial.FormSigned {
		e := signed("P1", "baseline", "audit", 0)
		change(&e)
		return e
	}
	again := then(audited, changed("P1", "baseline", "audit"))
	broken := then(then(opened, randomized("P1")...), blindBroken("P1", "kari"))
	history := historyAt(t, then(opened, readied("P1")[:2]...))
	checkRefusals(t, []refusal{
		{"nobody", audited, sign(func(e *trial.FormSigned) { e.Participant = "P9" }), trial.ErrNotFound},
		{"an unknown visit", audited, sign(func(e *trial.FormSigned) { e.Visit = "month-9" }), invalid("visit")},
		{"an unknown form", audited, sign(func(e *trial.FormSigned) { e.Form = "none" }), invalid("form")},
		{"a form that isn't filled in there", audited, sign(func(e *trial.FormSigned) { e.Form = "guess" }), invalid("form")},
		{"a form that isn't submitted", audited, sign(func(e *trial.FormSigned) { e.Visit = "month-6" }), trial.ErrNotSubmitted},
		{"an unknown meaning", audited, sign(func(e *trial.FormSigned) { e.Meaning = "sympathy" }), invalid("meaning")},
		{"the investigator's approval of an outcome", audited, sign(func(e *trial.FormSigned) { e.Meaning = "approval" }), invalid("form")},
		{"no name", audited, sign(func(e *trial.FormSigned) { e.Name = "" }), invalid("name")},
		{"no digest", audited, sign(func(e *trial.FormSigned) { e.Digest = [32]byte{} }), invalid("name")},
		{"an entry before the last", again, sign(func(*trial.FormSigned) {}), trial.ErrChanged},
		{"an entry of another form", audited, sign(func(e *trial.FormSigned) { e.At = history }), trial.ErrChanged},
		{"no entry", audited, sign(func(e *trial.FormSigned) { e.At = -1 }), trial.ErrChanged},
		{"twice with one meaning", then(audited, signed("P1", "baseline", "audit", 0)), signed("P1", "baseline", "audit", 0), trial.ErrExists},
		{"somebody who withdrew from the data", then(audited, withdrawn("P1", trial.FromData, "2020-03-01")), sign(func(*trial.FormSigned) {}), trial.ErrErased},
		{"by an assessor whose blind is broken", broken, sign(func(*trial.FormSigned) {}), trial.ErrBlindBroken},
	})
	for name, tt := range map[string]struct {
		role trial.Role
		next trial.FormSigned
		want error
	}{
		"an assessor's form by the coordinator":         {trial.Coordinator, sign(func(*trial.FormSigned) {}), invalid("form")},
		"a coordinator's form by an assessor":           {trial.Assessor, signed("P1", "baseline", "history", history), invalid("form")},
		"authorship of the investigator":                {trial.Investigator, signed("P1", "baseline", "history", history), invalid("form")},
		"approval by the coordinator":                   {trial.Coordinator, approved(history), invalid("meaning")},
		"approval by nobody":                            {"", approved(history), invalid("meaning")},
		"what the investigator may approve":             {trial.Investigator, approved(history), nil},
		"the form of a blind assessor after the report": {trial.Assessor, sign(func(*trial.FormSigned) {}), nil},
	} {
		h := tell(t, then(then(opened, randomized("P1")...), blindBroken("P1", "eva"))...)
		if _, err := h.Decide(trial.Meta{At: h.now, Actor: "ola", Role: tt.role}, tt.next); !is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
}

// approved is the investigator's signature under the history of P1.
func approved(at int64) trial.FormSigned {
	e := signed("P1", "baseline", "history", at)
	e.Meaning = "approval"
	return e
}

// A change after signing makes a form visibly unsigned, and only that form.
func TestCorrectionMakesSignaturesVoid(t *testing.T) {
	h := tell(t, then(then(opened, randomized("P1")...), day("2020-09-01"),
		submitted("P1", "month-6", "audit", "2020-09-01"), // entry 1 of outcome
		signed("P1", "baseline", "audit", 0), signed("P1", "month-6", "audit", 1),
		day("2020-09-02"), changed("P1", "baseline", "audit"), // entry 4
		signed("P1", "baseline", "audit", 4),
	)...)
	type is struct {
		Of   int64
		Void bool
	}
	got := map[trial.VisitID][]is{}
	for _, v := range []trial.VisitID{"baseline", "month-6", "month-12", "month-9"} {
		for _, g := range h.Signatures("P1", v, "audit") {
			got[v] = append(got[v], is{g.Of, g.Void})
		}
	}
	want := map[trial.VisitID][]is{"baseline": {{0, true}, {4, false}}, "month-6": {{1, false}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	first := h.Signatures("P1", "month-6", "audit")[0]
	if first.By != "kari" || first.Name != "Kari Nordmann" || first.Meaning != "authorship" || first.At != h.log[len(h.log)-3].meta.At {
		t.Errorf("%+v", first)
	}
	for _, f := range []trial.FormID{"history", "none", ""} { // history is the protocol's first form
		if g := h.Signatures("P1", "baseline", f); g != nil {
			t.Errorf("form %q has the signatures %+v", f, g)
		}
	}
	if h.Signatures("P9", "baseline", "audit") != nil || h.HeldTexts("P9") != nil {
		t.Error("nobody has signatures or texts")
	}
}

// Several people sign, and one of them for several meanings.
func TestFormsHaveManySignatures(t *testing.T) {
	review := signed("P1", "baseline", "audit", 0)
	review.Meaning = "review"
	h := tell(t, then(audited, signed("P1", "baseline", "audit", 0), review)...)
	m := h.meta(review)
	m.Actor = "ola"
	if _, err := h.Decide(m, review); err != nil {
		t.Error(err)
	}
	if got := h.Signatures("P1", "baseline", "audit"); len(got) != 2 {
		t.Errorf("%+v", got)
	}
}

func judged(at int64, item trial.Code) trial.TextJudged {
	return trial.TextJudged{Participant: "P1", Visit: "baseline", Form: "audit", At: at, Item: item, Released: true}
}

func TestHeldTextsRefuse(t *testing.T) {
	holding := func(held ...trial.Code) trial.FormSubmitted {
		e := submitted("P1", "baseline", "audit", "2020-03-01")
		e.Held = held
		return e
	}
	held := then(opened, screened("P1"), holding("remarks", "work"))
	other := judged(0, "remarks")
	other.Visit = "month-6"
	erased := then(held, withdrawn("P1", trial.FromData, "2020-03-01"))
	checkRefusals(t, []refusal{
		{"an item twice", then(opened, screened("P1")), holding("remarks", "work", "remarks"), invalid("held")},
		{"an item without a name", then(opened, screened("P1")), holding("remarks", ""), invalid("held")},
		{"an item twice in a correction", held, changed("P1", "baseline", "audit", "work", "work"), invalid("held")},
		{"a text of nobody", opened, judged(0, "remarks"), trial.ErrNotFound},
		{"an item that isn't held", held, judged(0, "guess"), trial.ErrNotFound},
		{"an entry that holds nothing", then(held, changed("P1", "baseline", "audit")), judged(1, "remarks"), trial.ErrNotFound},
		{"another visit", held, other, trial.ErrNotFound},
		{"a text twice", then(held, judged(0, "remarks")), judged(0, "remarks"), trial.ErrExists},
		{"a text of somebody who withdrew from the data", erased, judged(0, "remarks"), trial.ErrErased},
	})
	withheld := judged(0, "work")
	withheld.Released = false
	h := tell(t, then(held, changed("P1", "baseline", "audit", "work"), judged(0, "remarks"), withheld)...)
	want := []trial.HeldText{
		{Visit: "baseline", Form: "audit", At: 0, Item: "remarks", Judged: true, Released: true},
		{Visit: "baseline", Form: "audit", At: 0, Item: "work", Judged: true},
		{Visit: "baseline", Form: "audit", At: 1, Item: "work"},
	}
	got := h.HeldTexts("P1")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	got[0].Released = false
	if diff := cmp.Diff(want, h.HeldTexts("P1")); diff != "" {
		t.Errorf("what was returned is the state's own: %s", diff)
	}
}
