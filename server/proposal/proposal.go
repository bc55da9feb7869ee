// Package proposal is what one person proposes and another approves.
//
// Unsealing a trial, showing somebody the arm of a participant, and giving
// somebody a new password take two people. What each of them may propose or
// approve is the matter of whoever uses this package.
package proposal

import (
	"errors"
	"time"
)

// Life is how long a proposal can be approved.
const Life = 7 * 24 * time.Hour

// These errors say why a proposal can't be approved. Their texts reach people.
var (
	ErrNone       = errors.New("nobody has proposed it, or more than 7 days ago; propose it, then another person approves")
	ErrSamePerson = errors.New("you did the first of the two steps; another person must do this one")
)

// A Proposal is the first of two people's acts. The zero Proposal is none.
type Proposal struct {
	By      string // the account
	Expires time.Time
}

// New returns the proposal that by makes at an instant.
func New(by string, at time.Time) Proposal { return Proposal{by, at.Add(Life)} }

// At returns when p was made.
func (p Proposal) At() time.Time { return p.Expires.Add(-Life) }

// Live reports whether p can be approved at an instant: up to the end of its
// life and including it.
func (p Proposal) Live(at time.Time) bool { return p.By != "" && !at.After(p.Expires) }

// Approve reports why by can't approve p at an instant: [ErrNone] or
// [ErrSamePerson].
func (p Proposal) Approve(by string, at time.Time) error {
	switch {
	case !p.Live(at):
		return ErrNone
	case p.By == by:
		return ErrSamePerson
	}
	return nil
}
