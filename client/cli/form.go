package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

func (a *app) formCommand() *cobra.Command {
	return noun("form", "Show, fill in, read, correct and sign forms",
		a.formShow(), a.formTemplate(), a.formValidate(), a.formSubmit(), a.formRead(), a.formCorrect(), a.formSign())
}

// answerable reports whether people answer an item: the others are shown or
// calculated.
func answerable(item *loddv1.Item) bool { return item.GetType() != "calc" && item.GetType() != "info" }

func (a *app) formShow() *cobra.Command {
	return a.inTrial(spec{use: "show FORM", short: "Show the items of a form", args: cobra.ExactArgs(1)}, func(c trialCall) error {
		form, err := c.Assessments().GetForm(c.ctx, &loddv1.GetFormRequest{TrialId: c.trial, Form: c.args[0]})
		if err != nil {
			return err
		}
		r := list("form", "items", "item", "type", "required", "range", "unit", "options", "label")
		for _, x := range form.GetItems() {
			var options []string
			for _, o := range x.GetOptions() {
				options = append(options, o.GetId())
			}
			r.add(x.GetId(), code(x.GetType()), x.GetRequired(), bounds(x), x.GetUnit(), notNil(options), a.words.text(x.GetLabel()))
		}
		return a.write(r)
	})
}

// bounds returns the range of a number as text: "0..10", "0.." or "".
func bounds(item *loddv1.Item) string {
	if item.Min == nil && item.Max == nil {
		return ""
	}
	text := ".."
	if item.Min != nil {
		text = strconv.FormatFloat(item.GetMin(), 'f', -1, 64) + text
	}
	if item.Max != nil {
		text += strconv.FormatFloat(item.GetMax(), 'f', -1, 64)
	}
	return text
}

func (a *app) formTemplate() *cobra.Command {
	return a.inTrial(spec{
		use: "export-template FORM", short: "Print a JSON object to fill in", args: cobra.ExactArgs(1),
		long: `Print a JSON object to fill in. Replace each null by an answer, by a list of
codes for a multiple choice, or by {"missing": "not-done"} (or "refused", or
"unknown"); take out the items that do not apply.`,
	}, func(c trialCall) error {
		form, err := c.Assessments().GetForm(c.ctx, &loddv1.GetFormRequest{TrialId: c.trial, Form: c.args[0]})
		if err != nil {
			return err
		}
		var b bytes.Buffer
		separator := "{\n  "
		for _, item := range form.GetItems() {
			if answerable(item) {
				fmt.Fprintf(&b, "%s%q: null", separator, item.GetId())
				separator = ",\n  "
			}
		}
		b.WriteString("\n}\n")
		_, err = a.deps.Stdout.Write(b.Bytes())
		return err
	})
}

// readValues reads answers: a JSON object. What is in it is for the server to
// judge.
func (a *app) readValues(path string) (string, error) {
	var values map[string]json.RawMessage
	if err := a.readJSON(path, &values); err != nil {
		return "", err
	}
	if len(values) == 0 {
		return "", &invalidError{message: path + ": want a JSON object from item to answer"}
	}
	b, err := json.Marshal(values)
	return string(b), err
}

func (a *app) formValidate() *cobra.Command {
	return a.inTrial(spec{use: "validate FORM FILE|-", short: "Check answers; stores nothing", args: cobra.ExactArgs(2)}, func(c trialCall) error {
		values, err := a.readValues(c.args[1])
		if err != nil {
			return err
		}
		answer, err := c.Assessments().CheckForm(c.ctx, &loddv1.CheckFormRequest{TrialId: c.trial, Form: c.args[0], Values: values})
		if err != nil {
			return err
		}
		r := list("validation", "findings", "severity", "item", "kind", "message")
		for _, p := range answer.GetProblems() {
			r.add(code("problem"), p.GetItem(), code(p.GetKind()), a.words.text(p.GetMessage()))
		}
		for _, p := range answer.GetWarnings() {
			r.add(code("warning"), p.GetItem(), code(p.GetKind()), a.words.text(p.GetMessage()))
		}
		if err := a.write(r); err != nil {
			return err
		}
		if n := len(answer.GetProblems()); n > 0 {
			return &invalidError{message: a.words.say("error.problems", n, c.args[1])}
		}
		a.note("note.valid")
		return nil
	})
}

