package server_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/lodd-rct/lodd/proto/invite"
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

func TestCreateInvite(t *testing.T) {
	w := newWorld(t, nil)
	w.bootstrap()
	for _, tt := range []struct {
		hours int32
		want  time.Duration // 0 if it is refused
	}{
		{0, 72 * time.Hour}, {1, time.Hour}, {720, 720 * time.Hour}, {721, 0}, {-1, 0},
	} {
		resp, err := w.people().CreateInvite(w.as("admin"), &loddv1.CreateInviteRequest{Hours: tt.hours})
		if tt.want == 0 {
			refused(t, err, codes.InvalidArgument, "")
			continue
		}
		w.must(err)
		if got := resp.GetExpires().AsTime().Sub(w.clock.now()); got != tt.want {
			t.Errorf("%d hours: expires after %v", tt.hours, got)
		}
		i, err := invite.Parse(resp.GetInvite())
		w.must(err)
		if i.Pin != w.keys.Pin() || i.Server != "Rehearsal" || !slices.Equal(i.Addresses, []string{"localhost:8443"}) {
			t.Errorf("invite = %+v", i)
		}
	}
	resp, err := w.people().CreateInvite(w.as("admin"), &loddv1.CreateInviteRequest{Administrator: true})
	w.must(err)
	w.must(w.join(w.code(resp.GetInvite()), "second"))
	accounts, err := w.people().ListAccounts(w.as("second"), &loddv1.ListAccountsRequest{})
	w.must(err)
	if a := accounts.GetAccounts(); len(a) != 2 || a[0].GetUser() != "admin" || a[1].GetUser() != "second" || !a[1].GetAdministrator() {
		t.Errorf("accounts = %v", a)
	}
}

func TestDisableAccount(t *testing.T) {
	w := newWorld(t, nil)
	w.bootstrap()
	w.must(w.join(w.invite(), "kari"))
	disable := func(user, reason string) error {
		_, err := w.people().DisableAccount(w.as("admin"), &loddv1.DisableAccountRequest{User: user, Reason: reason})
		return err
	}
	refused(t, disable("kari", " \u200b"), codes.InvalidArgument, "")
	refused(t, disable("nobody", "left"), codes.NotFound, "NOT_FOUND")
	refused(t, disable("admin", "left"), codes.InvalidArgument, "") // or nobody could run the server
	w.must(disable("kari", "left"))
	w.must(disable("kari", "left"))
	if n := w.count("system", "account_disabled"); n != 1 {
		t.Errorf("%d entries, want 1", n)
	}
	refused(t, w.join(w.invite(), "kari"), codes.AlreadyExists, "EXISTS") // names are never used again
}

// Without a custodian nobody could give a role in a trial any more.
func TestLastCustodianStays(t *testing.T) {
	w := newTrial(t, nil)
	disable := func() error {
		_, err := w.people().DisableAccount(w.as("admin"), &loddv1.DisableAccountRequest{User: "cus", Reason: "left"})
		return err
	}
	err := disable()
	refused(t, err, codes.FailedPrecondition, "")
	if !strings.Contains(status.Convert(err).Message(), "cus is the last custodian of T1") {
		t.Errorf("the refusal doesn't name the trial: %v", err)
	}
	_, err = w.people().RevokeRole(w.as("cus"), &loddv1.RevokeRoleRequest{TrialId: "T1", User: "cus", Role: "custodian", Reason: "left"})
	refused(t, err, codes.FailedPrecondition, "")
	w.must(w.join(w.invite(), "next"))
	w.must(w.grant("cus", "next", "custodian", "", ""))
	w.must(disable())
}

// Whoever may give a role is told what was wrong with what they asked for.
func TestRefusedGrantNamesItsFault(t *testing.T) {
	w := newTrial(t, nil)
	w.must(w.join(w.invite(), "new"))
	for _, tt := range []struct{ user, role, site, team, want string }{
		{"new", "king", "TRD", "", `there is no role "king"; want coordinator, assessor,`},
		{"new", "treatment-team", "", "northern", "site: is missing"},
		{"new", "treatment-team", "OSL", "", "team: is missing"},
		{"new", "coordinator", "OSL", "northern", "only the role treatment-team has an arm"},
		{"nobody", "auditor", "", "", `there is no account "nobody"; invite that person first`},
	} {
		if err := w.grant("cus", tt.user, tt.role, tt.site, tt.team); !strings.Contains(status.Convert(err).Message(), tt.want) {
			t.Errorf("%+v: %v", tt, err)
		}
	}
}

