package server

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/server/authz"
	"github.com/lodd-rct/lodd/server/instrument"
	"github.com/lodd-rct/lodd/server/ledger"
	"github.com/lodd-rct/lodd/server/rpcerr"
	"github.com/lodd-rct/lodd/server/trial"
)

// assessmentService implements lodd.v1.AssessmentService.
type assessmentService struct {
	loddv1.UnimplementedAssessmentServiceServer
	*core
}

// maxAhead is the furthest that the due list looks, in days: ten years.
const maxAhead = 3660

func (s *assessmentService) ListDue(ctx context.Context, req *loddv1.ListDueRequest) (*loddv1.ListDueResponse, error) {
	t, a, err := s.enter(ctx, req)
	if err != nil {
		return nil, err
	}
	days := int(req.GetDays())
	if days == 0 {
		days = 14
	}
	if days < 0 || days > maxAhead {
		return nil, rpcerr.Field("days", fmt.Errorf("%d, want 0 to %d", days, maxAhead))
	}
	var due []trial.Due
	at := s.now()
	err = t.View(func(st *trial.State) error {
		for _, role := range []trial.Role{trial.Coordinator, trial.Assessor} {
			for _, d := range st.Due(at, role, days) {
				broken := role == trial.Assessor && st.BlindBrokenFor(a.User, d.Participant) // another assessor takes over
				if a.HoldsAt(role, d.Site) && !broken && (d.State == "overdue" || !req.GetOverdueOnly()) {
					due = append(due, d)
				}
			}
		}
		return nil
	})
	return &loddv1.ListDueResponse{Due: dueMessages(due)}, err
}

// dueMessages returns the due list, sorted. What waits for the forms of two
// roles of the caller is one line.
func dueMessages(due []trial.Due) []*loddv1.Due {
	slices.SortStableFunc(due, func(a, b trial.Due) int {
		return cmp.Or(cmp.Compare(a.Window.Target.String(), b.Window.Target.String()),
			cmp.Compare(a.Participant, b.Participant), cmp.Compare(a.Visit, b.Visit))
	})
	var out []*loddv1.Due
	last := &loddv1.Due{}
	for _, d := range due {
		if last.GetParticipant() == string(d.Participant) && last.GetVisit() == string(d.Visit) {
			last.Forms = append(last.Forms, texts(d.Forms)...)
			continue
		}
		last = &loddv1.Due{
			Participant: string(d.Participant), Visit: string(d.Visit), State: d.State, Forms: texts(d.Forms),
			Opens: d.Window.Opens.String(), Target: d.Window.Target.String(), Closes: d.Window.Closes.String(),
		}
		out = append(out, last)
	}
	return out
}

// form returns a form of the caller's roles. One of another role is as if it
// weren't there.
func (s *assessmentService) form(ctx context.Context, req interface{ GetTrialId() string }, id string) (*instrument.Instrument, trial.Form, error) {
	t, a, err := s.enter(ctx, req)
	if err != nil {
		return nil, trial.Form{}, err
	}
	in, form, err := t.Instrument(trial.FormID(id))
	if err == nil && !a.Holds(form.By) {
		err = fmt.Errorf("form: %w", trial.ErrNotFound)
	}
	return in, form, err
}

func (s *assessmentService) GetForm(ctx context.Context, req *loddv1.GetFormRequest) (*loddv1.GetFormResponse, error) {
	in, form, err := s.form(ctx, req, req.GetForm())
	if err != nil {
		return nil, err
	}
	resp := &loddv1.GetFormResponse{Form: string(form.ID), Version: int32(form.Version), Title: text(form.Title)}
	for _, i := range in.Form().Items {
		resp.Items = append(resp.Items, itemMessage(i))
	}
	return resp, nil
}

func (s *assessmentService) CheckForm(ctx context.Context, req *loddv1.CheckFormRequest) (*loddv1.CheckFormResponse, error) {
	_, form, err := s.form(ctx, req, req.GetForm())
	if err != nil {
		return nil, err
	}
	values, err := parseValues(req.GetValues())
	if err != nil {
		return nil, err
	}
	t, _, err := s.enter(ctx, req)
	if err != nil {
		return nil, err
	}
	report, err := t.CheckForm(form.ID, values)
	if err != nil {
		return nil, err
	}
	calculated, err := report.Calculated.Encode()
	return &loddv1.CheckFormResponse{
		Shown: report.Shown, Hidden: report.Hidden, Calculated: string(calculated),
		Problems: problemMessages(report.Problems), Warnings: problemMessages(report.Warnings),
	}, err
}

// placed is a request about one form of one participant at one visit.
type placed interface {
	GetTrialId() string
	GetParticipant() string
	GetVisit() string
	GetForm() string
}

