package outbox

import (
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
	roles  []trial.Role // whoever holds one of them
	site   trial.SiteID // for this site; if empty, for the whole trial only
	except string       // an account that isn't told, since it acted
	joined bool         // with others at the next full quarter hour
}

// tells reports whether the holder of a grant is told.
func (n news) tells(g people.Grant) bool {
	if g.User == n.except || g.Site != "" && g.Site != string(n.site) {
		return false
	}
	for _, r := range n.roles {
		if g.Role == string(r) {
			return true
		}
	}
	return false
}

// reads reports whether notices may follow from the entries of a list. They may
// not from those of allocation and delivery, whatever is in them.
func reads(list string) bool {
	id, compartment, ok := strings.Cut(list, "/")
	return list == System || ok && id != "" && (compartment == string(trial.Conduct) || compartment == string(trial.Outcome))
}

// trialOf returns the trial of a list; nothing for [System].
func trialOf(list string) trial.ID {
	id, _, ok := strings.Cut(list, "/")
	if !ok {
		return ""
	}
	return trial.ID(id)
}

// unsealers are those who can approve that a trial is unsealed.
//
// Source: the permission PERMISSION_UNSEAL of package authz.
func unsealers() []trial.Role {
	return []trial.Role{trial.Custodian, trial.Investigator, trial.Statistician}
}

// newsOf returns what an entry tells, if it tells anything. It is about the site
// of the participant that the second result names, if it names one.
func newsOf(e entry.Entry) (news, trial.ParticipantID, bool) {
	switch event := e.Event.(type) {
	case trial.Randomized:
		return news{kind: ListChanged, roles: []trial.Role{trial.TreatmentTeam}, joined: true}, event.Participant, true
	case trial.ContingencyUsed:
		return news{kind: ListChanged, roles: []trial.Role{trial.TreatmentTeam}, joined: true}, event.Participant, true
	case trial.UnsealingProposed:
		return news{kind: Proposed, roles: unsealers(), except: e.Actor}, "", true
	default:
		return news{}, "", false
	}
}
