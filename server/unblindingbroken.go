package server

import (
	"context"
	"errors"
	"slices"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/server/ledger"
	"github.com/lodd-rct/lodd/server/people"
	"github.com/lodd-rct/lodd/server/rpcerr"
	"github.com/lodd-rct/lodd/server/trial"
)

func (s *unblindingService) ReportBrokenBlind(ctx context.Context, req *loddv1.ReportBrokenBlindRequest) (*loddv1.ReportBrokenBlindResponse, error) {
	c, id, _, err := s.about(ctx, req)
	if err != nil {
		return nil, err
	}
	e := trial.BlindBroken{
		Participant: id,
		Person:      optional(&c.faults, "person", req.GetPerson(), parseUser),
		Visit:       optional(&c.faults, "visit", req.GetVisit(), code[trial.VisitID]),
		How:         parse(&c.faults, "how", req.GetHow(), trial.ParseCode),
		Timing:      parse(&c.faults, "timing", req.GetTiming(), trial.ParseCode),
	}
	on := optional(&c.faults, "on", req.GetOn(), trial.ParseDate)
	words := parse(&c.faults, "text", req.GetText(), parseText)
	if err := c.faults.err(); err != nil {
		return nil, err
	}
	site, err := siteOf(c.trial, id)
	if err != nil {
		return nil, err
	}
	role, err := s.reporter(c, &e, site)
	if err != nil {
		return nil, err
	}
	var r ledger.Receipt
	if err := c.on(on, func(day trial.Date) error {
		e.On = day
		r, err = c.trial.ReportBrokenBlind(ctx, c.by(role), e, words)
		return err
	}); err != nil {
		return nil, err
	}
	resp := &loddv1.ReportBrokenBlindResponse{Receipt: receipt(r)}
	return resp, c.trial.View(func(st *trial.State) error {
		for _, user := range s.assessorsAt(req.GetTrialId(), site) {
			if !st.BlindBrokenFor(user, id) {
				resp.Others++
			}
		}
		return nil
	})
}

// siteOf returns the site of a participant.
func siteOf(t *ledger.Trial, id trial.ParticipantID) (site trial.SiteID, err error) {
	err = t.View(func(st *trial.State) error {
		p, ok := st.Participant(id)
		if !ok {
			return errNoParticipant
		}
		site = p.Site
		return nil
	})
	return site, err
}

// reporter fills in whose blind was broken, and returns the role in which the
// caller reports it: an assessor for oneself, a coordinator for an assessor of
// the site.
func (s *unblindingService) reporter(c *command, e *trial.BlindBroken, site trial.SiteID) (trial.Role, error) {
	own := e.Person == "" || e.Person == c.access.User
	switch {
	case own && c.access.HoldsAt(trial.Assessor, site):
		e.Person = c.access.User
		return trial.Assessor, nil
	case own:
		return "", rpcerr.Field("person", errors.New("is missing; name the assessor whose blind was broken"))
	case !c.access.HoldsAt(trial.Coordinator, site):
		return "", rpcerr.Field("person", errors.New("is somebody else; you can report this for yourself, and a coordinator for others"))
	case !slices.Contains(s.assessorsAt(string(c.trial.ID()), site), e.Person):
		return "", rpcerr.Field("person", errors.New("is no account that is assessor of the participant's site now"))
	}
	return trial.Coordinator, nil
}

// assessorsAt returns who can assess at a site now.
func (k *core) assessorsAt(id string, site trial.SiteID) (users []string) {
	at := k.now()
	k.people.View(func(p *people.State) {
		for _, a := range p.Accounts() {
			if slices.ContainsFunc(p.Grants(a.User, at), func(g people.Grant) bool {
				return g.Trial == id && g.Role == string(trial.Assessor) && (g.Site == "" || g.Site == string(site))
			}) {
				users = append(users, a.User)
			}
		}
	})
	return users
}

func (s *unblindingService) ListBrokenBlinds(ctx context.Context, req *loddv1.ListBrokenBlindsRequest) (*loddv1.ListBrokenBlindsResponse, error) {
	t, _, err := s.enter(ctx, req)
	if err != nil {
		return nil, err
	}
	resp := &loddv1.ListBrokenBlindsResponse{}
	return resp, t.View(func(st *trial.State) error {
		for _, b := range st.BrokenBlinds() {
			resp.Reports = append(resp.Reports, &loddv1.BrokenBlind{
				Number: b.Index, Participant: string(b.Participant), Person: b.Person, Visit: string(b.Visit), On: b.On.String(),
				How: string(b.How), Timing: string(b.Timing), Impact: string(b.Impact), Measure: string(b.Measure),
			})
		}
		return nil
	})
}

// AssessImpact is for an investigator of the whole trial: an auditor only reads
// the reports.
func (s *unblindingService) AssessImpact(ctx context.Context, req *loddv1.AssessImpactRequest) (*loddv1.AssessImpactResponse, error) {
	c, err := s.command(ctx, req)
	if err != nil {
		return nil, err
	}
	e := trial.ImpactAssessed{
		Report:  req.GetNumber(),
		Impact:  parse(&c.faults, "impact", req.GetImpact(), trial.ParseCode),
		Measure: parse(&c.faults, "measure", req.GetMeasure(), trial.ParseCode),
	}
	if err := c.faults.err(); err != nil {
		return nil, err
	}
	if !c.access.HoldsAt(trial.Investigator, "") {
		return nil, rpcerr.ErrDenied
	}
	a, err := c.trial.Do(ctx, c.by(trial.Investigator), e)
	return &loddv1.AssessImpactResponse{Receipt: receipt(a.Receipt)}, err
}

// stillBlind fails with [trial.ErrBlindBroken] for an assessor whose blind is
// broken for a participant. What such a person would write, the rules of the
// trial refuse.
func stillBlind(st *trial.State, user string, role trial.Role, id trial.ParticipantID) error {
	if role == trial.Assessor && st.BlindBrokenFor(user, id) {
		return trial.ErrBlindBroken
	}
	return nil
}
