package outbox_test

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/server/authz"
	"github.com/lodd-rct/lodd/server/outbox"
	"github.com/lodd-rct/lodd/server/people"
	"github.com/lodd-rct/lodd/server/trial"
)

// told is whom a world's outbox told of what.
func told(w *world) map[outbox.Kind][]string {
	out := map[outbox.Kind][]string{}
	for _, n := range w.sent.taken() {
		out[n.Kind] = append(out[n.Kind], n.To)
	}
	for _, to := range out {
		slices.Sort(to)
	}
	return out
}

// Each row is an entry, who wrote it, and whom it tells what. Participant P is at
// Oslo, Q is not.
func TestEntriesTellThoseWhoAreConcerned(t *testing.T) {
	type all = map[outbox.Kind][]string
	for name, tt := range map[string]struct {
		list, actor string
		event       any
		want        all
	}{
		"randomized":      {"IPS/conduct", "tove", trial.Randomized{Participant: "P"}, all{outbox.ListChanged: addresses("ina", "tom")}},
		"by an envelope":  {"IPS/conduct", "tove", trial.ContingencyUsed{Participant: "Q"}, all{outbox.ListChanged: addresses("bea")}},
		"allocated":       {"IPS/allocation", "server", trial.Allocated{Participant: "P"}, all{}},
		"unblinded":       {"IPS/allocation", "per", trial.Unblinded{Participant: "P"}, all{outbox.Unblinded: addresses("dag", "kari", "per", "petter")}},
		"for a clinician": {"IPS/allocation", "per", trial.Unblinded{Participant: "Q", To: "klara"}, all{outbox.Unblinded: addresses("dag", "kari", "per"), outbox.Collect: addresses("klara")}},
		"collected":       {"IPS/allocation", "klara", trial.ArmCollected{}, all{}},
		"blind broken":    {"IPS/outcome", "olav", trial.BlindBroken{Participant: "P", Person: "olav"}, all{outbox.BlindBroken: addresses("kari", "per", "petter")}},
		"told by another": {"IPS/outcome", "petter", trial.BlindBroken{Participant: "P", Person: "per"}, all{outbox.BlindBroken: addresses("kari")}},
		"unsealing":       {"IPS/conduct", "per", trial.UnsealingProposed{}, all{outbox.Proposed: addresses("kari", "stine")}},
		"disclosure":      {"IPS/allocation", "per", trial.DisclosureProposed{Participant: "P", To: "aud"}, all{outbox.Proposed: addresses("kari", "stine")}},
		"form":            {"IPS/outcome", "olav", trial.FormSubmitted{Participant: "P"}, all{}},
		"held text":       {"IPS/outcome", "olav", trial.FormSubmitted{Participant: "P", Held: []trial.Code{"why"}}, all{outbox.TextHeld: addresses("rita")}},
		"corrected text":  {"IPS/conduct", "tove", trial.FormCorrected{Participant: "Q", Held: []trial.Code{"why"}}, all{outbox.TextHeld: addresses("rita")}},
		"contact":         {"IPS/delivery", "ina", trial.ContactRecorded{Sealed: []byte{1}}, all{}},
		"recovery":        {"system", "ada", people.RecoveryProposed{User: "olav"}, all{outbox.Proposed: addresses("kari")}},
		"of the only one": {"system", "ada", people.RecoveryProposed{User: "kari"}, all{outbox.Proposed: addresses("eva")}},
		"no role":         {"system", "ada", people.RecoveryProposed{User: "eva"}, all{}},
		"other admin":     {"system", "dag", people.RecoveryProposed{User: "eva"}, all{outbox.Proposed: addresses("ada")}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.sites = map[trial.ParticipantID]trial.SiteID{"P": "OSL", "Q": "BGO"}
			w.log(tt.list, tt.actor, tt.event)
			w.now = t0.Add(time.Hour)
			w.round()
			if diff := cmp.Diff(tt.want, told(w)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Whoever was disclosed an arm is told once two people approved it.
func TestDisclosureIsToldToWhomItIsFor(t *testing.T) {
	w := newWorld(t)
	w.log("IPS/allocation", "server", trial.Allocated{Participant: "P"})
	n := w.log("IPS/allocation", "per", trial.DisclosureProposed{Participant: "P", To: "aud"})
	w.log("IPS/allocation", "kari", trial.DisclosureApproved{Proposal: n})
	w.round()
	want := map[outbox.Kind][]string{outbox.Proposed: addresses("kari", "stine"), outbox.Collect: addresses("aud")}
	if diff := cmp.Diff(want, told(w)); diff != "" {
		t.Error(diff)
	}
}

// A proposal is told to whoever holds the permission to approve it for the whole
// trial, but the person who proposed.
func TestProposalIsToldToThoseWhoCanApprove(t *testing.T) {
	w := newWorld(t)
	may := map[string]bool{}
	for _, g := range w.people.HeldAt("IPS", t0) {
		if g.Site == "" && slices.Contains(authz.Permissions(trial.Role(g.Role)), loddv1.Permission_PERMISSION_UNSEAL) {
			may[g.User] = true
		}
	}
	w.log("IPS/conduct", "nobody", trial.UnsealingProposed{})
	if diff := cmp.Diff(addresses(slices.Sorted(maps.Keys(may))...), w.round()); diff != "" || len(may) < 3 {
		t.Error(diff)
	}
}

// Of a proposal nobody is told who assesses outcomes of the trial, or once did,
// though logs may hold such a role beside one that approves.
func TestProposalIsNotToldToAssessors(t *testing.T) {
	for name, roles := range map[string][]string{"first": {"assessor", "statistician"}, "then": {"statistician", "assessor"}} {
		for _, ended := range []bool{false, true} {
			w := newWorld(t)
			w.apply(people.Invited{Invite: "invite-both", CodeHash: [32]byte{255}, Expires: w.now})
			w.apply(people.Created{User: "both", FullName: "both", Invite: "invite-both"})
			for _, role := range roles {
				w.grant("IPS", people.Grant{User: "both", Role: role})
			}
			if ended {
				w.apply(people.Revoked{Grant: people.Grant{User: "both", Trial: "IPS", Role: "assessor"}, Reason: "left"})
			}
			w.log("IPS/conduct", "nobody", trial.UnsealingProposed{})
			w.log("IPS/allocation", "nobody", trial.DisclosureProposed{Participant: "OSL-1", To: "aud", Reason: "inspection"})
			if to := w.round(); len(to) < 3 || slices.Contains(to, addresses("both")[0]) {
				t.Errorf("%s, ended %t: told %q", name, ended, to)
			}
		}
	}
}