func TestGrantRole(t *testing.T) {
	w := newTrial(t, nil)
	w.must(w.join(w.invite(), "new"))
	for _, tt := range []struct {
		name, by, user, role, site, team string
		want                             codes.Code
		reason                           string
		refusals                         int // entries that record it
	}{
		{"conflict now", "cus", "oa-osl", "treatment-team", "OSL", "northern", codes.FailedPrecondition, "ROLE_CONFLICT", 1},
		{"conflict with the server's keys", "cus", "admin", "custodian", "", "", codes.FailedPrecondition, "ROLE_CONFLICT", 1},
		{"second custodian by an administrator", "admin", "new", "custodian", "", "", codes.PermissionDenied, "", 1},
		{"any role by an administrator", "admin", "new", "auditor", "", "", codes.PermissionDenied, "", 1},
		{"any role by a coordinator", "tc-osl", "new", "auditor", "", "", codes.PermissionDenied, "", 0},
		{"no such account", "cus", "nobody", "auditor", "", "", codes.NotFound, "", 0},
		{"no such role", "cus", "new", "king", "", "", codes.InvalidArgument, "", 0},
		{"no such site", "cus", "new", "coordinator", "TRD", "", codes.InvalidArgument, "", 0},
		{"no such team", "cus", "new", "treatment-team", "OSL", "western", codes.InvalidArgument, "", 0},
		{"a site for all of a trial", "cus", "new", "monitor", "OSL", "", codes.InvalidArgument, "", 0},
		{"a team without a site", "cus", "new", "treatment-team", "", "northern", codes.InvalidArgument, "", 0},
		{"a team for another role", "cus", "new", "coordinator", "OSL", "northern", codes.InvalidArgument, "", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := w.count("system", "grant_refused")
			refused(t, w.grant(tt.by, tt.user, tt.role, tt.site, tt.team), tt.want, tt.reason)
			if got := w.count("system", "grant_refused") - before; got != tt.refusals {
				t.Errorf("%d entries of a refusal, want %d", got, tt.refusals)
			}
		})
	}
	w.must(w.grant("cus", "new", "auditor", "", ""))
	w.must(w.grant("cus", "new", "auditor", "", "")) // safe to repeat
	if n := w.count("system", "role_granted new"); n != 1 {
		t.Errorf("%d grants, want 1", n)
	}
}

func TestRevokeRoleEndsItAtOnceAndIsRemembered(t *testing.T) {
	w := newTrial(t, nil)
	revoke := func(by, user, role, site, reason string) error {
		_, err := w.people().RevokeRole(w.as(by), &loddv1.RevokeRoleRequest{TrialId: "T1", User: user, Role: role, Site: site, Reason: reason})
		return err
	}
	due := func() error {
		_, err := w.assessment().ListDue(w.as("oa-osl"), &loddv1.ListDueRequest{TrialId: "T1"})
		return err
	}
	w.must(due())
	refused(t, revoke("cus", "oa-osl", "assessor", "OSL", ""), codes.InvalidArgument, "")
	refused(t, revoke("admin", "oa-osl", "assessor", "OSL", "moved"), codes.PermissionDenied, "")
	refused(t, revoke("cus", "oa-osl", "assessor", "BGO", "moved"), codes.NotFound, "NOT_FOUND")
	refused(t, revoke("cus", "nobody", "assessor", "OSL", "moved"), codes.NotFound, "NOT_FOUND")
	w.must(revoke("cus", "oa-osl", "assessor", "OSL", "moved"))
	w.must(revoke("cus", "oa-osl", "assessor", "OSL", "moved")) // safe to repeat
	refused(t, due(), codes.PermissionDenied, "")

	// What was seen once stays known.
	w.must(w.grant("cus", "oa-osl", "assessor", "OSL", ""))
	refused(t, w.grant("cus", "oa-osl", "treatment-team", "OSL", "northern"), codes.FailedPrecondition, "ROLE_CONFLICT")

	roles, err := w.people().ListRoles(w.as("cus"), &loddv1.ListRolesRequest{TrialId: "T1"})
	w.must(err)
	var held, ended int
	for _, r := range roles.GetRoles() {
		if r.GetUser() == "oa-osl" && r.GetUntil() == nil {
			held++
		} else if r.GetUser() == "oa-osl" {
			ended++
		}
	}
	if held != 1 || ended != 1 {
		t.Errorf("%d held and %d ended, want 1 of each: %v", held, ended, roles)
	}
}
