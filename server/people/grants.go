package people

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// The role names that this package has rules about. The other roles of a trial
// exclude nothing.
const (
	administrator = "administrator"
	coordinator   = "coordinator"
	assessor      = "assessor"
	monitor       = "monitor"
	dsmb          = "dsmb"
	statistician  = "statistician"
	custodian     = "custodian"
	investigator  = "investigator"
	treatmentTeam = "treatment-team"
	auditor       = "auditor"
	reviewer      = "reviewer"
	clinician     = "clinician"
)

// Roles returns the roles that can be granted in a trial.
func Roles() []string {
	return []string{coordinator, assessor, monitor, dsmb, statistician, custodian, investigator, treatmentTeam, auditor, reviewer, clinician}
}

// unblinded are the roles that show an arm. They go with no other role in the
// same trial, now or ever, nor with running the server: what a person once saw
// stays known, and every other role decides something that it would sway.
func unblinded() []string { return []string{treatmentTeam, dsmb, reviewer, clinician} }

// excluded returns the further pairs of roles that nobody may hold in one
// trial, now or ever.
//
// Source: product.md of the design, "People", after ICH E6(R3) (2025), 4.1.2,
// and EMA guideline on computerised systems (2023), annex 3.
func excluded() [][2]string {
	return [][2]string{
		{assessor, investigator}, // may unblind in an emergency
		{assessor, custodian},    // gives roles, and would know the design
		{statistician, custodian},
		{administrator, custodian}, // holds the keys and would know the design
		{custodian, coordinator},   // would know the design and enrol
	}
}

// barred returns the role that the user holds or held and beside which g isn't
// given any more: auditors read who did what in every compartment, and
// statisticians approve who is shown an arm, of whom assessors must know nothing.
// Such pairs were given before, and logs that hold them stay readable: that is why
// [State.Conflict], which decides what the log may hold, knows nothing of them.
func (s *State) barred(g Grant) string {
	for _, t := range s.tenures {
		if t.Trial != g.Trial || !s.samePerson(t.User, g.User) {
			continue
		}
		for _, other := range []string{auditor, statistician} {
			if t.Role == assessor && g.Role == other || t.Role == other && g.Role == assessor {
				return t.Role
			}
		}
	}
	return ""
}

// samePerson reports whether two accounts are known to be one person's: they are
// one, or are tied to the same identity of a provider, one after the other. A new
// account doesn't begin without what the person knows.
func (s *State) samePerson(a, b string) bool {
	if a == b {
		return true
	}
	one, other := s.accounts[a], s.accounts[b]
	return one != nil && other != nil && one.Issuer != "" && one.Issuer == other.Issuer && one.Subject == other.Subject
}

// exclude reports whether nobody may hold both roles.
func exclude(a, b string) bool {
	if a == b {
		return false
	}
	return slices.Contains(unblinded(), a) || slices.Contains(unblinded(), b) ||
		slices.Contains(excluded(), [2]string{a, b}) || slices.Contains(excluded(), [2]string{b, a})
}

// Conflict returns the role that the user holds or held, under this account or an
// earlier one of the same identity, and that excludes g, or nothing. Being an administrator counts as a role in every trial, and the
// treatment team of one arm excludes that of another: whoever sees both lists
// of a site sees the sequence.
func (s *State) Conflict(g Grant) string {
	if a, ok := s.accounts[g.User]; ok && a.Administrator && exclude(administrator, g.Role) {
		return administrator
	}
	for _, t := range s.tenures {
		if t.Trial != g.Trial || !s.samePerson(t.User, g.User) {
			continue
		}
		if exclude(t.Role, g.Role) || t.Role == g.Role && t.Team != g.Team {
			return t.Role
		}
	}
	return ""
}

