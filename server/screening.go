package server

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/server/authz"
	"github.com/lodd-rct/lodd/server/ledger"
	"github.com/lodd-rct/lodd/server/rpcerr"
	"github.com/lodd-rct/lodd/server/trial"
)

// screeningService implements lodd.v1.ScreeningService.
type screeningService struct {
	loddv1.UnimplementedScreeningServiceServer
	*core
}

func (s *screeningService) AddScreening(ctx context.Context, req *loddv1.AddScreeningRequest) (*loddv1.AddScreeningResponse, error) {
	c, err := s.command(ctx, req)
	if err != nil {
		return nil, err
	}
	e := trial.Screened{
		Participant: parse(&c.faults, "participant", req.GetParticipant(), trial.ParseParticipantID),
		Site:        parse(&c.faults, "site", req.GetSite(), trial.ParseSiteID),
		Consent:     consent(&c.faults, req.GetConsent()),
	}
	on := optional(&c.faults, "on", req.GetOn(), trial.ParseDate)
	if err := c.faults.err(); err != nil {
		return nil, err
	}
	if err := c.mayEnter(e.Participant, e.Site); err != nil {
		return nil, err
	}
	if e.Levels, err = levels(c.trial, req.GetLevels()); err != nil {
		return nil, err
	}
	var a ledger.Answer
	err = c.on(on, func(on trial.Date) error {
		e.On = on
		a, err = c.trial.Screen(ctx, c.by(c.access.RoleAt(e.Site)), e, answers(req.GetAnswers()))
		return err
	})
	if err != nil {
		return nil, err
	}
	done, _ := a.Events[0].(trial.Screened)
	return &loddv1.AddScreeningResponse{Receipt: receipt(a.Receipt), Excluded: done.Assessed && !done.Eligible}, nil
}

// mayEnter reports why the caller can't enter a participant at a site: it is one
// that the caller doesn't reach, or the number is in use at such a one. The site
// comes first: who names a foreign one isn't told which numbers are in use.
func (c *command) mayEnter(id trial.ParticipantID, site trial.SiteID) error {
	if c.access.RoleAt(site) == "" {
		return fmt.Errorf("site %s: %w", site, rpcerr.ErrDenied)
	}
	return c.trial.Ahead(func(s *trial.State) error {
		if p, ok := s.Participant(id); ok && c.access.RoleAt(p.Site) == "" {
			return fmt.Errorf("screening number %s: %w", id, trial.ErrExists)
		}
		return nil
	})
}

// levels returns the levels of the factors in the protocol's order.
func levels(t *ledger.Trial, given map[string]string) ([]trial.Code, error) {
	var out []trial.Code
	err := t.Ahead(func(s *trial.State) error {
		var f faults
		out = nil
		rest := maps.Clone(given)
		for _, factor := range s.Protocol().Factors {
			field := "levels." + string(factor.ID)
			if given[string(factor.ID)] == "" {
				f.add(field, fmt.Errorf("is missing, want %s", choice(factor.Levels)))
				continue
			}
			out = append(out, parse(&f, field, given[string(factor.ID)], trial.ParseCode))
			delete(rest, string(factor.ID))
		}
		for _, unknown := range slices.Sorted(maps.Keys(rest)) {
			f.add("levels", fmt.Errorf("%q is no factor of this trial", unknown))
		}
		return f.err()
	})
	return out, err
}

// choice names options, as "f or m".
func choice(options []trial.Option) string {
	var ids []string
	for _, o := range options {
		ids = append(ids, string(o.ID))
	}
	return strings.Join(ids, " or ")
}

func consent(f *faults, c *loddv1.ConsentGiven) trial.ConsentGiven {
	if c == nil {
		return trial.ConsentGiven{}
	}
	given := trial.ConsentGiven{Version: c.GetVersion(), On: parse(f, "consent.on", c.GetOn(), trial.ParseDate)}
	if given.Version == "" {
		f.add("consent.version", fmt.Errorf("the version of the consent form is missing"))
	}
	return given
}

// answers returns answers to the criteria, or nil if there are none.
func answers(given map[string]bool) ledger.Answers {
	if len(given) == 0 {
		return nil
	}
	out := ledger.Answers{}
	for criterion, yes := range given {
		out[trial.Code(criterion)] = yes
	}
	return out
}

func (s *screeningService) RecordConsent(ctx context.Context, req *loddv1.RecordConsentRequest) (*loddv1.RecordConsentResponse, error) {
	c, p, role, err := s.about(ctx, req)
	if err != nil {
		return nil, err
	}
	if req.GetConsent() == nil {
		c.faults.add("consent", fmt.Errorf("the consent is missing"))
	}
	given := consent(&c.faults, req.GetConsent())
	if err := c.faults.err(); err != nil {
		return nil, err
	}
	a, err := c.trial.Do(ctx, c.by(role), trial.Consented{Participant: p, Consent: given})
	return &loddv1.RecordConsentResponse{Receipt: receipt(a.Receipt)}, err
}

