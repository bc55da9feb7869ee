package server_test

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/server"
	"github.com/lodd-rct/lodd/server/authz"
	"github.com/lodd-rct/lodd/server/trial"
)

// unlimited is for tests that call much while the clock stands still.
func unlimited(c *server.Config) {
	c.Limits = server.Limits{PerSecond: 1e6, Burst: 1e8, StrangersPerSecond: 1e6, StrangersBurst: 1e8}
}

// about are values for the fields of a request, by their names; what the request
// hasn't, or has of another type, is left out.
type about map[protoreflect.Name]any

// request returns a request that holds what is about, and for the rest what people
// may well send.
func (w *world) request(m protoreflect.MethodDescriptor, about about) proto.Message {
	w.t.Helper()
	req := dynamicpb.NewMessage(m.Input())
	usual := map[protoreflect.Name]any{
		"trial_id": "T1", "request_id": w.id(), "visit": "month-6", "form": "mood", "list": "T1/conduct", "lock": int32(1), "size": int64(1),
		"user": "nobody", "from": "nobody", "to": "cl", "role": "auditor", "site": "OSL", "values": `{"glad": 1, "calm": 2}`, "scope": "follow-up",
		"category": "medical", "related": "no", "kind": "duplicate", "reason": "other", "text": "Told by the ward on the phone.", "on": "2026-03-01",
		"timing": "after-assessment", "how": "other", "impact": "none", "measure": "none", "number": int64(0), "meaning": "reviewed", "version": "1",
		"act": "/lodd.v1.UnblindingService/Unblind", "password": password, "release": true, "raw": true,
	}
	for _, values := range []map[protoreflect.Name]any{usual, about} {
		for name, value := range values {
			f := m.Input().Fields().ByName(name)
			if f == nil || f.IsList() || f.IsMap() || f.Message() != nil || fmt.Sprintf("%T", f.Default().Interface()) != fmt.Sprintf("%T", value) {
				continue
			}
			req.Set(f, protoreflect.ValueOf(value))
		}
	}
	return req
}

// call calls a method as a user and returns how it ended.
func (w *world) call(user string, m protoreflect.MethodDescriptor, about about) error {
	w.t.Helper()
	err := w.sent(w.as(user), m, marshal(w, w.request(m, about)))
	if m.Name() == "Logout" {
		delete(w.tokens, user)
	}
	return err
}

// denied reports whether a call ended because the caller may not use the method.
// Handlers that refuse give a reason beside the code.
func denied(err error) bool {
	s := status.Convert(err)
	return s.Code() == codes.PermissionDenied && s.Message() == "permission denied" && reasonOf(s) == ""
}

// wide are the permissions that are about a trial as a whole, so that nobody has
// them who holds a role at one site.
var wide = []loddv1.Permission{
	loddv1.Permission_PERMISSION_OPEN, loddv1.Permission_PERMISSION_UNSEAL, loddv1.Permission_PERMISSION_REVEAL, loddv1.Permission_PERMISSION_IMPACT,
}

// everyRole is one person of each role, and some who hold a role at one site.
var everyRole = append(slices.Clone(cast), []struct{ user, role, site, team string }{
	{"admin", "administrator", "", ""},
	{"re", "reviewer", "", ""},
	{"cl", "clinician", "", ""},
	{"pi-osl", "investigator", "OSL", ""},
	{"tc", "coordinator", "", ""},
	{"oa", "assessor", "", ""},
}...)

// newProduct returns a trial in which everybody of everyRole works, and two
// participants of either arm and one of another site.
func newProduct(t *testing.T) *world {
	t.Helper()
	w := newTrial(t, unlimited)
	for _, p := range everyRole[len(cast):] {
		if p.role != "administrator" {
			w.must(w.join(w.invite(), p.user))
			w.must(w.grant("cus", p.user, p.role, p.site, p.team))
		}
	}
	for i := range 4 {
		w.randomize(fmt.Sprint("S-", i), "OSL")
	}
	w.randomize("S-B", "BGO")
	w.takeLock()
	w.wait(180 * 24 * time.Hour) // month-6 is due
	return w
}

// handlersDeny are methods whose handlers refuse some of those who hold the
// permission, in the same words.
var handlersDeny = map[string]string{
	"ApproveRecovery": "any two who run the server, and nobody else",
	"AssessImpact":    "the auditor reads what was found, and finds nothing",
	"ListUnblindings": "not whoever holds a blinded role besides",
}

// What each role may call over the whole chain is what its permissions say, for
// every method that there is: the matrix of product.md is what the server does.
func TestEveryRoleAndEveryMethod(t *testing.T) {
	w := newProduct(t)
	allowed, refusals := 0, 0
	for _, p := range everyRole {
		holds := authz.Permissions(trial.Role(p.role))
		for _, m := range everyMethod() {
			need := permissionOf(m)
			want := slices.Contains(holds, need) && (p.site == "" || !slices.Contains(wide, need)) ||
				need == loddv1.Permission_PERMISSION_PUBLIC || need == loddv1.Permission_PERMISSION_SESSION
			err := w.call(p.user, m, about{"participant": "S-1", "confirm": "S-1", "site": cmp.Or(p.site, "OSL")})
			if _, some := handlersDeny[string(m.Name())]; some && want {
				continue
			}
			if denied(err) == want {
				t.Errorf("%s, %s at %q: %s wants %v: %v", p.user, p.role, p.site, m.FullName(), need, err)
			}
			if want {
				allowed++
			} else {
				refusals++
			}
		}
	}
	if allowed < 300 || refusals < 700 {
		t.Errorf("%d calls were allowed and %d refused: the test has no power", allowed, refusals)
	}
}

