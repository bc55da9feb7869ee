package authz

import (
	"context"
	"slices"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/server/people"
	"github.com/lodd-rct/lodd/server/trial"
)

// Permissions returns what a role holds. No role but the treatment team's
// holds PERMISSION_UNBLIND; PERMISSION_EMERGENCY shows one arm and is told to
// others, PERMISSION_COLLECT shows what others opened for the caller, and
// PERMISSION_REVEAL is of use only after two people have unsealed the trial.
//
// Source: product.md of the design, "People" and "Who may see what".
func Permissions(r trial.Role) []loddv1.Permission {
	const (
		administer   = loddv1.Permission_PERMISSION_ADMINISTER
		grant        = loddv1.Permission_PERMISSION_GRANT
		readTrial    = loddv1.Permission_PERMISSION_READ_TRIAL
		seal         = loddv1.Permission_PERMISSION_SEAL
		open         = loddv1.Permission_PERMISSION_OPEN
		enrol        = loddv1.Permission_PERMISSION_ENROL
		assess       = loddv1.Permission_PERMISSION_ASSESS
		conduct      = loddv1.Permission_PERMISSION_CONDUCT
		monitor      = loddv1.Permission_PERMISSION_MONITOR
		unblind      = loddv1.Permission_PERMISSION_UNBLIND
		verify       = loddv1.Permission_PERMISSION_VERIFY
		witness      = loddv1.Permission_PERMISSION_WITNESS
		reconcile    = loddv1.Permission_PERMISSION_RECONCILE
		contribute   = loddv1.Permission_PERMISSION_CONTRIBUTE
		unseal       = loddv1.Permission_PERMISSION_UNSEAL
		reveal       = loddv1.Permission_PERMISSION_REVEAL
		emergency    = loddv1.Permission_PERMISSION_EMERGENCY
		collect      = loddv1.Permission_PERMISSION_COLLECT
		unblindings  = loddv1.Permission_PERMISSION_UNBLINDINGS
		impact       = loddv1.Permission_PERMISSION_IMPACT
		report       = loddv1.Permission_PERMISSION_REPORT
		safety       = loddv1.Permission_PERMISSION_SAFETY
		causality    = loddv1.Permission_PERMISSION_CAUSALITY
		review       = loddv1.Permission_PERMISSION_REVIEW
		reviewAccess = loddv1.Permission_PERMISSION_ACCESS
	)
	switch r {
	case trial.Administrator: // of the server, in every trial
		return []loddv1.Permission{administer, grant, readTrial}
	case trial.Coordinator:
		return []loddv1.Permission{readTrial, enrol, assess, conduct, verify, unblindings, report, safety}
	case trial.Assessor:
		return []loddv1.Permission{readTrial, assess, verify, report}
	case trial.Monitor:
		return []loddv1.Permission{readTrial, monitor, verify, unblindings}
	case trial.Custodian:
		return []loddv1.Permission{readTrial, seal, open, grant, verify, reconcile, unseal, reveal, unblindings, reviewAccess}
	case trial.Investigator:
		return []loddv1.Permission{
			readTrial, open, conduct, verify, unseal, reveal, emergency, unblindings, impact, report, safety, causality,
		}
	case trial.TreatmentTeam:
		return []loddv1.Permission{readTrial, unblind, verify, report}
	case trial.Auditor:
		return []loddv1.Permission{readTrial, verify, witness, reveal, collect, unblindings, impact, reviewAccess}
	case trial.Statistician:
		return []loddv1.Permission{readTrial, verify, contribute, unseal, reveal, unblindings}
	case trial.DSMB:
		return []loddv1.Permission{readTrial, verify, unblindings, safety}
	case trial.Reviewer:
		return []loddv1.Permission{readTrial, verify, safety, review}
	case trial.Clinician:
		return []loddv1.Permission{readTrial, verify, collect}
	default:
		return nil
	}
}

// whole reports whether a permission is about a trial as a whole, so that a
// grant for one site doesn't give it.
func whole(p loddv1.Permission) bool {
	switch p {
	case loddv1.Permission_PERMISSION_GRANT, loddv1.Permission_PERMISSION_SEAL,
		loddv1.Permission_PERMISSION_OPEN, loddv1.Permission_PERMISSION_MONITOR,
		loddv1.Permission_PERMISSION_RECONCILE, loddv1.Permission_PERMISSION_WITNESS,
		loddv1.Permission_PERMISSION_CONTRIBUTE, loddv1.Permission_PERMISSION_UNSEAL, loddv1.Permission_PERMISSION_REVEAL,
		loddv1.Permission_PERMISSION_COLLECT, loddv1.Permission_PERMISSION_IMPACT, loddv1.Permission_PERMISSION_REVIEW,
		loddv1.Permission_PERMISSION_ACCESS:
		return true
	default:
		return false
	}
}

// PerSite reports whether a role can be limited to a site. What the others do
// is about the whole trial.
func PerSite(r trial.Role) bool {
	return slices.Contains([]trial.Role{trial.Coordinator, trial.Assessor, trial.Investigator, trial.TreatmentTeam}, r)
}

// An Access is what the caller of a method may do in the trial that the request
// names. It tells who acts, in which role, and where.
type Access struct {
	User          string
	Administrator bool
	need          loddv1.Permission // of the method
	grants        []people.Grant    // held in the trial, in the order in which they were given
}

type accessKey struct{}

// FromContext returns the access that a guard put into ctx. That of a call
// which no guard saw reaches nothing.
func FromContext(ctx context.Context) Access {
	a, _ := ctx.Value(accessKey{}).(Access)
	return a
}

// Role returns the role in which the caller acts: the first one held that has
// what the method needs.
func (a Access) Role() trial.Role {
	for _, g := range a.grants {
		if a.carries(g) {
			return trial.Role(g.Role)
		}
	}
	if a.Administrator && slices.Contains(Permissions(trial.Administrator), a.need) {
		return trial.Administrator
	}
	return ""
}

// RoleAt returns the role in which the caller acts on something of a site, or
// nothing if the caller may not.
func (a Access) RoleAt(site trial.SiteID) trial.Role {
	for _, g := range a.grants {
		if a.carries(g) && reaches(g, site) {
			return trial.Role(g.Role)
		}
	}
	return ""
}

// Holds reports whether the caller holds a role in the trial, at any site.
func (a Access) Holds(roles ...trial.Role) bool {
	return slices.ContainsFunc(a.grants, func(g people.Grant) bool { return slices.Contains(roles, trial.Role(g.Role)) })
}

// HoldsAt reports whether the caller holds a role at a site.
func (a Access) HoldsAt(r trial.Role, site trial.SiteID) bool {
	return slices.ContainsFunc(a.grants, func(g people.Grant) bool { return g.Role == string(r) && reaches(g, site) })
}

// Teams returns the treatment teams that the caller belongs to.
func (a Access) Teams() []people.Grant {
	var teams []people.Grant
	for _, g := range a.grants {
		if g.Role == string(trial.TreatmentTeam) {
			teams = append(teams, g)
		}
	}
	return teams
}

func (a Access) allowed() bool { return a.Role() != "" }

// carries reports whether a grant gives what the method needs.
func (a Access) carries(g people.Grant) bool {
	return slices.Contains(Permissions(trial.Role(g.Role)), a.need) && (g.Site == "" || !whole(a.need))
}

func reaches(g people.Grant, site trial.SiteID) bool { return g.Site == "" || g.Site == string(site) }
