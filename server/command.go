package server

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/server/authz"
	"github.com/lodd-rct/lodd/server/ledger"
	"github.com/lodd-rct/lodd/server/trial"
)

// commanding is a request that changes something.
type commanding interface {
	GetTrialId() string
	GetRequestId() string
}

// A command is a request that changes something, on its way.
type command struct {
	trial   *ledger.Trial
	access  authz.Access
	request trial.RequestID
	at      time.Time // when the request came
	faults  faults
}

// command returns the command of a request. It fails if the request has no id:
// its repeat could not be told from another request.
func (k *core) command(ctx context.Context, req commanding) (*command, error) {
	t, a, err := k.enter(ctx, req)
	if err != nil {
		return nil, err
	}
	c := &command{trial: t, access: a, at: k.now()}
	c.request = parse(&c.faults, "request_id", req.GetRequestId(), trial.ParseRequestID)
	if err := c.faults.err(); err != nil {
		return nil, err
	}
	return c, nil
}

// by returns the caller as entries name it.
func (c *command) by(r trial.Role) ledger.Caller {
	return ledger.Caller{Actor: c.access.User, Role: r, Request: c.request}
}

// on calls f with the date that a request names, or today. A request without a
// date that is repeated after midnight is still the same request: if its id was
// used, f is called again with yesterday.
func (c *command) on(date trial.Date, f func(trial.Date) error) error {
	if !date.IsZero() {
		return f(date)
	}
	var today trial.Date
	if err := c.trial.Ahead(func(s *trial.State) error { today = s.Today(c.at); return nil }); err != nil {
		return err
	}
	err := f(today)
	if errors.Is(err, ledger.ErrReused) && f(today.AddDays(-1)) == nil {
		return nil
	}
	return err
}

// errNoParticipant is the answer to a number that isn't there, and to one of a
// site that the caller doesn't reach.
var errNoParticipant = fmt.Errorf("participant: %w", trial.ErrNotFound)

// looking is [ledger.Trial.View], or for a command [ledger.Trial.Ahead].
type looking func(func(*trial.State) error) error

// roleFor returns the role in which the caller acts on a participant. It fails
// in the same words whether there is no such participant or it belongs to a
// site that the caller doesn't reach.
func roleFor(look looking, a authz.Access, id trial.ParticipantID) (role trial.Role, err error) {
	err = look(func(s *trial.State) error {
		if p, ok := s.Participant(id); ok {
			role = a.RoleAt(p.Site)
		}
		if role == "" {
			return errNoParticipant
		}
		return nil
	})
	return role, err
}

// receipt returns a receipt as it travels; an empty one stays out.
func receipt(r ledger.Receipt) *loddv1.Receipt {
	if r.List == "" {
		return nil
	}
	return &loddv1.Receipt{
		List: r.List, Index: r.Index, LeafHash: r.Leaf[:], At: timestamppb.New(r.At), RepeatedRequest: r.Repeated,
	}
}

func text(t trial.Text) *loddv1.Text { return &loddv1.Text{Nb: t.NB, En: t.EN} }
