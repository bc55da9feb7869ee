package server

import (
	"context"
	"errors"
	"fmt"
	"unicode/utf8"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/server/ledger"
	"github.com/lodd-rct/lodd/server/rpcerr"
	"github.com/lodd-rct/lodd/server/trial"
)

// safetyService implements lodd.v1.SafetyService.
type safetyService struct {
	loddv1.UnimplementedSafetyServiceServer
	*core
}

// ReportAdverseEvent enters what somebody of the participant's site saw, or the
// participant's own treatment team. Of a team nothing is told but that it was
// one.
//
// Source: product.md of the design, ES-3: the same form for both arms.
func (s *safetyService) ReportAdverseEvent(ctx context.Context, req *loddv1.ReportAdverseEventRequest) (*loddv1.ReportAdverseEventResponse, error) {
	c, id, role, err := s.about(ctx, req)
	if err != nil {
		return nil, err
	}
	e := trial.AdverseEventReported{
		Participant: id,
		Category:    parse(&c.faults, "category", req.GetCategory(), trial.ParseCode),
		Serious:     req.GetSerious(),
		Reporter:    trial.FromSite,
	}
	if role == trial.TreatmentTeam {
		e.Reporter = trial.FromTeam
		if err := inTeam(c.trial, c.access, id); err != nil {
			return nil, err
		}
	}
	on := optional(&c.faults, "on", req.GetOn(), trial.ParseDate)
	words := parse(&c.faults, "text", req.GetText(), parseEventText)
	if err := c.faults.err(); err != nil {
		return nil, err
	}
	resp := &loddv1.ReportAdverseEventResponse{}
	return resp, c.on(on, func(day trial.Date) error {
		e.On = day
		r, number, err := c.trial.ReportAdverseEvent(ctx, c.by(role), e, words)
		resp.Receipt, resp.Number = receipt(r), int32(number)
		return err
	})
}

// parseEventText returns what happened, in words.
func parseEventText(text string) (string, error) {
	if n := utf8.RuneCountInString(text); n > 2000 || !visible(text) || !utf8.ValidString(text) {
		return "", errors.New("say what happened, in at most 2,000 characters")
	}
	return text, nil
}

// ListAdverseEvents lists the events of the caller's sites. Whoever assesses
// outcomes reads none, whatever other role the person has. The judgement whether
// an event is related to the intervention isn't in the list, which blinded people
// read. Whether a team reported is told to the monitoring board and to reviewers
// alone: where one arm only has a team, it tells the arm.
//
// Source: product.md of the design, "People": who reported an adverse event is
// hidden from assessors.
func (s *safetyService) ListAdverseEvents(ctx context.Context, req *loddv1.ListAdverseEventsRequest) (*loddv1.ListAdverseEventsResponse, error) {
	t, a, err := s.enter(ctx, req)
	if err != nil {
		return nil, err
	}
	if a.Holds(trial.Assessor) {
		return nil, rpcerr.ErrDenied
	}
	events, err := t.AdverseEvents(ctx, func(site trial.SiteID) bool { return a.RoleAt(site) != "" })
	if err != nil {
		return nil, err
	}
	resp := &loddv1.ListAdverseEventsResponse{}
	for _, e := range events {
		m := eventMessage(e)
		if a.Holds(trial.DSMB, trial.Reviewer) {
			m.Reporter = string(e.Reporter)
		}
		resp.Events = append(resp.Events, m)
	}
	return resp, nil
}

func eventMessage(e ledger.ToldEvent) *loddv1.AdverseEvent {
	return &loddv1.AdverseEvent{
		Number: int32(e.Number), Participant: string(e.Participant), On: e.On.String(), Category: string(e.Category), Serious: e.Serious,
		At: timestamppb.New(e.At), Text: e.Text,
		RelatedToProcedures: string(e.ToProcedures), Expected: e.Expected,
	}
}

// AssessAdverseEvent is for an investigator of the participant's site.
func (s *safetyService) AssessAdverseEvent(ctx context.Context, req *loddv1.AssessAdverseEventRequest) (*loddv1.AssessAdverseEventResponse, error) {
	c, err := s.command(ctx, req)
	if err != nil {
		return nil, err
	}
	e := trial.AdverseEventAssessed{
		Number:   int(req.GetNumber()),
		Related:  parse(&c.faults, "related", req.GetRelated(), trial.ParseCode),
		Expected: req.GetExpected(),
	}
	if err := c.faults.err(); err != nil {
		return nil, err
	}
	role, err := c.roleForEvent(e.Number)
	if err != nil {
		return nil, err
	}
	judged, err := c.trial.CarriedOut(ctx, c.access.User, c.request)
	if err != nil {
		return nil, err
	}
	if err := c.trial.View(func(st *trial.State) error {
		if !judged && ledger.KnowsArm(st, c.access.User, st.AdverseEvents()[e.Number-1].Participant) {
			return errKnowsArm
		}
		return nil
	}); err != nil {
		return nil, err
	}
	a, err := c.trial.Do(ctx, c.by(role), e)
	return &loddv1.AssessAdverseEventResponse{Receipt: receipt(a.Receipt)}, err
}

// errKnowsArm is the answer to an investigator to whom the participant's arm was
// shown: the judgement is one that knows no arm.
var errKnowsArm = &rpcerr.Refusal{
	Code: codes.FailedPrecondition, Text: "the arm of this participant was opened for you; another investigator judges the event",
}

// errNoEvent is the answer to the number of an event that isn't there, and to
// that of one of a site that the caller doesn't reach.
var errNoEvent = fmt.Errorf("adverse event: %w", trial.ErrNotFound)

// roleForEvent returns the role in which the caller acts on an event.
func (c *command) roleForEvent(number int) (role trial.Role, err error) {
	err = c.trial.View(func(st *trial.State) error {
		events := st.AdverseEvents()
		if number < 1 || number > len(events) {
			return errNoEvent
		}
		if p, ok := st.Participant(events[number-1].Participant); ok {
			role = c.access.RoleAt(p.Site)
		}
		return nil
	})
	if err == nil && role == "" {
		err = errNoEvent
	}
	return role, err
}

// AssessRelatedness is for an unblinded reviewer. The judgement stays in the list
// of allocation: an investigator who reads it would learn what the reviewer knows
// of the arm.
//
// Source: product.md of the design, PI-3.
func (s *safetyService) AssessRelatedness(ctx context.Context, req *loddv1.AssessRelatednessRequest) (*loddv1.AssessRelatednessResponse, error) {
	c, err := s.command(ctx, req)
	if err != nil {
		return nil, err
	}
	related := parse(&c.faults, "related", req.GetRelated(), trial.ParseCode)
	if err := c.faults.err(); err != nil {
		return nil, err
	}
	r, err := c.trial.AssessRelatedness(ctx, c.by(c.access.Role()), int(req.GetNumber()), related)
	return &loddv1.AssessRelatednessResponse{Receipt: receipt(r)}, err
}
