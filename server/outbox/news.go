package outbox

import (
	"slices"
	"strings"
	"time"

	"github.com/lodd-rct/lodd/server/people"
	"github.com/lodd-rct/lodd/server/trial"
	"github.com/lodd-rct/lodd/server/trial/entry"
)

// batch is the distance of the times at which teams are told of randomizations.
const batch = 15 * time.Minute

// System is the list of the accounts; the others are compartments of trials.
const System = "system"

// A news is what one entry tells, and whom.
type news struct {
	kind   Kind
	roles  []trial.Role        // whoever holds one of them,
	site   trial.SiteID        // for this site; if empty, for the whole trial only
	about  trial.ParticipantID // whose site it is
	user   string              // or this account alone
	lost   string              // or those who may help this account to a new password
	except []string            // accounts that aren't told
	joined bool                // with others at the next full quarter hour
}

// tells reports whether the holder of a grant is told.
func (n news) tells(g people.Grant) bool {
	return (g.Site == "" || g.Site == string(n.site)) && slices.Contains(n.roles, trial.Role(g.Role))
}

// users returns the accounts that are told, of those who were there at an
// instant.
func (n news) users(p *people.State, id trial.ID, at time.Time) []string {
	var users []string
	switch {
	case n.user != "":
		users = []string{n.user}
	case n.lost != "":
		users = helpers(p, n.lost, at)
	default:
		for _, g := range p.HeldAt(string(id), at) {
			if n.tells(g) && (n.kind != Proposed || !assessed(p, g, at)) {
				users = append(users, g.User)
			}
		}
	}
	return slices.DeleteFunc(users, func(u string) bool { return gone(p, u, at) || slices.Contains(n.except, u) })
}

// assessed reports whether the holder of a grant had at an instant assessed
// outcomes of its trial, or was to: that somebody may be shown an arm isn't for them.
func assessed(p *people.State, g people.Grant, at time.Time) bool {
	return slices.ContainsFunc(p.Tenures(g.Trial), func(t people.Tenure) bool {
		return t.User == g.User && t.Role == string(trial.Assessor) && !t.From.After(at)
	})
}

// gone reports whether an account was disabled at an instant.
func gone(p *people.State, user string, at time.Time) bool {
	a, ok := p.Account(user)
	return !ok || a.Disabled && !at.Before(a.DisabledAt)
}

// helpers returns who may approve that an account gets a new password.
func helpers(p *people.State, user string, at time.Time) []string {
	var users []string
	for _, a := range p.Accounts() {
		if p.ApprovesRecovery(a.User, user, at) {
			users = append(users, a.User)
		}
	}
	return users
}

// reads reports whether notices may follow from the entries of a list. They may
// not from those of delivery, of which one arm has more than another.
func reads(list string) bool {
	id, compartment, ok := strings.Cut(list, "/")
	return list == System || ok && id != "" &&
		slices.Contains([]trial.Compartment{trial.Conduct, trial.Outcome, trial.Allocation}, trial.Compartment(compartment))
}

// trialOf returns the trial of a list; nothing for [System].
func trialOf(list string) trial.ID {
	id, _, ok := strings.Cut(list, "/")
	if !ok {
		return ""
	}
	return trial.ID(id)
}

// unsealers are those who can approve what unseals a trial or discloses an arm.
//
// Source: the permission PERMISSION_UNSEAL of package authz.
func unsealers() []trial.Role {
	return []trial.Role{trial.Custodian, trial.Investigator, trial.Statistician}
}

// newsOf returns what an entry tells. The function earlier returns an entry of
// the same list.
func newsOf(e entry.Entry, earlier func(int64) (entry.Entry, error)) ([]news, error) {
	switch event := e.Event.(type) {
	case trial.Randomized:
		return enrolled(event.Participant), nil
	case trial.ContingencyUsed:
		return enrolled(event.Participant), nil
	case trial.FormSubmitted:
		return held(event.Held, event.Participant), nil
	case trial.FormCorrected:
		return held(event.Held, event.Participant), nil
	case trial.BlindBroken:
		to := []trial.Role{trial.Custodian, trial.Investigator}
		return []news{{kind: BlindBroken, roles: to, about: event.Participant, except: []string{e.Actor, event.Person}}}, nil
	case trial.Unblinded:
		to := []trial.Role{trial.Custodian, trial.Investigator, trial.DSMB}
		return append(waiting(event.To), news{kind: Unblinded, roles: to, about: event.Participant}), nil
	case trial.UnsealingProposed:
		return []news{{kind: Proposed, roles: unsealers(), except: []string{e.Actor}}}, nil
	case trial.DisclosureProposed:
		return []news{{kind: Proposed, roles: unsealers(), except: []string{e.Actor, event.To}}}, nil
	case trial.DisclosureApproved:
		of, err := earlier(event.Proposal)
		proposed, _ := of.Event.(trial.DisclosureProposed)
		return waiting(proposed.To), err
	case people.RecoveryProposed:
		return []news{{kind: Proposed, lost: event.User, except: []string{e.Actor, event.User}}}, nil
	default:
		return nil, nil
	}
}

// enrolled tells the treatment teams of a participant's site, whatever the arm.
func enrolled(p trial.ParticipantID) []news {
	return []news{{kind: ListChanged, roles: []trial.Role{trial.TreatmentTeam}, about: p, joined: true}}
}

// held tells reviewers of held text, if there is any.
func held(items []trial.Code, p trial.ParticipantID) []news {
	if len(items) == 0 {
		return nil
	}
	return []news{{kind: TextHeld, roles: []trial.Role{trial.Reviewer}, about: p, joined: true}}
}

// waiting tells an account that something waits for it, if there is one.
func waiting(user string) []news {
	if user == "" {
		return nil
	}
	return []news{{kind: Collect, user: user}}
}
