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

// good reports whether the code can be used at an instant.
func (r recovery) good(at time.Time) bool { return !r.expires.IsZero() && !at.After(r.expires) }

// Recovery returns the proposal to give a user a new password that can be
// approved at an instant.
func (s *State) Recovery(user string, at time.Time) (proposal.Proposal, bool) {
	r := s.recoveries[user]
	if !r.Live(at) || s.active(user) != nil {
		return proposal.Proposal{}, false
	}
	return r.Proposal, true
}

// Recover reports why a code is no way to a new password of a user at an
// instant: [ErrRecovery], whether or not there is such an account.
func (s *State) Recover(user string, code [32]byte, at time.Time) error {
	if r := s.recoveries[user]; s.active(user) != nil || !r.good(at) || r.code != code {
		return ErrRecovery
	}
	return nil
}

// ApprovesRecovery reports whether by is the second person for a recovery of user
// at an instant. For a custodian it is somebody who is custodian, too, of every
// trial of theirs that has another one. For anybody else with a role it is a
// custodian of one trial, the one [State.vouching] names: otherwise two people who
// make a trial and give somebody a role there could take the account over. Where
// there is nobody of that kind, it is another administrator.
func (s *State) ApprovesRecovery(by, user string, at time.Time) bool {
	if by == user || s.active(by) != nil || s.active(user) != nil {
		return false
	}
	another, all := false, true
	for _, trial := range s.vouching(user, at) {
		if slices.ContainsFunc(s.HeldAt(trial, s.present(at)), func(g Grant) bool { return g.Role == custodian && g.User != user }) {
			another, all = true, all && s.Holds(by, trial, custodian, at)
		}
	}
	if another {
		return all
	}
	return s.accounts[by].Administrator
}

// vouching returns the trials whose custodians know a user: those in which the
// user is a custodian, or else the one in which the user came first, of those in
// which a role of the user shows or opens arms, if there are any.
func (s *State) vouching(user string, at time.Time) []string {
	held := s.Grants(user, at)
	in := func(counts func(role string) bool) (trials []string) {
		for _, t := range s.tenures { // in the order in which they were given
			counted := func(g Grant) bool { return g.Trial == t.Trial && counts(g.Role) }
			if t.User == user && !slices.Contains(trials, t.Trial) && slices.ContainsFunc(held, counted) {
				trials = append(trials, t.Trial)
			}
		}
		return trials
	}
	if trials := in(func(role string) bool { return role == custodian }); len(trials) > 0 {
		return trials
	}
	trials := in(func(role string) bool { return !slices.Contains([]string{coordinator, assessor, monitor}, role) })
	if len(trials) == 0 {
		trials = in(func(string) bool { return true })
	}
	return trials[:min(1, len(trials))]
}

// Identity returns the account in use that an identity is tied to. Whoever comes
// back after the account was disabled gets another one, and ties it anew.
func (s *State) Identity(issuer string, subject [32]byte) (Account, bool) {
	i := slices.IndexFunc(s.users, func(u string) bool {
		a := s.accounts[u]
		return !a.Disabled && a.Issuer != "" && a.Issuer == issuer && a.Subject == subject
	})
	if i < 0 {
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
		return s.recoverable(m, e.User)
	case RecoveryApproved:
		if err := s.recoverable(m, e.User); err != nil {
			return err
		}
		if !e.Expires.After(m.At) || e.Expires.After(m.At.Add(RecoveryLife)) {
			return errors.New("the end of the code is not within a day")
		}
		return s.recoveries[e.User].Approve(m.Actor, m.At)
	case Recovered:
		if err := s.active(m.Actor); err != nil {
			return err
		}
		if !s.recoveries[m.Actor].good(m.At) {
			return ErrRecovery
		}
	case IdentityLinked:
		if err := s.active(e.User); err != nil {
			return err
		}
		if e.Issuer == "" {
			return errors.New("the identity has no issuer")
		}
		if _, taken := s.Identity(e.Issuer, e.Subject); taken || s.accounts[e.User].Issuer != "" {
			return ErrTied
		}
	}
	return nil
}

// recoverable demands an account in use, and somebody else: whoever got hold of a
// session must not need but one other person for a new password.
func (s *State) recoverable(m Meta, user string) error {
	if user == m.Actor {
		return proposal.ErrSamePerson
	}
	return s.active(user)
}

func (s *State) applySignIn(m Meta, e Event) {
	switch e := e.(type) {
	case FactorEnrolled:
		s.accounts[m.Actor].Factor = true
		s.accounts[m.Actor].Epoch++
	case RecoveryProposed:
		s.recoveries[e.User] = recovery{Proposal: proposal.New(m.Actor, m.At)}
	case RecoveryApproved:
		s.recoveries[e.User] = recovery{code: e.CodeHash, expires: e.Expires}
	case Recovered:
		s.accounts[m.Actor].Factor = false
		s.accounts[m.Actor].Epoch++
		delete(s.recoveries, m.Actor)
	case IdentityLinked:
		s.accounts[e.User].Issuer, s.accounts[e.User].Subject = e.Issuer, e.Subject
	}
}
