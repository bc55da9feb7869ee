package server

import (
	"google.golang.org/protobuf/types/known/timestamppb"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/server/instrument"
	"github.com/lodd-rct/lodd/server/ledger"
	"github.com/lodd-rct/lodd/server/trial"
)

// protocolMessage returns a protocol as it travels. Its arms are the
// treatments of the trial, not anybody's allocation.
func protocolMessage(p *trial.Protocol) *loddv1.GetTrialResponse {
	m := &loddv1.GetTrialResponse{TrialId: string(p.ID), Title: text(p.Title), TimeZone: p.TimeZone}
	for _, a := range p.Arms {
		m.Arms = append(m.Arms, &loddv1.ProtocolArm{Id: string(a.ID), Label: text(a.Label), Ratio: int32(a.Ratio)})
	}
	for _, f := range p.Factors {
		factor := &loddv1.Factor{Id: string(f.ID), Label: text(f.Label)}
		for _, l := range f.Levels {
			factor.Levels = append(factor.Levels, &loddv1.Option{Id: string(l.ID), Label: text(l.Label)})
		}
		m.Factors = append(m.Factors, factor)
	}
	for _, s := range p.Sites {
		m.Sites = append(m.Sites, &loddv1.Site{Id: string(s.ID), Name: s.Name})
	}
	for _, v := range p.Visits {
		m.Visits = append(m.Visits, &loddv1.Visit{
			Id: string(v.ID), Label: text(v.Label), Months: int32(v.Months), Before: int32(v.Before), After: int32(v.After),
		})
	}
	for _, c := range p.Criteria {
		m.Criteria = append(m.Criteria, &loddv1.Criterion{Id: string(c.ID), Text: text(c.Text), Want: c.Want})
	}
	for _, c := range p.Consents {
		m.Consents = append(m.Consents, &loddv1.Consent{Version: c.Version, Approved: c.Approved.String()})
	}
	for _, f := range p.Forms {
		m.Forms = append(m.Forms, &loddv1.FormSummary{
			Form: string(f.ID), Version: int32(f.Version), Title: text(f.Title), Visits: texts(f.Visits), By: string(f.By),
		})
	}
	return m
}

func flowMessage(f trial.Flow) *loddv1.Flow {
	m := &loddv1.Flow{
		Screened: int64(f.Screened), NotEligible: int64(f.NotEligible), Declined: int64(f.Declined),
		Other: int64(f.Other), Pending: int64(f.Pending), Randomized: int64(f.Randomized),
	}
	for _, v := range f.Visits {
		m.Visits = append(m.Visits, &loddv1.VisitFlow{
			Visit: string(v.Visit), Observed: int64(v.Observed), Lost: int64(v.Lost), Withdrew: int64(v.Withdrew),
			Erased: int64(v.Erased), InError: int64(v.InError), Died: int64(v.Died), Awaited: int64(v.Awaited),
		})
	}
	return m
}

func problemMessages(problems []instrument.Problem) []*loddv1.Problem {
	var out []*loddv1.Problem
	for _, p := range problems {
		out = append(out, &loddv1.Problem{Item: p.Item, Kind: string(p.Kind), Message: formText(p.Message)})
	}
	return out
}

func itemMessage(i instrument.Item) *loddv1.Item {
	m := &loddv1.Item{
		Id: i.ID, Type: string(i.Type), Label: formText(i.Label), Required: i.Required, Min: i.Min, Max: i.Max,
	}
	if i.Help != nil {
		m.Help = formText(*i.Help)
	}
	if i.Unit != nil {
		m.Unit = i.Unit.In("en")
	}
	for _, o := range i.Options {
		m.Options = append(m.Options, &loddv1.Option{Id: o.Code, Label: formText(o.Label)})
	}
	return m
}

func formText(t instrument.Text) *loddv1.Text { return &loddv1.Text{Nb: t.NB, En: t.EN} }

// changeMessages returns changed answers, each value as JSON.
func changeMessages(changes []instrument.Change) ([]*loddv1.Change, error) {
	var out []*loddv1.Change
	for _, c := range changes {
		before, err := valueJSON(c.Old)
		if err != nil {
			return nil, err
		}
		after, err := valueJSON(c.New)
		if err != nil {
			return nil, err
		}
		out = append(out, &loddv1.Change{Item: c.Item, OldValue: before, NewValue: after})
	}
	return out, nil
}

// valueJSON returns one answer as JSON, and nothing for none.
func valueJSON(v instrument.Value) (string, error) {
	if v == nil {
		return "", nil
	}
	b, err := instrument.Values{"v": v}.Encode()
	if err != nil {
		return "", err
	}
	return string(b[len(`{"v":`) : len(b)-1]), nil
}

func texts[T ~string](words []T) []string {
	var out []string
	for _, w := range words {
		out = append(out, string(w))
	}
	return out
}

// answeredMessage returns the answers to a form as they travel.
func answeredMessage(read ledger.Answered, calculated instrument.Values) (*loddv1.ReadFormResponse, error) {
	values, err := read.Values.Encode()
	if err != nil {
		return nil, err
	}
	scores, err := calculated.Encode()
	if err != nil {
		return nil, err
	}
	m := &loddv1.ReadFormResponse{
		Values: string(values), Calculated: string(scores), On: read.On.String(), Held: read.Held,
		Version: read.Version, Signatures: signatureMessages(read.Signatures),
	}
	for _, c := range read.Corrections {
		changes, err := changeMessages(c.Changes)
		if err != nil {
			return nil, err
		}
		m.Corrections = append(m.Corrections, &loddv1.Correction{At: timestamppb.New(c.At), By: c.By, Reason: c.Reason, Changes: changes})
	}
	return m, nil
}