func (s *screeningService) AssessEligibility(ctx context.Context, req *loddv1.AssessEligibilityRequest) (*loddv1.AssessEligibilityResponse, error) {
	c, p, role, err := s.about(ctx, req)
	if err != nil {
		return nil, err
	}
	given := answers(req.GetAnswers())
	if given == nil {
		given = ledger.Answers{} // which names the first criterion that is not answered
	}
	a, err := c.trial.Assess(ctx, c.by(role), p, given)
	if err != nil {
		return nil, err
	}
	done, _ := a.Events[0].(trial.EligibilityAssessed)
	return &loddv1.AssessEligibilityResponse{Receipt: receipt(a.Receipt), Excluded: !done.Eligible}, nil
}

func (s *screeningService) Exclude(ctx context.Context, req *loddv1.ExcludeRequest) (*loddv1.ExcludeResponse, error) {
	c, err := s.command(ctx, req)
	if err != nil {
		return nil, err
	}
	e := trial.Excluded{
		Participant: parse(&c.faults, "participant", req.GetParticipant(), trial.ParseParticipantID),
		Site:        optional(&c.faults, "site", req.GetSite(), trial.ParseSiteID),
		Reason:      parse(&c.faults, "reason", req.GetReason(), trial.ParseCode),
	}
	if err := c.faults.err(); err != nil {
		return nil, err
	}
	site := e.Site
	if err := c.trial.View(func(st *trial.State) error {
		if p, ok := st.Participant(e.Participant); ok && site == "" && c.access.RoleAt(p.Site) != "" {
			site = p.Site
		}
		return nil
	}); err != nil {
		return nil, err
	}
	if site == "" {
		return nil, &trial.Invalid{Field: "site", Problem: "is needed for a number that is not in your screening log yet"}
	}
	if err := c.mayEnter(e.Participant, site); err != nil {
		return nil, err
	}
	a, err := c.trial.Do(ctx, c.by(c.access.RoleAt(site)), e)
	return &loddv1.ExcludeResponse{Receipt: receipt(a.Receipt)}, err
}

func (s *screeningService) ListParticipants(ctx context.Context, req *loddv1.ListParticipantsRequest) (*loddv1.ListParticipantsResponse, error) {
	t, a, err := s.enter(ctx, req)
	if err != nil {
		return nil, err
	}
	resp := &loddv1.ListParticipantsResponse{}
	err = t.View(func(st *trial.State) error {
		for p := range st.Participants() {
			if a.RoleAt(p.Site) != "" {
				resp.Participants = append(resp.Participants, participantMessage(st, p, a))
			}
		}
		return nil
	})
	return resp, err
}

// participantMessage returns a line of the screening log. None of it tells an arm,
// and it names no participant of a site that the caller doesn't reach.
func participantMessage(s *trial.State, p *trial.Participant, a authz.Access) *loddv1.Participant {
	other := func(id trial.ParticipantID) string {
		if q, ok := s.Participant(id); ok && a.RoleAt(q.Site) != "" {
			return string(id)
		}
		return ""
	}
	m := &loddv1.Participant{
		Participant: string(p.ID), Site: string(p.Site), Envelope: int32(p.Envelope), Error: string(p.Error),
		Levels: levelsMessage(s, p.Levels), CorrectedLevels: levelsMessage(s, p.CorrectedLevels),
		DuplicateOf: other(p.DuplicateOf), ReplacedBy: other(p.ReplacedBy), Replaces: other(p.Replaces),
	}
	if p.Randomized() {
		m.RandomizedOn = s.RandomizedOn(p).String()
	}
	switch {
	case p.Erased():
		m.State = "erased"
	case !p.WithdrewData.IsZero():
		m.State = "to-erase"
	case !p.Died.IsZero():
		m.State = "died"
	case !p.Withdrew.IsZero():
		m.State = "withdrawn"
	case p.Randomized():
		m.State = "randomized"
	case p.Excluded != "":
		m.State = "excluded"
	default:
		m.Missing = s.Missing(p)
		if m.State = "screened"; len(m.Missing) == 0 {
			m.State = "ready"
		}
	}
	return m
}

// levelsMessage returns levels by factor; nil for none.
func levelsMessage(s *trial.State, levels []trial.Code) map[string]string {
	if len(levels) == 0 {
		return nil
	}
	m := map[string]string{}
	for i, level := range levels {
		m[string(s.Protocol().Factors[i].ID)] = string(level)
	}
	return m
}

// concerning is a request about one participant.
type concerning interface {
	commanding
	GetParticipant() string
}

// about returns the command of a request about a participant whom the caller
// reaches, and the role in which the caller acts.
func (k *core) about(ctx context.Context, req concerning) (*command, trial.ParticipantID, trial.Role, error) {
	c, err := k.command(ctx, req)
	if err != nil {
		return nil, "", "", err
	}
	p := parse(&c.faults, "participant", req.GetParticipant(), trial.ParseParticipantID)
	if err := c.faults.err(); err != nil {
		return nil, "", "", err
	}
	role, err := roleFor(c.trial.Ahead, c.access, p)
	return c, p, role, err
}
