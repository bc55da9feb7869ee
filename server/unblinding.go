package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/types/known/timestamppb"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/server/authz"
	"github.com/lodd-rct/lodd/server/ledger"
	"github.com/lodd-rct/lodd/server/people"
	"github.com/lodd-rct/lodd/server/proposal"
	"github.com/lodd-rct/lodd/server/rpcerr"
	"github.com/lodd-rct/lodd/server/trial"
)

// unblindingService implements lodd.v1.UnblindingService.
type unblindingService struct {
	loddv1.UnimplementedUnblindingServiceServer
	*core
}

func (s *unblindingService) Unblind(ctx context.Context, req *loddv1.UnblindRequest) (*loddv1.UnblindResponse, error) {
	c, id, role, err := s.about(ctx, req)
	if err != nil {
		return nil, err
	}
	e := trial.Unblinded{
		Participant: id,
		Reason:      parse(&c.faults, "reason", req.GetReason(), trial.ParseCode),
		To:          optional(&c.faults, "clinician", req.GetClinician(), parseUser),
	}
	words := parse(&c.faults, "text", req.GetText(), parseExplanation)
	if err := c.faults.err(); err != nil {
		return nil, err
	}
	if req.GetConfirm() != string(id) {
		return nil, trial.ErrNotConfirmed
	}
	o, err := c.trial.Unblind(ctx, c.by(role), e, words, func() error {
		if e.To != "" {
			if err := s.mayLearn(req.GetTrialId(), e.To, trial.Clinician); err != nil {
				return rpcerr.Field("clinician", err)
			}
		}
		return s.steppedUp(ctx, req.GetStepUp(), stepUpAction(loddv1.UnblindingService_Unblind_FullMethodName, req.GetTrialId(), string(id)+"/"+e.To))
	})
	if err != nil {
		return nil, err
	}
	return &loddv1.UnblindResponse{Receipt: receipt(o.Receipt), Arm: armMessage(o)}, nil
}

// parseExplanation returns the reason in words for what somebody will have to
// answer for.
func parseExplanation(text string) (string, error) {
	text = strings.TrimSpace(text)
	if n := utf8.RuneCountInString(text); n < 10 || n > 2000 || !visible(text) || !utf8.ValidString(text) {
		return "", errors.New("say why, in 10 to 2,000 characters")
	}
	return text, nil
}

// armMessage returns the arm that was opened; nil if none was for the caller.
func armMessage(o ledger.Opened) *loddv1.Arm {
	if o.Arm.ID == "" {
		return nil
	}
	return &loddv1.Arm{Id: string(o.Arm.ID), Label: text(o.Arm.Label)}
}

// mayLearn reports why an account can't be shown an arm that others open: it
// must hold one of the roles now, and never have assessed outcomes of the trial.
func (k *core) mayLearn(id, user string, roles ...trial.Role) error {
	holds, at := false, k.now()
	k.people.View(func(p *people.State) {
		holds = slices.ContainsFunc(roles, func(r trial.Role) bool { return p.Holds(user, id, string(r), at) })
	})
	if !holds {
		return fmt.Errorf("is no account that is %s of this trial now", strings.Join(texts(roles), " or "))
	}
	if k.everAssessed(id, user) {
		return errors.New("is an account that assesses outcomes of this trial, or once did; name another")
	}
	return nil
}

// everAssessed reports whether an account is or was an assessor of a trial.
func (k *core) everAssessed(id, user string) (yes bool) {
	k.people.View(func(p *people.State) {
		yes = slices.ContainsFunc(p.Tenures(id), func(t people.Tenure) bool { return t.User == user && t.Role == string(trial.Assessor) })
	})
	return yes
}

func (s *unblindingService) ListWaiting(ctx context.Context, req *loddv1.ListWaitingRequest) (*loddv1.ListWaitingResponse, error) {
	t, a, err := s.enter(ctx, req)
	if err != nil {
		return nil, err
	}
	resp := &loddv1.ListWaitingResponse{}
	return resp, t.View(func(st *trial.State) error {
		for _, o := range st.Openings() {
			if o.To == a.User && !o.Collected {
				resp.Waiting = append(resp.Waiting, &loddv1.Waiting{
					Number: o.Index, Participant: string(o.Participant), By: o.By, At: timestamppb.New(o.At),
				})
			}
		}
		return nil
	})
}

func (s *unblindingService) Collect(ctx context.Context, req *loddv1.CollectRequest) (*loddv1.CollectResponse, error) {
	c, err := s.command(ctx, req)
	if err != nil {
		return nil, err
	}
	o, err := c.trial.Collect(ctx, c.by(c.access.Role()), req.GetNumber(), func() error {
		if s.everAssessed(req.GetTrialId(), c.access.User) { // since it was opened
			return rpcerr.ErrDenied
		}
		subject := strconv.FormatInt(req.GetNumber(), 10)
		return s.steppedUp(ctx, req.GetStepUp(), stepUpAction(loddv1.UnblindingService_Collect_FullMethodName, req.GetTrialId(), subject))
	})
	if err != nil {
		return nil, err
	}
	return &loddv1.CollectResponse{Receipt: receipt(o.Receipt), Participant: string(o.Participant), Arm: armMessage(o)}, nil
}

// ListUnblindings tells the number of unblindings of the sites that the caller
// reaches, and more only to who must know more. Whoever assesses outcomes is told
// nothing, whatever other role the person has.
//
// Source: product.md of the design, "Who may see what": the existence of an
// unblinding.
func (s *unblindingService) ListUnblindings(ctx context.Context, req *loddv1.ListUnblindingsRequest) (*loddv1.ListUnblindingsResponse, error) {
	t, a, err := s.enter(ctx, req)
	if err != nil {
		return nil, err
	}
	if a.Holds(trial.Assessor) {
		return nil, rpcerr.ErrDenied
	}
	told := a.Holds(trial.Auditor, trial.DSMB)
	resp := &loddv1.ListUnblindingsResponse{}
	var detailed []trial.Opening
	if err := t.View(func(st *trial.State) error {
		for _, o := range st.Openings() {
			p, ok := st.Participant(o.Participant)
			if !ok || a.RoleAt(p.Site) == "" {
				continue
			}
			resp.Count++
			if a.HoldsAt(trial.Investigator, p.Site) || told {
				detailed = append(detailed, o)
			}
		}
		return nil
	}); err != nil {
		return nil, err
	}
	for _, o := range detailed {
		m := unblindingMessage(o)
		if told && o.Emergency {
			if m.Text, err = t.UnblindingText(ctx, o.Index); err != nil {
				return nil, err
			}
		}
		resp.Unblindings = append(resp.Unblindings, m)
	}
	return resp, nil
}

func unblindingMessage(o trial.Opening) *loddv1.Unblinding {
	m := &loddv1.Unblinding{
		Participant: string(o.Participant), At: timestamppb.New(o.At), By: o.By, Reason: string(o.Reason), Collected: o.Collected,
	}
	if o.To != o.By {
		m.To = o.To
	}
	return m
}

// stillMay reports whether whoever made a proposal has held a permission for a
// whole trial from then on without a break. An account that is disabled
// holds none.
func (k *core) stillMay(id string, p proposal.Proposal, permission loddv1.Permission) (yes bool) {
	at := k.now()
	k.people.View(func(s *people.State) {
		yes = s.Unbroken(p.At(), at, func(g people.Grant) bool {
			return g.User == p.By && g.Trial == id && g.Site == "" && slices.Contains(authz.Permissions(trial.Role(g.Role)), permission)
		})
	})
	return yes
}
