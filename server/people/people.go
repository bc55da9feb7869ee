// Package people keeps accounts, invitations and grants as a fold over the
// compartment "system" of the log.
//
// It knows who may hold which role together with which other, now or ever, and
// nothing of passwords or sessions.
package people

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// These errors say why a step is refused. Their texts reach people.
var (
	ErrNoAccount = errors.New("there is no such account")
	ErrTaken     = errors.New("the account name is taken; names are never used again")
	ErrInvite    = errors.New("the invitation is unknown, used or too old; ask for another, or sign in if it was you who used it")
	ErrConflict  = errors.New("the account holds or held a role that excludes this one")
	ErrDisabled  = errors.New("the account is disabled")
	ErrNotYours  = errors.New("an administrator may name only the first custodian of a trial; all other roles are the custodian's to give, and nobody gives one to themselves")
	ErrNoGrant   = errors.New("the account does not hold this role")
	ErrExpiry    = errors.New("the end of a role is not in the future")
	ErrRole      = errors.New("there is no such role, or it needs a site or a team")
)

// An Event is a fact in the log. The types in this file and in signin.go are all
// there are.
type Event interface{ event() }

// Invited records an invitation.
type Invited struct {
	Invite        string // public name, 16 hexadecimal digits
	CodeHash      [32]byte
	Administrator bool
	Expires       time.Time
}

// Created records a new account.
type Created struct {
	User, FullName string
	Invite         string // empty for the first account
	Administrator  bool
}

// Disabled ends an account and every role that it holds.
type Disabled struct{ User, Reason string }

// SignedIn records a sign-in.
type SignedIn struct{ Session string }

// SignInRefused records a refused sign-in to an account. Names without an
// account leave no entry: strangers could fill the log with them.
type SignInRefused struct{ User string }

// SignedOut records a sign-out.
type SignedOut struct{ Session string }

// A Grant is a role of an account in a trial.
type Grant struct {
	User, Trial, Role string
	Site              string // empty for all sites
	Team              string // for a treatment team, the arm whose team it is
}

// Granted gives a role. If it is held with another end, it is held with this one
// from now on.
type Granted struct {
	Grant   Grant
	Expires time.Time // zero for never
}

// Revoked takes a role away.
type Revoked struct {
	Grant  Grant
	Reason string
}

// Refused records that a role was asked for and refused.
type Refused struct {
	Grant    Grant
	Conflict string // the role that excludes it, or empty
}

func (Invited) event()       {}
func (Created) event()       {}
func (Disabled) event()      {}
func (SignedIn) event()      {}
func (SignInRefused) event() {}
func (SignedOut) event()     {}
func (Granted) event()       {}
func (Revoked) event()       {}
func (Refused) event()       {}

// An Account is a person's account. Names are never used again.
type Account struct {
	User, FullName string
	Administrator  bool
	Disabled       bool
	DisabledAt     time.Time
	Created        time.Time
	Factor         bool // it has a second factor
	LastSignIn     time.Time
	Issuer         string // the identity provider that it is tied to, or empty
	Subject        [32]byte
	// Epoch counts how often the password or the second factor was replaced. What
	// was proved in one epoch proves nothing in the next.
	Epoch int64
}

// A Meta is what an entry says about itself.
type Meta struct {
	Index int64     // in the compartment
	At    time.Time // never earlier than before
	Actor string    // the account, or "server"
}

// A Tenure is a grant and how long it lasts.
type Tenure struct {
	Grant
	From, Until time.Time // Until is zero while nobody took it away
	Expires     time.Time // when it ends by itself; zero for never
}

// At reports whether the role was held at an instant.
func (t Tenure) At(at time.Time) bool {
	return !at.Before(t.From) && (t.Until.IsZero() || at.Before(t.Until)) && (t.Expires.IsZero() || at.Before(t.Expires))
}

// A State is what the entries so far add up to. The zero State has no account.
// It may be read concurrently, but not while [State.Apply] runs.
type State struct {
	accounts map[string]*Account
	users    []string
	invites  map[[32]byte]*invite
	tenures  []Tenure
	// recoveries are those that were proposed or approved and not used, by user.
	recoveries map[string]recovery

	len  int64
	last time.Time
}

type invite struct {
	Invited
	used bool
}

// Len returns the number of entries so far.
func (s *State) Len() int64 { return s.len }

// Last returns the time of the latest entry.
func (s *State) Last() time.Time { return s.last }

// Account returns the account of a user.
func (s *State) Account(user string) (Account, bool) {
	a, ok := s.accounts[user]
	if !ok {
		return Account{}, false
	}
	return *a, true
}

// Accounts returns all accounts in the order in which they were made.
func (s *State) Accounts() []Account {
	out := make([]Account, len(s.users))
	for i, u := range s.users {
		out[i] = *s.accounts[u]
	}
	return out
}

// Invite returns the invitation whose code has the given hash, if it is good
// at the instant at.
func (s *State) Invite(codeHash [32]byte, at time.Time) (Invited, error) {
	i, ok := s.invites[codeHash]
	if !ok || i.used || at.After(i.Expires) {
		return Invited{}, ErrInvite
	}
	return i.Invited, nil
}