func (a *app) formSubmit() *cobra.Command {
	var t timing
	cmd := a.inTrial(spec{
		use: "submit NUMBER VISIT FORM [FILE|-]", short: "Store and lock the answers of a form", args: cobra.RangeArgs(3, 4),
		long: `Store and lock the answers of a form: those of a JSON file, or on a terminal
those that you give item by item. Before the visit's window opens it asks first.`,
	}, func(c trialCall) error {
		values, err := a.answers(c, t)
		if err != nil {
			return err
		}
		answer, err := c.Assessments().SubmitForm(c.ctx, &loddv1.SubmitFormRequest{
			TrialId: c.trial, RequestId: c.request, Participant: c.args[0], Visit: c.args[1], Form: c.args[2], On: t.on, Values: values,
		})
		if err != nil {
			return err
		}
		a.warn(answer.GetWarnings())
		return a.write(receiptOf("submission", answer.GetReceipt(), "participant", c.args[0], "visit", c.args[1], "form", c.args[2], "timing", code(answer.GetTiming())))
	})
	cmd.Flags().StringVar(&t.on, "on", "", "date of the assessment, `YYYY-MM-DD`; default today")
	cmd.Flags().BoolVar(&t.early, "early", false, "store it also if the visit's window is not open yet")
	return cmd
}

// warn tells of answers that are unlikely, and of what else is to be looked at
// again.
func (a *app) warn(warnings []*loddv1.Problem) {
	for _, w := range warnings {
		key := "note.look"
		if w.GetKind() == "range" {
			key = "note.warning"
		}
		a.note(key, w.GetItem(), a.words.text(w.GetMessage()))
	}
}

// answers returns the answers to submit, from the file that was named or from
// the person at the terminal.
func (a *app) answers(c trialCall, t timing) (string, error) {
	if len(c.args) == 4 {
		values, err := a.readValues(c.args[3])
		if err != nil {
			return "", err
		}
		return values, a.allowEarly(c, t)
	}
	if a.console == nil {
		return "", &usageError{a.words.say("error.no-answers")}
	}
	if err := a.allowEarly(c, t); err != nil {
		return "", err
	}
	return a.fillIn(c, c.args[2])
}

func (a *app) formRead() *cobra.Command {
	return a.inTrial(spec{use: "read NUMBER VISIT FORM", short: "Read the answers that your role entered", args: cobra.ExactArgs(3)}, func(c trialCall) error {
		answer, err := c.Assessments().ReadForm(c.ctx, &loddv1.ReadFormRequest{TrialId: c.trial, Participant: c.args[0], Visit: c.args[1], Form: c.args[2]})
		if err != nil {
			return err
		}
		if len(answer.GetHeld()) > 0 {
			a.note("note.held", strings.Join(answer.GetHeld(), ", "))
		}
		corrections := []correctionJSON{}
		for _, x := range answer.GetCorrections() {
			corrections = append(corrections, correctionJSON{stamp(x.GetAt()), x.GetBy(), x.GetReason(), changesOf(x.GetChanges())})
		}
		return a.write(one("answers", "participant", c.args[0], "visit", c.args[1], "form", c.args[2], "on", answer.GetOn(),
			"values", rawObject(answer.GetValues()), "calculated", rawObject(answer.GetCalculated()), "corrections", corrections, "signatures", a.signaturesOf(answer)))
	})
}

// rawObject returns JSON that came as text; an empty object for none.
func rawObject(text string) json.RawMessage {
	if !json.Valid([]byte(text)) {
		return json.RawMessage("{}")
	}
	return json.RawMessage(text)
}

type correctionJSON struct {
	At      string       `json:"at"`
	By      string       `json:"by"`
	Reason  string       `json:"reason"`
	Changes []changeJSON `json:"changes"`
}

type changeJSON struct {
	Item string          `json:"item"`
	Old  json.RawMessage `json:"old"` // null if there was no answer
	New  json.RawMessage `json:"new"` // null if there is none any more
}

func changesOf(changes []*loddv1.Change) []changeJSON {
	out := []changeJSON{}
	for _, x := range changes {
		out = append(out, changeJSON{x.GetItem(), rawValue(x.GetOldValue()), rawValue(x.GetNewValue())})
	}
	return out
}

// rawValue returns JSON that came as text; null for none.
func rawValue(text string) json.RawMessage {
	if !json.Valid([]byte(text)) {
		return json.RawMessage("null")
	}
	return json.RawMessage(text)
}

func (a *app) formCorrect() *cobra.Command {
	var reason string
	cmd := a.inTrial(spec{
		use: "correct NUMBER VISIT FORM FILE|-", short: "Change answers of a submitted form; the old ones stay", args: cobra.ExactArgs(4),
		long: "Change answers of a submitted form; the old ones stay readable. The file is a JSON\nobject with the items to change; null takes an answer away.",
	}, func(c trialCall) error {
		values, err := a.readValues(c.args[3])
		if err != nil {
			return err
		}
		answer, err := c.Assessments().CorrectForm(c.ctx, &loddv1.CorrectFormRequest{
			TrialId: c.trial, RequestId: c.request, Participant: c.args[0], Visit: c.args[1], Form: c.args[2], Values: values, Reason: reason,
		})
		if err != nil {
			return err
		}
		return a.write(receiptOf("correction", answer.GetReceipt(), "participant", c.args[0], "visit", c.args[1], "form", c.args[2], "changes", changesOf(answer.GetChanges())))
	})
	required(cmd, &reason, "reason", "why, in `WORDS`")
	return cmd
}
