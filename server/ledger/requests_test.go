package ledger_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lodd-rct/lodd/audit/store/storetest"
	"github.com/lodd-rct/lodd/randomization"
	"github.com/lodd-rct/lodd/server/instrument"
	"github.com/lodd-rct/lodd/server/ledger"
	"github.com/lodd-rct/lodd/server/trial"
)

var audit6 = ledger.Place{Participant: "P1", Visit: "month-6", Form: "audit"}

// A request is a method with its arguments but the caller.
type request func(context.Context, *world, ledger.Caller) (ledger.Receipt, error)

func screen(e trial.Screened, answers ledger.Answers) request {
	return func(ctx context.Context, w *world, by ledger.Caller) (ledger.Receipt, error) {
		a, err := w.trial().Screen(ctx, by, e, answers)
		return a.Receipt, err
	}
}

func assess(p trial.ParticipantID, answers ledger.Answers) request {
	return func(ctx context.Context, w *world, by ledger.Caller) (ledger.Receipt, error) {
		a, err := w.trial().Assess(ctx, by, p, answers)
		return a.Receipt, err
	}
}

func submit(p ledger.Place, on string, v instrument.Values) request {
	return func(ctx context.Context, w *world, by ledger.Caller) (ledger.Receipt, error) {
		by.Role = trial.Assessor
		a, _, err := w.trial().Submit(ctx, by, p, date(on), v)
		return a.Receipt, err
	}
}

func correct(p ledger.Place, patch ledger.Patch, reason string) request {
	return func(ctx context.Context, w *world, by ledger.Caller) (ledger.Receipt, error) {
		by.Role = trial.Assessor
		a, _, err := w.trial().Correct(ctx, by, p, patch, reason)
		return a.Receipt, err
	}
}

func seal(b randomization.Blocks) request {
	return func(ctx context.Context, w *world, by ledger.Caller) (ledger.Receipt, error) {
		_, r, err := w.trial().Seal(ctx, by, b, false)
		return r, err
	}
}

func do(e trial.Event) request {
	return func(ctx context.Context, w *world, by ledger.Caller) (ledger.Receipt, error) {
		a, err := w.trial().Do(ctx, by, e)
		return a.Receipt, err
	}
}

// The same request id gives the same answer, also after a restart and whatever
// happened since; with other content or from somebody else it is refused.
func TestRequestIDs(t *testing.T) {
	sixes := randomization.Blocks{Ratio: []int{1, 1}, Sizes: []randomization.BlockSize{{Size: 6, Weight: 1}}}
	other := screened("P2")
	other.Site = "BERGEN"
	w2 := trial.Withdrawn{Participant: "P1", Scope: trial.FromFollowUp, Reason: "moved", On: date("2020-09-02")}
	w2other := w2
	w2other.Reason = "burden"
	followUp := func(w *world) { w.randomize("P1"); w.on("2020-09-02") }
	filled := func(w *world) { followUp(w); w.submit("P1", "month-6", "audit", numbers(4, 2)) }
	for _, tt := range []struct {
		name     string
		before   func(*world)
		first    request
		others   []request
		since    request
		unsealed bool
	}{
		{"seal", nil, seal(design), []request{seal(sixes), do(trial.EnrolmentOpened{})}, do(trial.EnrolmentOpened{}), true},
		{"screen", nil, screen(screened("P2"), eligible), []request{
			screen(other, eligible), screen(screened("P2"), nil), screen(screened("P3"), eligible),
			screen(screened("P2"), ledger.Answers{"adult": false, "in-work": false}), do(trial.EnrolmentClosed{}),
		}, do(trial.EnrolmentClosed{}), false},
		{"screen one who is not eligible", nil, screen(screened("P2"), ledger.Answers{"adult": false, "in-work": false}), []request{
			screen(screened("P2"), ledger.Answers{"adult": true, "in-work": true}),
		}, do(trial.EnrolmentClosed{}), false},
		{
			"assess", func(w *world) { w.must(w.trial().Screen(w.Context(), w.as(trial.Coordinator), screened("P2"), nil)) },
			assess("P2", eligible),
			[]request{assess("P2", ledger.Answers{"adult": false, "in-work": false})},
			do(trial.EnrolmentClosed{}), false,
		},
		{"submit", followUp, submit(audit6, "2020-09-02", numbers(4, 2)), []request{
			submit(audit6, "2020-09-01", numbers(4, 2)), submit(audit6, "2020-09-02", numbers(4, 3)), correct(audit6, ledger.Patch{Set: numbers(5)}, "misread"),
		}, correct(audit6, ledger.Patch{Set: numbers(9)}, "misread"), false},
		{"correct", filled, correct(audit6, ledger.Patch{Set: numbers(5), Drop: []string{"n1"}}, "misread"), []request{
			correct(audit6, ledger.Patch{Set: numbers(6), Drop: []string{"n1"}}, "misread"), correct(audit6, ledger.Patch{Set: numbers(5)}, "misread"),
			correct(audit6, ledger.Patch{Set: numbers(5), Drop: []string{"n1"}}, "mistyped"), submit(audit6, "2020-09-02", numbers(4, 2)),
		}, correct(audit6, ledger.Patch{Set: numbers(9)}, "misread again"), false},
		{
			"correct what the form would not accept today", func(w *world) {
				followUp(w)
				w.submit("P1", "month-6", "audit", instrument.Values{"n8": instrument.Number(9)})
			}, correct(audit6, ledger.Patch{Set: instrument.Values{"n9": instrument.Number(9)}}, "misread"), nil,
			correct(audit6, ledger.Patch{Set: instrument.Values{"n8": instrument.Number(1), "n9": instrument.Number(1)}}, "misread again"), false,
		},
		{"withdraw", followUp, do(w2), []request{do(w2other)}, do(trial.EnrolmentClosed{}), false},
		{"lock", nil, do(trial.Locked{}), []request{do(trial.Exported{Lock: 1})}, do(trial.EnrolmentClosed{}), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := open(t, &storetest.Memory{})
			if tt.unsealed {
				if _, err := w.ledger.Create(t.Context(), w.as(trial.Administrator), protocol()); err != nil {
					t.Fatal(err)
				}
			} else {
				w.recruit()
			}
			if tt.before != nil {
				tt.before(w)
			}
			by := w.as(trial.Coordinator)
			first, err := tt.first(t.Context(), w, by)
			if err != nil || first.Repeated {
				t.Fatalf("first: %+v, %v", first, err)
			}
			checkRepeats(t, w, by, first, tt.first, tt.others)
			if _, err := tt.since(t.Context(), w, w.as(trial.Coordinator)); err != nil {
				t.Fatal(err)
			}
			checkRepeats(t, w, by, first, tt.first, tt.others)
			checkRepeats(t, w.reopen(), by, first, tt.first, tt.others)
		})
	}
}

