package people

import (
	"errors"
	"slices"
	"time"

	"github.com/lodd-rct/lodd/server/proposal"
)

// RecoveryLife is how long the code of an approved recovery is good.
const RecoveryLife = 24 * time.Hour

// These errors say why a sign-in by other means is refused. Their texts reach
// people.
var (
	ErrRecovery = errors.New("the code is wrong, used or too old; ask an administrator for another recovery")
	ErrTied     = errors.New("the identity is tied to another account, or the account to another identity")
)

// FactorEnrolled gives the actor a second factor.
type FactorEnrolled struct{}

// RecoveryProposed is the first of two people's steps to a new password.
type RecoveryProposed struct{ User, Reason string }

// RecoveryApproved is the second one.
type RecoveryApproved struct {
	User     string
	CodeHash [32]byte
	Expires  time.Time
}

// Recovered records that the actor used the code: the password is new, and there
// is no second factor.
type Recovered struct{}

// IdentityLinked ties an account to an identity of a provider.
type IdentityLinked struct {
	User, Issuer string
	Subject      [32]byte // a keyed hash of the provider's name for the person
}

// PasswordChanged records that the actor changed the own password.
type PasswordChanged struct{}

func (FactorEnrolled) event()   {}
func (RecoveryProposed) event() {}
func (RecoveryApproved) event() {}
func (Recovered) event()        {}
func (IdentityLinked) event()   {}
func (PasswordChanged) event()  {}

// A recovery is how far an account is on the way to a new password.
type recovery struct {
	proposal.Proposal
	code    [32]byte
	expires time.Time // of the code; zero before it is approved
}

// Recovery returns the proposal to give a user a new password that can be
// approved at an instant.
func (s *State) Recovery(user string, at time.Time) (proposal.Proposal, bool) {
	a, ok := s.accounts[user]
	if !ok || !a.recovery.Live(at) {
		return proposal.Proposal{}, false
	}
	return a.recovery.Proposal, true
}

// Recover reports why a code is no way to a new password of a user at an
// instant: [ErrRecovery], whether or not there is such an account.
func (s *State) Recover(user string, code [32]byte, at time.Time) error {
	a, ok := s.accounts[user]
	if !ok || a.Disabled || a.recovery.expires.IsZero() || at.After(a.recovery.expires) || a.recovery.code != code {
		return ErrRecovery
	}
	return nil
}

// Identity returns the account in use that an identity is tied to.
func (s *State) Identity(issuer string, subject [32]byte) (Account, bool) {
	i := slices.IndexFunc(s.users, func(u string) bool {
		a := s.accounts[u]
		return a.Issuer != "" && a.Issuer == issuer && a.Subject == subject
	})
	if i < 0 || s.accounts[s.users[i]].Disabled {
		return Account{}, false
	}
	return *s.accounts[s.users[i]], true
}

func (s *State) checkSignIn(m Meta, e Event) error {
	switch e := e.(type) {
	case FactorEnrolled:
		return s.active(m.Actor)
	case RecoveryProposed:
		if _, live := s.Recovery(e.User, m.At); live {
			return errors.New("it is proposed already")
		}
		return s.active(e.User)
	case RecoveryApproved:
		if err := s.active(e.User); err != nil {
			return err
		}
		if e.User == m.Actor {
			return proposal.ErrSamePerson
		}
		return s.accounts[e.User].recovery.Approve(m.Actor, m.At)
	case Recovered:
		if err := s.active(m.Actor); err != nil {
			return err
		}
		if r := s.accounts[m.Actor].recovery; r.expires.IsZero() || m.At.After(r.expires) {
			return ErrRecovery
		}
	case IdentityLinked:
		if err := s.active(e.User); err != nil {
			return err
		}
		if _, taken := s.Identity(e.Issuer, e.Subject); taken || s.accounts[e.User].Issuer != "" || e.Issuer == "" {
			return ErrTied
		}
	}
	return nil
}

func (s *State) applySignIn(m Meta, e Event) {
	switch e := e.(type) {
	case FactorEnrolled:
		s.accounts[m.Actor].Factor = true
	case RecoveryProposed:
		s.accounts[e.User].recovery = recovery{Proposal: proposal.New(m.Actor, m.At)}
	case RecoveryApproved:
		s.accounts[e.User].recovery = recovery{code: e.CodeHash, expires: e.Expires}
	case Recovered:
		s.accounts[m.Actor].Factor, s.accounts[m.Actor].recovery = false, recovery{}
	case IdentityLinked:
		s.accounts[e.User].Issuer, s.accounts[e.User].Subject = e.Issuer, e.Subject
	}
}
