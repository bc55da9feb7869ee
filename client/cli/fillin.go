package cli

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// filling is a form that a person fills in. The server alone knows its rules:
// after each answer it is asked what is shown now and what is wrong.
type filling struct {
	app    *app
	call   trialCall
	form   *loddv1.GetFormResponse
	values map[string]any
	passed map[string]bool // items that the person has been at
	state  *loddv1.CheckFormResponse
}

// missingReasons are the reasons for no answer, in the order of their numbers.
var missingReasons = [...]string{"not-done", "refused", "unknown"}

// fillIn asks for the answers of a form, item by item, and returns them as a
// JSON object.
func (a *app) fillIn(c trialCall, form string) (string, error) {
	def, err := c.Assessments().GetForm(c.ctx, &loddv1.GetFormRequest{TrialId: c.trial, Form: form})
	if err != nil {
		return "", err
	}
	f := &filling{app: a, call: c, form: def, values: map[string]any{}, passed: map[string]bool{}}
	if err := f.check(); err != nil {
		return "", err
	}
	fmt.Fprintf(a.deps.Stderr, "%s\n%s\n", visible(a.words.text(def.GetTitle())), a.words.say("ask.how"))
	for item := f.next(); item != nil; item = f.next() {
		if err := f.ask(item); err != nil {
			return "", err
		}
	}
	if problems := f.state.GetProblems(); len(problems) > 0 {
		err := &invalidError{message: a.words.say("error.problems", len(problems), form)}
		for _, p := range problems {
			err.faults = append(err.faults, p.GetItem()+": "+a.words.text(p.GetMessage()))
		}
		return "", err
	}
	if err := a.confirm(c.ctx, "ask.submit"); err != nil {
		return "", err
	}
	return f.encode()
}

func (f *filling) encode() (string, error) {
	b, err := json.Marshal(f.values)
	if err != nil {
		return "", fmt.Errorf("write answers: %w", err)
	}
	return string(b), nil
}

// check asks the server about the answers so far. An answer that no longer
// applies is taken out, and the person is told.
func (f *filling) check() error {
	for {
		values, err := f.encode()
		if err != nil {
			return err
		}
		f.state, err = f.call.Assessments().CheckForm(f.call.ctx, &loddv1.CheckFormRequest{TrialId: f.call.trial, Form: f.form.GetForm(), Values: values})
		if err != nil {
			return err
		}
		cleared := false
		for _, id := range f.state.GetHidden() {
			if _, ok := f.values[id]; ok {
				delete(f.values, id)
				delete(f.passed, id)
				cleared = true
				f.app.note("note.cleared", id)
			}
		}
		if !cleared {
			return nil
		}
	}
}

// next returns the first shown item that the person hasn't been at.
func (f *filling) next() *loddv1.Item {
	for _, item := range f.form.GetItems() {
		if !f.passed[item.GetId()] && slices.Contains(f.state.GetShown(), item.GetId()) {
			return item
		}
	}
	return nil
}

// ask asks for one item until there is an answer that the server takes, or none
// where none is needed.
func (f *filling) ask(item *loddv1.Item) error {
	f.show(item)
	f.passed[item.GetId()] = true
	for answerable(item) {
		line, err := f.app.console.Line(f.call.ctx, "> ")
		if err != nil {
			return err
		}
		line = strings.TrimSpace(line)
		delete(f.values, item.GetId())
		value, err := parseAnswer(item, line)
		switch {
		case line == "?", line == "" && item.GetRequired():
			if value, err = f.reason(); err != nil {
				return err
			}
		case line == "":
			return f.check()
		case err != nil:
			f.app.note("note.answer", err.Error())
			continue
		}
		f.values[item.GetId()] = value
		if err := f.check(); err != nil {
			return err
		}
		if !f.refused(item.GetId()) {
			return nil
		}
	}
	return nil
}

// show prints an item.
func (f *filling) show(item *loddv1.Item) {
	words, out := f.app.words, f.app.deps.Stderr
	fmt.Fprintf(out, "\n%s", visible(first(words.text(item.GetLabel()), item.GetId())))
	if detail := strings.TrimSpace(bounds(item) + " " + item.GetUnit()); detail != "" {
		fmt.Fprintf(out, " (%s)", visible(detail))
	}
	fmt.Fprintln(out)
	if help := words.text(item.GetHelp()); help != "" {
		fmt.Fprintf(out, "  %s\n", visible(help))
	}
	for _, o := range item.GetOptions() {
		fmt.Fprintf(out, "  %s  %s\n", visible(o.GetId()), visible(words.text(o.GetLabel())))
	}
}

// refused prints what the server has against an item's answer and reports
// whether that is anything. Warnings don't stand in the way.
func (f *filling) refused(id string) bool {
	found := false
	for _, p := range f.state.GetProblems() {
		if p.GetItem() == id {
			f.app.note("note.answer", f.app.words.text(p.GetMessage()))
			found = true
		}
	}
	for _, w := range f.state.GetWarnings() {
		if w.GetItem() == id {
			f.app.warn([]*loddv1.Problem{w})
		}
	}
	return found
}

// reason asks why there is no answer.
func (f *filling) reason() (any, error) {
	for {
		line, err := f.app.console.Line(f.call.ctx, f.app.words.say("ask.missing")+" ")
		if err != nil {
			return nil, err
		}
		for i, reason := range missingReasons {
			if line = strings.TrimSpace(line); line == fmt.Sprint(i+1) || line == reason {
				return map[string]string{"missing": reason}, nil
			}
		}
	}
}

var numberPattern = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?$`)

// parseAnswer returns what was typed as the JSON value of the item's type. A
// number may have a decimal comma, a date the Norwegian form. Whether the
// answer is allowed is for the server to say.
func parseAnswer(item *loddv1.Item, line string) (any, error) {
	switch item.GetType() {
	case "integer", "scale", "decimal":
		number := strings.Replace(line, ",", ".", 1)
		if !numberPattern.MatchString(number) {
			return nil, fmt.Errorf("%q is no number", line)
		}
		return json.Number(number), nil
	case "date":
		for _, layout := range []string{time.DateOnly, "2.1.2006", "02012006"} {
			if t, err := time.Parse(layout, line); err == nil {
				return t.Format(time.DateOnly), nil
			}
		}
		return nil, fmt.Errorf("%q is no date: write YYYY-MM-DD or DD.MM.YYYY", line)
	case "multi":
		return strings.FieldsFunc(line, func(r rune) bool { return r == ',' || r == ' ' }), nil
	}
	return line, nil
}
