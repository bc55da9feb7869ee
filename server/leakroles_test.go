package server_test

import (
	"fmt"
	"slices"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/server/people"
)

// showing are the roles that show an arm; apart are further pairs that nobody may
// hold, written down once more from the design and not taken from the program.
//
// Source: product.md of the design, "Forbidden together".
var (
	showing = []string{"treatment-team", "dsmb", "reviewer", "clinician"}
	apart   = [][2]string{
		{"assessor", "investigator"},
		{"assessor", "custodian"},
		{"statistician", "custodian"},
		{"administrator", "custodian"},
		{"custodian", "coordinator"},
		{"assessor", "auditor"},      // reads who did what in every compartment
		{"assessor", "statistician"}, // approves who is shown an arm, and of whom
	}
)

// forbidden reports whether nobody may hold both roles in one trial, now or ever.
func forbidden(a, b string) bool {
	return a != b && (slices.Contains(showing, a) || slices.Contains(showing, b) ||
		slices.Contains(apart, [2]string{a, b}) || slices.Contains(apart, [2]string{b, a}))
}

// asked asks for a role, and wants the refusals that the roles before demand, each
// of them audited.
func (w *world) asked(user, role string, before []string) {
	w.t.Helper()
	site, team := "", ""
	if role == "treatment-team" {
		site, team = "OSL", "northern"
	}
	refusals := w.count("system", "grant_refused "+user)
	err := w.grant("cus", user, role, site, team)
	if !slices.ContainsFunc(before, func(held string) bool { return forbidden(held, role) }) {
		if err != nil {
			w.t.Errorf("%s after %q is refused: %v", role, before, err)
		}
		return
	}
	if s := status.Convert(err); s.Code() != codes.FailedPrecondition || reasonOf(s) != "ROLE_CONFLICT" {
		w.t.Errorf("%s after %q: %v", role, before, err)
	}
	if got := w.count("system", "grant_refused "+user) - refusals; got != 1 {
		w.t.Errorf("%s after %q: %d entries of the refusal", role, before, got)
	}
}

// L23: no account gets two roles of which one could tell the other an arm, for any
// pair of roles, also after the first has ended; a refused grant is an entry.
//
// Source: blinding.md of the design, channel L23.
func TestLeakL23ForbiddenPairsAreRefused(t *testing.T) {
	w := newTrial(t, unlimited)
	roles := people.Roles()
	for i, first := range roles {
		for j, second := range roles {
			if testing.Short() && (i+j)%5 > 0 {
				continue
			}
			user := fmt.Sprintf("p-%d-%d", i, j)
			w.must(w.join(w.invite(), user))
			w.asked(user, first, nil)
			if (i+j)%2 > 0 { // what a person saw stays known
				site, team := "", ""
				if first == "treatment-team" {
					site, team = "OSL", "northern"
				}
				_, err := w.people().RevokeRole(w.as("cus"), &loddv1.RevokeRoleRequest{TrialId: "T1", User: user, Role: first, Site: site, Team: team, Reason: "moved"})
				w.must(err)
			}
			w.asked(user, second, []string{first})
		}
	}
	for i, role := range roles { // whoever runs the server
		resp, err := w.people().CreateInvite(w.as("admin"), &loddv1.CreateInviteRequest{Administrator: true})
		w.must(err)
		user := fmt.Sprint("runs-", i)
		w.must(w.join(w.code(resp.GetInvite()), user))
		w.asked(user, role, []string{"administrator"})
	}
}
