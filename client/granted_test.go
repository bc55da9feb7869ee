package client

import (
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/lodd-rct/lodd/audit"
	logv1 "github.com/lodd-rct/lodd/proto/lodd/log/v1"
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// The receipt of a role is of an entry in the list of accounts, by this account and
// about this role of this person in this trial.
func TestReceiptsOfRoles(t *testing.T) {
	tor := func() *logv1.Grant { return &logv1.Grant{User: "tor", Trial: "IPS", Role: "assessor", Site: "OSL"} }
	with := func(change func(*logv1.Grant)) *logv1.Grant {
		g := tor()
		change(g)
		return g
	}
	given := func(actor string, g *logv1.Grant) *logv1.Entry {
		return &logv1.Entry{Actor: actor, Kind: &logv1.Entry_RoleGranted{RoleGranted: &logv1.RoleGranted{Grant: g}}}
	}
	taken := func(actor string, g *logv1.Grant) *logv1.Entry {
		return &logv1.Entry{Actor: actor, Kind: &logv1.Entry_RoleRevoked{RoleRevoked: &logv1.RoleRevoked{Grant: g}}}
	}
	grant := &loddv1.GrantRoleRequest{TrialId: "IPS", User: "tor", Role: "assessor", Site: "OSL"}
	revoke := &loddv1.RevokeRoleRequest{TrialId: "IPS", User: "tor", Role: "assessor", Site: "OSL"}
	over := &loddv1.HandOverRequest{TrialId: "IPS", From: "tor", To: "eline"}
	for _, tt := range []struct {
		name  string
		req   any
		entry *logv1.Entry
		ok    bool
	}{
		{"given", grant, given("kari", tor()), true},
		{"taken", revoke, taken("kari", tor()), true},
		{"handed over", over, taken("kari", tor()), true},
		{"hidden", grant, nil, false},
		{"given by another", grant, given("per", tor()), false},
		{"taken instead", grant, taken("kari", tor()), false},
		{"to another person", grant, given("kari", with(func(g *logv1.Grant) { g.User = "tore" })), false},
		{"another role", grant, given("kari", with(func(g *logv1.Grant) { g.Role = "monitor" })), false},
		{"another site", grant, given("kari", with(func(g *logv1.Grant) { g.Site = "" })), false},
		{"another team", grant, given("kari", with(func(g *logv1.Grant) { g.Team = "ips" })), false},
		{"in another trial", grant, given("kari", with(func(g *logv1.Grant) { g.Trial = "TAU" })), false},
		{"of another person handed over", over, taken("kari", with(func(g *logv1.Grant) { g.User = "torunn" })), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var b []byte
			if tt.entry != nil {
				var err error
				if b, err = proto.Marshal(tt.entry); err != nil {
					t.Fatal(err)
				}
			}
			c := &Client{config: Config{User: "kari"}}
			r := Receipt{List: system, Index: 7, Leaf: leaf(audit.Leaf(b))}
			r.Request = c.asked(tt.req, nil, &loddv1.Receipt{List: system})
			if err := r.check(); err != nil || r.trial() != "IPS" {
				t.Errorf("the receipt is of trial %q: %v", r.trial(), err)
			}
			if err := r.answers(b); (err == nil) != tt.ok {
				t.Error(err)
			}
			r.List = "IPS/conduct"
			if r.answers(b) == nil {
				t.Error("a role is entered in conduct")
			}
		})
	}
}