// place returns what a request is about, and the role in which the caller acts:
// the one that fills in the form, which the caller must hold at the
// participant's site.
func place(t *ledger.Trial, look looking, a authz.Access, req placed) (ledger.Place, trial.Role, error) {
	var f faults
	p := ledger.Place{
		Participant: parse(&f, "participant", req.GetParticipant(), trial.ParseParticipantID),
		Visit:       parse(&f, "visit", req.GetVisit(), code[trial.VisitID]),
		Form:        parse(&f, "form", req.GetForm(), code[trial.FormID]),
	}
	if err := f.err(); err != nil {
		return p, "", err
	}
	_, form, err := t.Instrument(p.Form)
	if err != nil {
		return p, "", err
	}
	return p, form.By, look(func(s *trial.State) error {
		if who, ok := s.Participant(p.Participant); !ok || !a.HoldsAt(form.By, who.Site) {
			return errNoParticipant
		}
		return nil
	})
}

func (s *assessmentService) SubmitForm(ctx context.Context, req *loddv1.SubmitFormRequest) (*loddv1.SubmitFormResponse, error) {
	c, err := s.command(ctx, req)
	if err != nil {
		return nil, err
	}
	p, role, err := place(c.trial, c.trial.Ahead, c.access, req)
	if err != nil {
		return nil, err
	}
	on := optional(&c.faults, "on", req.GetOn(), trial.ParseDate)
	values, err := parseValues(req.GetValues())
	if err != nil {
		c.faults = append(c.faults, err)
	}
	if err := c.faults.err(); err != nil {
		return nil, err
	}
	var a ledger.Answer
	var report instrument.Report
	err = c.on(on, func(day trial.Date) error {
		on = day
		a, report, err = c.trial.Submit(ctx, c.by(role), p, day, values)
		return err
	})
	if err != nil {
		return nil, err
	}
	resp := &loddv1.SubmitFormResponse{Receipt: receipt(a.Receipt), Warnings: problemMessages(report.Warnings)}
	return resp, c.trial.View(func(st *trial.State) error {
		if who, ok := st.Participant(p.Participant); ok {
			resp.Timing = st.Timing(who, p.Visit, on)
		}
		return nil
	})
}

func (s *assessmentService) ReadForm(ctx context.Context, req *loddv1.ReadFormRequest) (*loddv1.ReadFormResponse, error) {
	t, access, err := s.enter(ctx, req)
	if err != nil {
		return nil, err
	}
	p, role, err := place(t, t.View, access, req)
	if err != nil {
		return nil, err
	}
	if err := t.View(func(st *trial.State) error { return stillBlind(st, access.User, role, p.Participant) }); err != nil {
		return nil, err
	}
	read, err := t.ReadForm(ctx, p, access.User)
	if err != nil {
		return nil, err
	}
	in, _, err := t.Instrument(p.Form)
	if err != nil {
		return nil, err
	}
	return answeredMessage(read, in.Check(read.Values).Calculated)
}

func (s *assessmentService) CorrectForm(ctx context.Context, req *loddv1.CorrectFormRequest) (*loddv1.CorrectFormResponse, error) {
	c, err := s.command(ctx, req)
	if err != nil {
		return nil, err
	}
	p, role, err := place(c.trial, c.trial.Ahead, c.access, req)
	if err != nil {
		return nil, err
	}
	reason := parse(&c.faults, "reason", req.GetReason(), parseText)
	set, drop, err := parsePatch(req.GetValues())
	if err != nil {
		c.faults = append(c.faults, err)
	}
	if err := c.faults.err(); err != nil {
		return nil, err
	}
	a, changes, err := c.trial.Correct(ctx, c.by(role), p, ledger.Patch{Set: set, Drop: drop}, reason)
	if err != nil {
		return nil, err
	}
	messages, err := changeMessages(changes)
	return &loddv1.CorrectFormResponse{Receipt: receipt(a.Receipt), Changes: messages}, err
}

func (s *assessmentService) RecordMissedVisit(ctx context.Context, req *loddv1.RecordMissedVisitRequest) (*loddv1.RecordMissedVisitResponse, error) {
	c, id, role, err := s.about(ctx, req)
	if err != nil {
		return nil, err
	}
	e := trial.VisitMissed{
		Participant: id,
		Visit:       parse(&c.faults, "visit", req.GetVisit(), code[trial.VisitID]),
		Reason:      parse(&c.faults, "reason", req.GetReason(), trial.ParseCode),
	}
	if err := c.faults.err(); err != nil {
		return nil, err
	}
	a, err := c.trial.Do(ctx, c.by(role), e)
	return &loddv1.RecordMissedVisitResponse{Receipt: receipt(a.Receipt)}, err
}
