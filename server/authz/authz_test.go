package authz_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/server/authn"
	"github.com/lodd-rct/lodd/server/authz"
	"github.com/lodd-rct/lodd/server/people"
	"github.com/lodd-rct/lodd/server/trial"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares got with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := "testdata/" + name
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s differs; if that is meant, run the test with -update and say why in the commit:\n%s", path, diff)
	}
}

func short(p loddv1.Permission) string {
	return strings.TrimPrefix(p.String(), "PERMISSION_")
}

// Every role with what it holds, and every method with who may call it.
func TestMatrix(t *testing.T) {
	var b strings.Builder
	roles := append([]string{string(trial.Administrator)}, people.Roles()...)
	for _, r := range roles {
		var held []string
		for _, p := range authz.Permissions(trial.Role(r)) {
			held = append(held, short(p))
		}
		fmt.Fprintf(&b, "%-14s %s\n", r, strings.Join(held, " "))
	}
	b.WriteString("\n")
	methods, err := authz.Methods()
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for m, p := range methods {
		var may []string
		for _, r := range roles {
			if slices.Contains(authz.Permissions(trial.Role(r)), p) {
				may = append(may, r)
			}
		}
		who := strings.Join(may, " ")
		if p == loddv1.Permission_PERMISSION_PUBLIC || p == loddv1.Permission_PERMISSION_SESSION {
			who = "everyone"
		}
		lines = append(lines, fmt.Sprintf("%-55s %-11s %s\n", m, short(p), who))
	}
	slices.Sort(lines)
	golden(t, "matrix.golden", b.String()+strings.Join(lines, ""))
}

// No role but the treatment team's may see an arm, and that role sees nothing
// of what an assessor, a monitor or a custodian works with.
func TestOnlyTheTreatmentTeamUnblinds(t *testing.T) {
	unblind := loddv1.Permission_PERMISSION_UNBLIND
	for _, r := range append([]string{string(trial.Administrator), "", "king"}, people.Roles()...) {
		if got := slices.Contains(authz.Permissions(trial.Role(r)), unblind); got != (r == string(trial.TreatmentTeam)) {
			t.Errorf("%q unblinds: %v", r, got)
		}
	}
	for _, p := range authz.Permissions(trial.TreatmentTeam) {
		if !slices.Contains([]loddv1.Permission{unblind, loddv1.Permission_PERMISSION_READ_TRIAL, loddv1.Permission_PERMISSION_VERIFY, loddv1.Permission_PERMISSION_REPORT}, p) {
			t.Errorf("the treatment team holds %v", p)
		}
	}
}

func now() time.Time { return time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC) }

// staff returns accounts with these grants, in the trials T1 and T2.
func staff(t *testing.T, grants ...people.Grant) *people.State {
	t.Helper()
	s := &people.State{}
	at := now()
	apply := func(e people.Event) {
		t.Helper()
		if err := s.Apply(people.Meta{Index: s.Len(), At: at}, e); err != nil {
			t.Fatal(err)
		}
	}
	apply(people.Created{User: "admin", Administrator: true})
	for i, u := range []string{"kari", "gone"} {
		apply(people.Invited{Invite: u, CodeHash: [32]byte{byte(i + 1)}, Expires: at})
		apply(people.Created{User: u, Invite: u})
	}
	for _, g := range grants {
		apply(people.Granted{Grant: g})
	}
	apply(people.Disabled{User: "gone"})
	return s
}

