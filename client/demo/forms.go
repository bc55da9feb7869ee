package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// maxRounds bounds how often answers are completed by what the server says is
// still missing.
const maxRounds = 20

// assess fills in every form that user's role still owes at a visit.
func (s *story) assess(ctx context.Context, user, participant, visit string) error {
	for _, f := range s.protocol.GetForms() {
		if f.GetBy() != s.people[user].Role || !slices.Contains(f.GetVisits(), visit) {
			continue
		}
		if err := s.submit(ctx, user, participant, visit, f.GetForm()); err != nil {
			return fmt.Errorf("form %s of %s at %s: %w", f.GetForm(), participant, visit, err)
		}
	}
	return nil
}

func (s *story) submit(ctx context.Context, user, participant, visit, form string) error {
	c, err := s.as(ctx, user)
	if err != nil {
		return err
	}
	values, err := s.fill(ctx, user, form)
	if err != nil {
		return err
	}
	id, err := s.requestID()
	if err != nil {
		return err
	}
	_, err = c.Assessments().SubmitForm(ctx, &loddv1.SubmitFormRequest{
		TrialId: s.trial, RequestId: id, Participant: participant, Visit: visit, Form: form, Values: values,
	})
	return err
}

// fill returns synthetic answers that the form accepts. It answers what the
// server says is missing until nothing is.
func (s *story) fill(ctx context.Context, user, form string) (string, error) {
	c, err := s.as(ctx, user)
	if err != nil {
		return "", err
	}
	def, ok := s.forms[form]
	if !ok {
		if def, err = c.Assessments().GetForm(ctx, &loddv1.GetFormRequest{TrialId: s.trial, Form: form}); err != nil {
			return "", err
		}
		s.forms[form] = def
	}
	items := map[string]*loddv1.Item{}
	for _, i := range def.GetItems() {
		items[i.GetId()] = i
	}
	values := map[string]any{}
	for range maxRounds {
		j, err := json.Marshal(values)
		if err != nil {
			return "", err
		}
		report, err := c.Assessments().CheckForm(ctx, &loddv1.CheckFormRequest{TrialId: s.trial, Form: form, Values: string(j)})
		if err != nil {
			return "", err
		}
		if len(report.GetProblems()) == 0 {
			return string(j), nil
		}
		for _, p := range report.GetProblems() {
			if p.GetKind() == "hidden" {
				delete(values, p.GetItem())
				continue
			}
			if values[p.GetItem()], err = s.answer(items[p.GetItem()]); err != nil {
				return "", err
			}
		}
	}
	return "", fmt.Errorf("no answers were found that the form accepts")
}

// answer draws an answer to an item.
func (s *story) answer(i *loddv1.Item) (any, error) {
	if n := len(i.GetOptions()); n > 0 {
		k, err := s.die(n)
		if err != nil {
			return nil, err
		}
		return optionValue(i, i.GetOptions()[k].GetId()), nil
	}
	switch i.GetType() {
	case "integer", "scale", "decimal":
		low, high := int(i.GetMin()), int(i.GetMin())+5
		if i.Max != nil {
			high = int(i.GetMax())
		}
		k, err := s.die(min(high-low, 250) + 1)
		return low + k, err
	case "date":
		return s.now.AddDate(0, 0, -14).Format("2006-01-02"), nil
	default:
		return "ingen merknad", nil
	}
}

// optionValue is an option's code as a form takes it: a scale is answered with
// a number, a multi with a list.
func optionValue(i *loddv1.Item, code string) any {
	switch i.GetType() {
	case "scale", "integer":
		return json.Number(code)
	case "multi":
		return []string{code}
	default:
		return code
	}
}
