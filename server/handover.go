package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/server/ledger"
	"github.com/lodd-rct/lodd/server/people"
	"github.com/lodd-rct/lodd/server/rpcerr"
	"github.com/lodd-rct/lodd/server/trial"
)

// HandOver ends every role of one account in a trial and gives it to another,
// in one append: there is no moment at which both hold them, or neither.
func (s *peopleService) HandOver(ctx context.Context, req *loddv1.HandOverRequest) (*loddv1.HandOverResponse, error) {
	t, a, err := s.enter(ctx, req)
	if err != nil {
		return nil, err
	}
	reason, err := parseReason(req.GetReason())
	if err != nil {
		return nil, rpcerr.Field("reason", err)
	}
	if a.Role() != trial.Custodian { // an administrator only ever names a custodian
		return nil, people.ErrNotYours
	}
	if req.GetFrom() == req.GetTo() {
		return nil, rpcerr.Field("to", errors.New("is the account that hands over; name another"))
	}
	h := handOver{by: a.User, from: req.GetFrom(), to: req.GetTo(), trial: req.GetTrialId(), reason: reason}
	h.allowed = func(g people.Grant) error { return grantableIn(t, g) }
	by := ledger.Caller{Actor: a.User}
	r, err := s.people.Do(ctx, by, h.decide)
	if err != nil {
		return nil, err
	}
	resp, now := &loddv1.HandOverResponse{Receipt: receipt(r)}, s.now()
	s.people.View(func(p *people.State) {
		for _, tenure := range p.Tenures(h.trial) {
			if tenure.User == h.to && tenure.Until.IsZero() && (tenure.Expires.IsZero() || now.Before(tenure.Expires)) {
				resp.Roles = append(resp.Roles, grantedRole(tenure))
			}
		}
	})
	return resp, nil
}

// A handOver is what one account hands over to another.
type handOver struct {
	by, from, to, trial, reason string
	allowed                     func(people.Grant) error // what the trial has against a grant
}

// decide returns what ends and what begins, or the refusal of the first role that
// can't be given. Nothing is left to hand over if it was done before.
func (h handOver) decide(p *people.State, at time.Time) ([]people.Event, error) {
	for _, user := range []string{h.from, h.to} {
		if _, ok := p.Account(user); !ok {
			return nil, fmt.Errorf("%s: %w", user, people.ErrNoAccount)
		}
	}
	everHeld := false
	var ends, begins []people.Event
	for _, t := range p.Tenures(h.trial) {
		if t.User != h.from {
			continue
		}
		everHeld = true
		if !slices.Contains(p.Grants(h.from, at), t.Grant) || !t.At(at) {
			continue
		}
		g := t.Grant
		g.User = h.to
		if err := h.allowed(g); errors.Is(err, errSawArm) {
			return []people.Event{people.Refused{Grant: g}}, err
		} else if err != nil {
			return nil, err
		}
		given, err := p.Grant(h.by, at, people.Granted{Grant: g, Expires: t.Expires})
		if err != nil {
			return refusal(given), err
		}
		ends = append(ends, people.Revoked{Grant: t.Grant, Reason: "handed over to " + h.to + ": " + h.reason})
		if given != nil {
			begins = append(begins, given)
		}
	}
	if !everHeld || len(ends) == 0 && !h.done(p, at) {
		return nil, fmt.Errorf("%s holds no role here: %w", h.from, people.ErrNoGrant)
	}
	return append(ends, begins...), nil
}

// done reports whether what the account lost last is what the other one holds:
// then it was handed over before, and the request is a repeat.
func (h handOver) done(p *people.State, at time.Time) bool {
	var last time.Time
	for _, t := range p.Tenures(h.trial) {
		if t.User == h.from && t.Until.After(last) {
			last = t.Until
		}
	}
	for _, t := range p.Tenures(h.trial) {
		g := t.Grant
		g.User = h.to
		if t.User == h.from && t.Until.Equal(last) && !slices.Contains(p.Grants(h.to, at), g) {
			return false
		}
	}
	return !last.IsZero()
}

// refusal returns an event as the list of what is to be appended; a nil one
// isn't.
func refusal(e people.Event) []people.Event {
	if e == nil {
		return nil
	}
	return []people.Event{e}
}

// errSawArm is the refusal of an assessor who knows an arm. It is recorded.
var errSawArm = fmt.Errorf("an arm was opened for the account: %w", people.ErrConflict)

// grantableIn reports what a trial has against a grant: a role, site or team
// that it doesn't have, and an assessor who knows an arm or could come to know
// all of them.
func grantableIn(t *ledger.Trial, g people.Grant) error {
	return t.View(func(s *trial.State) error {
		if g.Role == string(trial.Assessor) {
			if at, _ := s.Unsealed(); !at.IsZero() {
				return trial.ErrUnsealed // whoever has read the allocations would assess with them
			}
			if s.SawArm(g.User) {
				return errSawArm
			}
		}
		return checkGrant(s.Protocol(), g)
	})
}

func grantedRole(t people.Tenure) *loddv1.GrantedRole {
	r := &loddv1.GrantedRole{User: t.User, Role: t.Role, Site: t.Site, Team: t.Team, From: timestamppb.New(t.From)}
	if !t.Until.IsZero() {
		r.Until = timestamppb.New(t.Until)
	}
	if !t.Expires.IsZero() {
		r.Expires = timestamppb.New(t.Expires)
	}
	return r
}