// Grant decides that by, at an instant, gives what e says. It returns e, or a
// [Refused] together with the error if a rule forbids it; the refusal is to be
// appended too. It returns no event if the user holds it already, with the same
// end.
func (s *State) Grant(by string, at time.Time, e Granted) (Event, error) {
	g := e.Grant
	if err := s.grantable(g); err != nil {
		return nil, fmt.Errorf("%s: %w", g.User, err)
	}
	if i := s.held(g, at); i >= 0 && s.tenures[i].Expires.Equal(e.Expires) {
		return nil, nil
	}
	if !e.Expires.IsZero() && !e.Expires.After(at) {
		return nil, ErrExpiry
	}
	if by == g.User || !s.mayGrant(by, at, g) {
		return Refused{Grant: g}, ErrNotYours
	}
	if c := cmp.Or(s.Conflict(g), s.barred(g)); c != "" {
		return Refused{Grant: g, Conflict: c}, fmt.Errorf("%s: %w", c, ErrConflict)
	}
	return e, nil
}

// grantable reports an error if nobody could hold g: a treatment team has a
// site and an arm, and nobody else has an arm.
func (s *State) grantable(g Grant) error {
	team := g.Role == treatmentTeam
	if !slices.Contains(Roles(), g.Role) || g.Trial == "" || team != (g.Team != "") || team && g.Site == "" {
		return ErrRole
	}
	return s.active(g.User)
}

// mayGrant reports whether by may give g: the custodian of the trial may give
// every role, an administrator only that of the first custodian ever. If an
// administrator could name the next one too, disabling an account would be a
// way to every role.
func (s *State) mayGrant(by string, at time.Time, g Grant) bool {
	if s.Holds(by, g.Trial, custodian, at) {
		return true
	}
	a, ok := s.accounts[by]
	anyCustodian := slices.ContainsFunc(s.tenures, func(t Tenure) bool { return t.Trial == g.Trial && t.Role == custodian })
	return ok && a.Administrator && g.Role == custodian && !anyCustodian
}

// Revoke decides to take g away. It returns no event if the user doesn't hold
// it.
func (s *State) Revoke(g Grant, at time.Time, reason string) Event {
	if s.held(g, at) < 0 {
		return nil
	}
	return Revoked{g, reason}
}

// held returns the position of the tenure that g is held by at an instant, or
// -1.
func (s *State) held(g Grant, at time.Time) int {
	at = s.present(at)
	return slices.IndexFunc(s.tenures, func(t Tenure) bool { return t.Grant == g && t.At(at) })
}

// Holds reports whether the user holds a role in a trial now, at the instant at,
// at any site.
func (s *State) Holds(user, trial, role string, at time.Time) bool {
	return slices.ContainsFunc(s.Grants(user, at), func(g Grant) bool { return g.Trial == trial && g.Role == role })
}

// Grants returns what the user holds now, at the instant at, in the order in
// which it was given. A disabled account holds nothing.
func (s *State) Grants(user string, at time.Time) []Grant {
	if s.active(user) != nil {
		return nil
	}
	at = s.present(at)
	var out []Grant
	for _, t := range s.tenures {
		if t.User == user && t.At(at) {
			out = append(out, t.Grant)
		}
	}
	return out
}

// Unbroken reports whether at every moment from one instant to another, which is
// now, one of the grants that count was in force.
func (s *State) Unbroken(since, at time.Time, counts func(Grant) bool) bool {
	at = s.present(at)
	for _, t := range s.tenures { // by their beginnings
		if !counts(t.Grant) || !t.At(since) {
			continue
		}
		ends := t.Until
		if ends.IsZero() || !t.Expires.IsZero() && t.Expires.Before(ends) {
			ends = t.Expires
		}
		if ends.IsZero() || at.Before(ends) {
			return true
		}
		since = ends
	}
	return false
}

// present returns at, or the time of the last entry if the clock was set back
// behind it.
func (s *State) present(at time.Time) time.Time {
	if at.Before(s.last) {
		return s.last
	}
	return at
}

// Tenures returns who holds and who held which role in a trial, in the order
// in which the roles were given.
func (s *State) Tenures(trial string) []Tenure {
	var out []Tenure
	for _, t := range s.tenures {
		if t.Trial == trial {
			out = append(out, t)
		}
	}
	return out
}

// HeldAt returns the grants of a trial that were in force at an instant.
func (s *State) HeldAt(trial string, at time.Time) []Grant {
	var out []Grant
	for _, t := range s.Tenures(trial) {
		if t.At(at) {
			out = append(out, t.Grant)
		}
	}
	return out
}