func checkRepeats(t *testing.T, w *world, by ledger.Caller, first ledger.Receipt, same request, others []request) {
	t.Helper()
	n := len(w.entries())
	got, err := same(t.Context(), w, by)
	want := first
	want.Repeated = true
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("repeated: %v\n%s", err, diff)
	}
	for i, o := range others {
		if r, err := o(t.Context(), w, by); !errors.Is(err, ledger.ErrReused) {
			t.Errorf("other content %d under the same id: %+v, %v", i, r, err)
		}
	}
	stranger := by
	stranger.Actor = "somebody else"
	if r, err := same(t.Context(), w, stranger); !errors.Is(err, ledger.ErrReused) {
		t.Errorf("the same id from somebody else: %+v, %v", r, err)
	}
	if m := len(w.entries()); m != n {
		t.Errorf("repetitions wrote %d entries", m-n)
	}
}

// A trial is made once, of one protocol, however its empty parts are written.
func TestCreateTwiceIsTheSameTrial(t *testing.T) {
	w := open(t, &storetest.Memory{})
	first, err := w.ledger.Create(t.Context(), w.as(trial.Administrator), protocol())
	if err != nil {
		t.Fatal(err)
	}
	first.Repeated = true
	same, other := protocol(), protocol()
	same.Factors = []trial.Factor{}
	other.Forms[1].Title.EN = "AUDIT"
	for restarted := range 2 {
		if restarted == 1 {
			w = w.reopen()
		}
		for _, p := range []trial.Protocol{protocol(), same} {
			if got, err := w.ledger.Create(t.Context(), w.as(trial.Administrator), p); got != first || err != nil {
				t.Errorf("again: %+v, %v; want %+v", got, err, first)
			}
		}
		if _, err := w.ledger.Create(t.Context(), w.as(trial.Administrator), other); !errors.Is(err, trial.ErrExists) {
			t.Errorf("another protocol: %v", err)
		}
	}
	if _, err := w.ledger.Trial("OTHER"); !errors.Is(err, trial.ErrNotFound) {
		t.Errorf("another trial: %v", err)
	}
}