// Whoever has no role in the trial is refused whatever is asked, in the same words
// as for a trial that isn't there: without a role, with one in another trial, with
// one that ended by itself or was taken away.
func TestNobodyWithoutARole(t *testing.T) {
	w := newProduct(t)
	_, err := w.trials().CreateTrial(w.as("admin"), &loddv1.CreateTrialRequest{
		RequestId: w.id(), FileName: "protocol.yaml", Protocol: append([]byte("id: T2"), w.file("protocol.yaml")[len("id: T1"):]...),
	})
	w.must(err)
	for _, user := range []string{"guest", "other", "expired", "revoked"} {
		w.must(w.join(w.invite(), user))
	}
	grant := func(by, user, role, trialID string, expires *timestamppb.Timestamp) {
		_, err := w.people().GrantRole(w.as(by), &loddv1.GrantRoleRequest{TrialId: trialID, User: user, Role: role, Expires: expires})
		w.must(err)
	}
	grant("admin", "other", "custodian", "T2", nil)
	grant("cus", "expired", "coordinator", "T1", timestamppb.New(w.clock.now().Add(time.Hour)))
	grant("cus", "revoked", "coordinator", "T1", nil)
	before := map[string]error{}
	listing := loddv1.File_lodd_v1_screening_proto.Services().ByName("ScreeningService").Methods().ByName("ListParticipants")
	for _, user := range []string{"expired", "revoked"} {
		before[user] = w.call(user, listing, nil)
	}
	w.wait(time.Hour)
	_, err = w.people().RevokeRole(w.as("cus"), &loddv1.RevokeRoleRequest{TrialId: "T1", User: "revoked", Role: "coordinator", Reason: "moved"})
	w.must(err)
	for user, err := range before {
		if err != nil {
			t.Errorf("%s was refused before: %v", user, err)
		}
	}
	for _, user := range []string{"guest", "other", "expired", "revoked"} {
		for _, m := range everyMethod() {
			if m.Input().Fields().ByName("trial_id") == nil {
				continue
			}
			here := w.call(user, m, about{"participant": "S-1", "confirm": "S-1"})
			if !denied(here) {
				t.Errorf("%s: %s: %v", user, m.FullName(), here)
			}
			same(t, here, w.call(user, m, about{"trial_id": "T9", "participant": "S-1", "confirm": "S-1"}))
		}
	}
}

// A disabled account is heard no more, in the middle of its session.
func TestDisabledAccountCallsNothing(t *testing.T) {
	w := newProduct(t)
	w.as("tc")
	_, err := w.people().DisableAccount(w.as("admin"), &loddv1.DisableAccountRequest{User: "tc", Reason: "left"})
	w.must(err)
	ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+w.tokens["tc"])
	for _, m := range everyMethod() {
		switch permissionOf(m) {
		case loddv1.Permission_PERMISSION_PUBLIC, loddv1.Permission_PERMISSION_FOLLOW:
			continue
		default:
			err := w.sent(ctx, m, marshal(w, w.request(m, about{"participant": "S-1", "confirm": "S-1"})))
			if status.Code(err) != codes.Unauthenticated {
				t.Errorf("%s: %v", m.FullName(), err)
			}
		}
	}
}

// To whoever works at one site, somebody of another is nobody, whatever is asked.
func TestAnotherSiteIsNowhere(t *testing.T) {
	w := newProduct(t)
	asked := 0
	for _, user := range []string{"tc-bgo", "oa-bgo", "pi-osl"} {
		foreign := map[string]string{"tc-bgo": "S-1", "oa-bgo": "S-1", "pi-osl": "S-B"}[user]
		for _, m := range everyMethod() {
			if m.Input().Fields().ByName("participant") == nil || m.Name() == "AddScreening" || m.Name() == "Exclude" {
				continue // of the two TestForeignNumbersLookUnused
			}
			there := w.call(user, m, about{"participant": foreign, "confirm": foreign, "person": user})
			nowhere := w.call(user, m, about{"participant": "S-9", "confirm": "S-9", "person": user})
			asked++
			if there == nil && nowhere == nil && m.Name() == "ListEntries" {
				continue // of own entries, of which there are none
			}
			if here, there := status.Convert(nowhere), status.Convert(there); here.Code() == codes.OK || here.Proto().String() != there.Proto().String() {
				t.Errorf("%s: %s: %v and %v", user, m.FullName(), there, here)
			}
		}
	}
	if asked < 40 {
		t.Errorf("%d questions: the test has no power", asked)
	}
}
