package entry

import (
	logv1 "github.com/lodd-rct/lodd/proto/lodd/log/v1"
	"github.com/lodd-rct/lodd/server/trial"
)

func protocolToProto(p trial.Protocol, forms int) *logv1.TrialCreated {
	pb := &logv1.TrialCreated{Trial: string(p.ID), Title: text(p.Title), TimeZone: p.TimeZone, Forms: int32(forms)}
	for _, a := range p.Arms {
		pb.Arms = append(pb.Arms, &logv1.TrialCreated_Arm{Id: string(a.ID), Label: text(a.Label), Ratio: int32(a.Ratio)})
	}
	for _, f := range p.Factors {
		levels := make([]*logv1.TrialCreated_Option, len(f.Levels))
		for i, l := range f.Levels {
			levels[i] = &logv1.TrialCreated_Option{Id: string(l.ID), Label: text(l.Label)}
		}
		pb.Factors = append(pb.Factors, &logv1.TrialCreated_Factor{Id: string(f.ID), Label: text(f.Label), Levels: levels})
	}
	for _, s := range p.Sites {
		pb.Sites = append(pb.Sites, &logv1.TrialCreated_Site{Id: string(s.ID), Name: s.Name})
	}
	for _, v := range p.Visits {
		pb.Visits = append(pb.Visits, &logv1.TrialCreated_Visit{
			Id: string(v.ID), Label: text(v.Label), Months: int32(v.Months), Before: int32(v.Before), After: int32(v.After),
		})
	}
	for _, c := range p.Criteria {
		pb.Criteria = append(pb.Criteria, &logv1.TrialCreated_Criterion{Id: string(c.ID), Text: text(c.Text), Want: c.Want})
	}
	for _, c := range p.Consents {
		pb.Consents = append(pb.Consents, &logv1.TrialCreated_Consent{Version: c.Version, Approved: c.Approved.String()})
	}
	return pb
}

func protocolFromProto(pb *logv1.TrialCreated) (trial.Protocol, error) {
	p := trial.Protocol{ID: trial.ID(pb.GetTrial()), Title: untext(pb.GetTitle()), TimeZone: pb.GetTimeZone()}
	for _, a := range pb.GetArms() {
		p.Arms = append(p.Arms, trial.Arm{ID: trial.ArmID(a.GetId()), Label: untext(a.GetLabel()), Ratio: int(a.GetRatio())})
	}
	for _, f := range pb.GetFactors() {
		factor := trial.Factor{ID: trial.Code(f.GetId()), Label: untext(f.GetLabel())}
		for _, l := range f.GetLevels() {
			factor.Levels = append(factor.Levels, trial.Option{ID: trial.Code(l.GetId()), Label: untext(l.GetLabel())})
		}
		p.Factors = append(p.Factors, factor)
	}
	for _, s := range pb.GetSites() {
		p.Sites = append(p.Sites, trial.Site{ID: trial.SiteID(s.GetId()), Name: s.GetName()})
	}
	for _, v := range pb.GetVisits() {
		p.Visits = append(p.Visits, trial.Visit{
			ID: trial.VisitID(v.GetId()), Label: untext(v.GetLabel()), Months: int(v.GetMonths()), Before: int(v.GetBefore()), After: int(v.GetAfter()),
		})
	}
	for _, c := range pb.GetCriteria() {
		p.Criteria = append(p.Criteria, trial.Criterion{ID: trial.Code(c.GetId()), Text: untext(c.GetText()), Want: c.GetWant()})
	}
	for _, c := range pb.GetConsents() {
		approved, err := date(c.GetApproved())
		if err != nil {
			return trial.Protocol{}, err
		}
		p.Consents = append(p.Consents, trial.Consent{Version: c.GetVersion(), Approved: approved})
	}
	return p, nil
}

func formToProto(f trial.Form) *logv1.FormDefined {
	visits := make([]string, len(f.Visits))
	for i, v := range f.Visits {
		visits[i] = string(v)
	}
	return &logv1.FormDefined{
		Form: string(f.ID), Version: int32(f.Version), Title: text(f.Title), Visits: visits,
		By: string(f.By), After: string(f.After), Definition: f.Definition,
	}
}

func formFromProto(pb *logv1.FormDefined) trial.Form {
	f := trial.Form{
		ID: trial.FormID(pb.GetForm()), Version: int(pb.GetVersion()), Title: untext(pb.GetTitle()),
		By: trial.Role(pb.GetBy()), After: trial.FormID(pb.GetAfter()), Definition: pb.GetDefinition(),
	}
	for _, v := range pb.GetVisits() {
		f.Visits = append(f.Visits, trial.VisitID(v))
	}
	return f
}

func text(t trial.Text) *logv1.Text   { return &logv1.Text{Nb: t.NB, En: t.EN} }
func untext(t *logv1.Text) trial.Text { return trial.Text{NB: t.GetNb(), EN: t.GetEn()} }

// date is the inverse of [trial.Date.String]: nothing is the zero date.
func date(s string) (trial.Date, error) {
	if s == "" {
		return trial.Date{}, nil
	}
	return trial.ParseDate(s)
}