func guard(t *testing.T, s *people.State) *authz.Guard {
	t.Helper()
	methods, err := authz.Methods()
	if err != nil {
		t.Fatal(err)
	}
	g, err := authz.New(authz.Config{
		Now:     now,
		Methods: methods,
		People:  func(f func(*people.State)) { f(s) },
		Trial:   func(id string) bool { return id == "T1" || id == "T2" },
	})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func as(t *testing.T, user string) context.Context {
	if user == "" {
		return t.Context()
	}
	return authn.WithPrincipal(t.Context(), authn.Principal{User: user})
}

func TestAllow(t *testing.T) {
	g := guard(t, staff(t,
		people.Grant{User: "kari", Trial: "T1", Role: "coordinator", Site: "OSL"},
		people.Grant{User: "kari", Trial: "T1", Role: "investigator", Site: "OSL"},
		people.Grant{User: "kari", Trial: "T1", Role: "monitor", Site: "OSL"},
		people.Grant{User: "gone", Trial: "T1", Role: "coordinator"},
	))
	const ok, denied = codes.OK, codes.PermissionDenied
	for _, tt := range []struct {
		name, user, method string
		req                any
		want               codes.Code
	}{
		{"public", "", loddv1.SessionService_Login_FullMethodName, &loddv1.LoginRequest{}, ok},
		{"no session", "", loddv1.SessionService_WhoAmI_FullMethodName, &loddv1.WhoAmIRequest{}, codes.Unauthenticated},
		{"a session", "kari", loddv1.SessionService_WhoAmI_FullMethodName, &loddv1.WhoAmIRequest{}, ok},
		{"a session of nobody", "ola", loddv1.SessionService_WhoAmI_FullMethodName, &loddv1.WhoAmIRequest{}, denied},
		{"a session of a disabled account", "gone", loddv1.SessionService_WhoAmI_FullMethodName, &loddv1.WhoAmIRequest{}, denied},
		{"the role", "kari", loddv1.ScreeningService_Exclude_FullMethodName, &loddv1.ExcludeRequest{TrialId: "T1"}, ok},
		{"a role of a disabled account", "gone", loddv1.ScreeningService_Exclude_FullMethodName, &loddv1.ExcludeRequest{TrialId: "T1"}, denied},
		{"another trial", "kari", loddv1.ScreeningService_Exclude_FullMethodName, &loddv1.ExcludeRequest{TrialId: "T2"}, denied},
		{"no trial", "kari", loddv1.ScreeningService_Exclude_FullMethodName, &loddv1.ExcludeRequest{TrialId: "T9"}, denied},
		{"no name of a trial", "kari", loddv1.ScreeningService_Exclude_FullMethodName, &loddv1.ExcludeRequest{}, denied},
		{"another permission", "kari", loddv1.TrialService_SealDesign_FullMethodName, &loddv1.SealDesignRequest{TrialId: "T1"}, denied},
		{"an arm", "kari", loddv1.DeliveryService_ListTeam_FullMethodName, &loddv1.ListTeamRequest{TrialId: "T1"}, denied},
		{"the whole trial with a grant for a site", "kari", loddv1.ExportService_TakeLock_FullMethodName, &loddv1.TakeLockRequest{TrialId: "T1"}, denied},
		{"enrolment with a grant for a site", "kari", loddv1.TrialService_OpenEnrolment_FullMethodName, &loddv1.OpenEnrolmentRequest{TrialId: "T1"}, denied},
		{"an unknown method", "kari", "/lodd.v1.TrialService/Nope", &loddv1.GetTrialRequest{TrialId: "T1"}, denied},
		{"an unknown method of an administrator", "admin", "/lodd.v1.TrialService/Nope", &loddv1.GetTrialRequest{TrialId: "T1"}, denied},
		{"administering", "kari", loddv1.PeopleService_ListAccounts_FullMethodName, &loddv1.ListAccountsRequest{}, denied},
		{"an administrator", "admin", loddv1.PeopleService_ListAccounts_FullMethodName, &loddv1.ListAccountsRequest{}, ok},
		{"an administrator reads a protocol", "admin", loddv1.TrialService_GetTrial_FullMethodName, &loddv1.GetTrialRequest{TrialId: "T1"}, ok},
		{"an administrator of no trial", "admin", loddv1.TrialService_GetTrial_FullMethodName, &loddv1.GetTrialRequest{TrialId: "T9"}, denied},
		{"an administrator enrols", "admin", loddv1.ScreeningService_Exclude_FullMethodName, &loddv1.ExcludeRequest{TrialId: "T1"}, denied},
		{"an administrator verifies", "admin", loddv1.AuditService_ListEntries_FullMethodName, &loddv1.ListEntriesRequest{TrialId: "T1"}, denied},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := g.Allow(as(t, tt.user), tt.method, tt.req)
			if got := status.Code(err); got != tt.want {
				t.Errorf("code = %v, want %v", got, tt.want)
			}
		})
	}
}

// A trial that isn't there and one that isn't the caller's look the same.
func TestRefusalsLookTheSame(t *testing.T) {
	g := guard(t, staff(t))
	texts := map[string]bool{}
	for _, id := range []string{"T1", "T9", ""} {
		_, err := g.Allow(as(t, "kari"), loddv1.TrialService_GetTrial_FullMethodName, &loddv1.GetTrialRequest{TrialId: id})
		texts[status.Convert(err).Proto().String()] = true
	}
	if len(texts) != 1 {
		t.Errorf("refusals = %v", texts)
	}
}

// Whoever acts does so in a role that the method asks for, where it holds.
func TestAccess(t *testing.T) {
	g := guard(t, staff(t,
		people.Grant{User: "kari", Trial: "T1", Role: "coordinator", Site: "OSL"},
		people.Grant{User: "kari", Trial: "T2", Role: "auditor"},
		people.Grant{User: "kari", Trial: "T1", Role: "investigator"},
	))
	access := func(user, method string, req any) authz.Access {
		ctx, err := g.Allow(as(t, user), method, req)
		if err != nil {
			t.Fatal(err)
		}
		return authz.FromContext(ctx)
	}
	a := access("kari", loddv1.ParticipantService_RecordDeath_FullMethodName, &loddv1.RecordDeathRequest{TrialId: "T1"})
	if a.User != "kari" || a.Administrator || a.Role() != trial.Coordinator || a.RoleAt("OSL") != trial.Coordinator || a.RoleAt("BGO") != trial.Investigator {
		t.Errorf("conduct: %+v", a)
	}
	if !a.Holds(trial.Auditor, trial.Investigator) || a.Holds(trial.Auditor) || !a.HoldsAt(trial.Coordinator, "OSL") || a.HoldsAt(trial.Coordinator, "BGO") || a.Teams() != nil {
		t.Errorf("conduct: %+v", a)
	}
	a = access("kari", loddv1.ScreeningService_Exclude_FullMethodName, &loddv1.ExcludeRequest{TrialId: "T1"})
	if a.RoleAt("OSL") != trial.Coordinator || a.RoleAt("BGO") != "" {
		t.Errorf("enrol: %+v", a)
	}
	a = access("kari", loddv1.TrialService_CloseEnrolment_FullMethodName, &loddv1.CloseEnrolmentRequest{TrialId: "T1"})
	if a.Role() != trial.Investigator {
		t.Errorf("open: %+v", a)
	}
	a = access("admin", loddv1.TrialService_CreateTrial_FullMethodName, &loddv1.CreateTrialRequest{})
	if a.Role() != trial.Administrator || a.RoleAt("OSL") != "" {
		t.Errorf("administer: %+v", a)
	}
	if none := authz.FromContext(t.Context()); none.Role() != "" || none.RoleAt("OSL") != "" || none.Holds(trial.Coordinator) {
		t.Errorf("a call that no guard saw: %+v", none)
	}
}

func TestNewRefusesAnIncompleteConfig(t *testing.T) {
	if _, err := authz.New(authz.Config{}); err == nil {
		t.Error("a guard without methods was made")
	}
}
