package server

import (
	"context"
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/server/authz"
	"github.com/lodd-rct/lodd/server/ledger"
	"github.com/lodd-rct/lodd/server/people"
	"github.com/lodd-rct/lodd/server/trial"
)

// ListProposals tells each person what only they, or others like them, can
// finish: nobody sees a proposal that isn't theirs to approve.
func (s *peopleService) ListProposals(ctx context.Context, _ *loddv1.ListProposalsRequest) (*loddv1.ListProposalsResponse, error) {
	user, at := authz.FromContext(ctx).User, s.now()
	resp := &loddv1.ListProposalsResponse{}
	var trials []string
	s.people.View(func(p *people.State) {
		resp.Proposals = recoveries(p, user, at)
		trials = trialsOf(p, user, at, loddv1.Permission_PERMISSION_UNSEAL)
	})
	for _, id := range trials {
		t, err := s.ledger.Trial(trial.ID(id))
		if err != nil {
			return nil, err
		}
		waiting, err := waitingIn(t, user, at)
		if err != nil {
			return nil, err
		}
		resp.Proposals = append(resp.Proposals, waiting...)
	}
	slices.SortStableFunc(resp.Proposals, func(a, b *loddv1.WaitingProposal) int {
		return a.GetExpires().AsTime().Compare(b.GetExpires().AsTime())
	})
	return resp, nil
}

// recoveries returns the proposed recoveries that a user may approve.
func recoveries(p *people.State, user string, at time.Time) (out []*loddv1.WaitingProposal) {
	for _, a := range p.Accounts() {
		if mayRecover(p, user, a.User, at) == nil {
			proposed, _ := p.Recovery(a.User, at)
			out = append(out, &loddv1.WaitingProposal{
				Act: "recovery", Subject: a.User, By: proposed.By, Expires: timestamppb.New(proposed.Expires),
			})
		}
	}
	return out
}

// trialsOf returns the trials in which a user holds a permission, each once, save
// those in which the user assesses outcomes, or once did: proposals tell of whom an
// arm is to be opened.
func trialsOf(p *people.State, user string, at time.Time, need loddv1.Permission) (trials []string) {
	for _, g := range p.Grants(user, at) {
		if slices.ContainsFunc(p.Tenures(g.Trial), func(t people.Tenure) bool { return t.User == user && t.Role == string(trial.Assessor) }) {
			continue
		}
		if slices.Contains(authz.Permissions(trial.Role(g.Role)), need) && g.Site == "" && !slices.Contains(trials, g.Trial) {
			trials = append(trials, g.Trial)
		}
	}
	return trials
}

// waitingIn returns what waits in a trial for another person than those who
// proposed it.
func waitingIn(t *ledger.Trial, user string, at time.Time) (out []*loddv1.WaitingProposal, err error) {
	err = t.View(func(s *trial.State) error {
		if p, live := s.Proposal(at); live && p.By != user {
			out = append(out, &loddv1.WaitingProposal{
				Act: "unsealing", TrialId: string(t.ID()), By: p.By, Expires: timestamppb.New(p.Expires),
			})
		}
		for _, d := range s.Disclosures(at) {
			if d.By != user && d.To != user {
				out = append(out, &loddv1.WaitingProposal{
					Act: "disclosure", TrialId: string(t.ID()), Subject: string(d.Participant), To: d.To,
					By: d.By, Expires: timestamppb.New(d.Expires),
				})
			}
		}
		return nil
	})
	return out, err
}