// What can't be stored is refused before it can fail the commands around it,
// and nothing is written.
func TestWhatCannotBeDoneIsRefusedAtOnce(t *testing.T) {
	w := recruiting(t, &storetest.Memory{})
	w.randomize("P1")
	w.on("2020-09-02")
	long, longer := instrument.Values{}, instrument.Values{}
	for _, item := range []string{"t0", "t1", "t2", "t3", "t4", "t5", "t6", "t7", "t8"} {
		long[item] = instrument.String(strings.Repeat("x", 4000))
		longer[item] = instrument.String(strings.Repeat("y", 4000))
	}
	w.submit("P1", "month-6", "audit", long)
	huge := protocol()
	huge.ID = "HUGE"
	for range 200 {
		huge.Forms = append(huge.Forms, huge.Forms[0])
		huge.Forms[len(huge.Forms)-1].ID += trial.FormID(strings.Repeat("x", len(huge.Forms)))
		huge.Forms[len(huge.Forms)-1].Title.EN = strings.Repeat("x", 6000)
	}
	wide := protocol()
	wide.ID, wide.Title.EN = "WIDE", strings.Repeat("x", 66000)
	n := len(w.entries())
	for _, tt := range []struct {
		name string
		do   request
		want func(error) bool
	}{
		{"a correction that is too long", correct(audit6, ledger.Patch{Set: longer}, "wrong person"), invalid("request")},
		{"a text that is no text", do(trial.Excluded{Participant: "\xff", Site: "OSLO", Reason: "other"}), invalid("request")},
		{"a correction without a reason", correct(audit6, ledger.Patch{Set: numbers(1)}, " \u200b\t"), invalid("reason")},
		{"a correction of nothing", correct(audit6, ledger.Patch{Set: long}, "why not"), is(trial.ErrNothingChanged)},
		{"a number out of range", correct(audit6, ledger.Patch{Set: numbers(101)}, "why not"), faulty},
		{"a form with a number out of range", submit(ledger.Place{Participant: "P1", Visit: "month-12", Form: "audit"}, "2020-09-02", numbers(101)), faulty},
		{"a form of nobody", submit(ledger.Place{Participant: "P9", Visit: "month-6", Form: "audit"}, "2020-09-02", numbers(1)), is(trial.ErrNotFound)},
		{"no form", submit(ledger.Place{Participant: "P1", Visit: "month-6", Form: "dudit"}, "2020-09-02", numbers(1)), is(trial.ErrNotFound)},
		{"a missing answer", screen(screened("P2"), ledger.Answers{"adult": true}), invalid("answers.in-work")},
		{"an answer to nothing", screen(screened("P2"), ledger.Answers{"adult": true, "in-work": false, "x": true}), invalid("answers")},
		{"a design that can be guessed", seal(randomization.Blocks{Ratio: []int{1, 1}, Sizes: []randomization.BlockSize{{Size: 2, Weight: 1}}}), is(randomization.ErrDesign)},
		{"a design of another ratio", seal(randomization.Blocks{Ratio: []int{2, 1}, Sizes: []randomization.BlockSize{{Size: 6, Weight: 1}}}), invalid("design")},
		{"a second design", seal(design), is(trial.ErrAlreadySealed)},
		{"a protocol that is too large", create(huge), invalid("protocol")},
		{"a title that is too long", create(wide), invalid("request")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if r, err := tt.do(t.Context(), w, w.as(trial.Coordinator)); !tt.want(err) {
				t.Errorf("%+v, %v", r, err)
			}
		})
	}
	if m := len(w.entries()); m != n || len(w.ledger.Trials()) != 1 {
		t.Errorf("%d entries were written, and there are %d trials", m-n, len(w.ledger.Trials()))
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := do(trial.Locked{})(ended, w, w.as(trial.Monitor)); !errors.Is(err, context.Canceled) {
		t.Errorf("after the caller left: %v", err)
	}
	w.ledger.Close()
	if _, err := do(trial.Locked{})(t.Context(), w, w.as(trial.Monitor)); !errors.Is(err, ledger.ErrBusy) {
		t.Errorf("after closing: %v", err)
	}
	if _, err := w.ledger.Create(t.Context(), w.as(trial.Administrator), protocol()); !errors.Is(err, ledger.ErrBusy) {
		t.Errorf("a trial after closing: %v", err)
	}
}

func create(p trial.Protocol) request {
	return func(ctx context.Context, w *world, by ledger.Caller) (ledger.Receipt, error) {
		return w.ledger.Create(ctx, by, p)
	}
}

func is(want error) func(error) bool { return func(err error) bool { return errors.Is(err, want) } }

func faulty(err error) bool {
	f, ok := errors.AsType[*ledger.Faulty](err)
	return ok && len(f.Problems) == 1 && f.Problems[0].Item == "n0"
}

func invalid(field string) func(error) bool {
	return func(err error) bool {
		i, ok := errors.AsType[*trial.Invalid](err)
		return ok && i.Field == field
	}
}