// Clone returns a copy that shares nothing with s that Apply changes.
func (s *State) Clone() *State {
	c := *s
	c.accounts, c.invites, c.recoveries = map[string]*Account{}, map[[32]byte]*invite{}, map[string]recovery{}
	for user, a := range s.accounts {
		copied := *a
		c.accounts[user] = &copied
	}
	for hash, i := range s.invites {
		copied := *i
		c.invites[hash] = &copied
	}
	maps.Copy(c.recoveries, s.recoveries)
	c.users, c.tenures = slices.Clone(s.users), slices.Clone(s.tenures)
	return &c
}

// Apply moves the state past e.
func (s *State) Apply(m Meta, e Event) error {
	if m.Index != s.len {
		return fmt.Errorf("people: entry %d, want %d", m.Index, s.len)
	}
	if m.At.Before(s.last) {
		return fmt.Errorf("people: entry %d is earlier than the one before it", m.Index)
	}
	if err := s.check(m, e); err != nil {
		return fmt.Errorf("people: entry %d: apply %T: %w", m.Index, e, err)
	}
	if s.accounts == nil {
		s.accounts, s.invites, s.recoveries = map[string]*Account{}, map[[32]byte]*invite{}, map[string]recovery{}
	}
	s.apply(m, e)
	s.len++
	s.last = m.At
	return nil
}

func (s *State) apply(m Meta, e Event) {
	at := m.At
	switch e := e.(type) {
	case Invited:
		s.invites[e.CodeHash] = &invite{Invited: e}
	case Created:
		if i := s.invite(e.Invite); i != nil {
			i.used = true
		}
		s.accounts[e.User] = &Account{User: e.User, FullName: e.FullName, Administrator: e.Administrator, Created: at}
		s.users = append(s.users, e.User)
	case Disabled:
		s.accounts[e.User].Disabled, s.accounts[e.User].DisabledAt = true, at
		for i, t := range s.tenures {
			if t.User == e.User && t.Until.IsZero() {
				s.tenures[i].Until = at
			}
		}
	case Granted:
		if i := s.held(e.Grant, at); i >= 0 { // with another end
			s.tenures[i].Until = at
		}
		s.tenures = append(s.tenures, Tenure{Grant: e.Grant, From: at, Expires: e.Expires})
	case Revoked:
		s.tenures[s.held(e.Grant, at)].Until = at
	case SignedIn:
		if a, ok := s.accounts[m.Actor]; ok {
			a.LastSignIn = at
		}
	case FactorEnrolled, RecoveryProposed, RecoveryApproved, Recovered, IdentityLinked:
		s.applySignIn(m, e)
	case PasswordChanged:
		if a, ok := s.accounts[m.Actor]; ok {
			a.Epoch++
		}
	case SignInRefused, SignedOut, Refused:
		// They are facts for the auditor and change nothing.
	}
}

// check reports why e may not be the next entry.
func (s *State) check(m Meta, e Event) error {
	switch e := e.(type) {
	case Invited:
		if _, ok := s.invites[e.CodeHash]; ok || e.Invite == "" || s.invite(e.Invite) != nil {
			return fmt.Errorf("invitation %q has no name or was there before", e.Invite)
		}
	case Created:
		return s.checkCreated(e)
	case Disabled:
		return s.active(e.User)
	case Granted:
		if err := s.grantable(e.Grant); err != nil {
			return err
		}
		if i := s.held(e.Grant, m.At); i >= 0 && s.tenures[i].Expires.Equal(e.Expires) {
			return errors.New("the account holds this role")
		}
		if !e.Expires.IsZero() && !e.Expires.After(m.At) {
			return ErrExpiry
		}
		if s.Conflict(e.Grant) != "" {
			return ErrConflict
		}
	case Revoked:
		if s.held(e.Grant, m.At) < 0 {
			return ErrNoGrant
		}
	case FactorEnrolled, RecoveryProposed, RecoveryApproved, Recovered, IdentityLinked:
		return s.checkSignIn(m, e)
	case SignedIn, SignInRefused, SignedOut, Refused, PasswordChanged:
	default:
		return fmt.Errorf("unknown event %T", e)
	}
	return nil
}

// checkCreated demands an unused invitation of all but the first account.
func (s *State) checkCreated(e Created) error {
	if _, ok := s.accounts[e.User]; ok {
		return ErrTaken
	}
	if e.Invite == "" {
		if len(s.users) > 0 {
			return ErrInvite
		}
		return nil
	}
	i := s.invite(e.Invite)
	if i == nil || i.used {
		return ErrInvite
	}
	if i.Administrator != e.Administrator {
		return errors.New("the invitation is for another kind of account")
	}
	return nil
}

// invite returns the invitation of that name, or nil.
func (s *State) invite(name string) *invite {
	for _, i := range s.invites {
		if i.Invite == name {
			return i
		}
	}
	return nil
}

func (s *State) active(user string) error {
	a, ok := s.accounts[user]
	switch {
	case !ok:
		return ErrNoAccount
	case a.Disabled:
		return ErrDisabled
	}
	return nil
}
