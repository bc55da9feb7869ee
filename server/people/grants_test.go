package people_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lodd-rct/lodd/server/people"
)

// apart are the pairs that nobody may hold in one trial, written out once more.
var apart = map[string]string{
	"assessor investigator": "may unblind in an emergency", "statistician custodian": "knows the design",
	"custodian coordinator": "knows the design and would enrol", "assessor custodian": "knows the design",
}

// forbidden adds the roles that show an arm, which go with no other.
func forbidden(a, b string) bool {
	shows := func(role string) bool {
		return slices.Contains([]string{"treatment-team", "dsmb", "reviewer", "clinician"}, role)
	}
	return a != b && (shows(a) || shows(b)) || apart[a+" "+b] != "" || apart[b+" "+a] != ""
}

// barred reports whether the second of two roles isn't given beside the first,
// though logs may hold both.
func barred(a, b string) bool {
	pair := a + " " + b
	return slices.Contains([]string{"assessor auditor", "auditor assessor", "assessor statistician", "statistician assessor"}, pair)
}

// Every pair of roles, in both orders, while the first is held and after it was
// taken away: what a person once saw stays known.
func TestACC05ForbiddenPairsAreRefusedNowAndEver(t *testing.T) {
	if len(people.Roles()) != 11 {
		t.Fatalf("%d roles, the pairs are written for 11", len(people.Roles()))
	}
	for _, first := range people.Roles() {
		for _, second := range people.Roles() {
			for _, revoked := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, %s, revoked %t", first, second, revoked), func(t *testing.T) {
					d := custody(t, "kari")
					had, wanted := role("kari", first), role("kari", second)
					wanted.Site = "BERGEN" // another grant, if the roles are the same
					d.must(people.Granted{Grant: had})
					if revoked {
						d.must(people.Revoked{Grant: had, Reason: "left"})
					}
					if barred(first, second) {
						checkBarred(t, d, wanted, first)
						return
					}
					checkGrant(t, d, wanted, forbidden(first, second), first)
				})
			}
		}
	}
}

// checkGrant grants as the custodian does. Apply is of the same mind as Grant.
func checkGrant(t *testing.T, d *diary, g people.Grant, refused bool, because string) {
	t.Helper()
	e, err := d.Grant("liv", d.Last(), people.Granted{Grant: g})
	if !refused {
		if diff := cmp.Diff(people.Event(people.Granted{Grant: g}), e); err != nil || diff != "" {
			t.Errorf("Grant: %v\n%s", err, diff)
		}
		d.must(e)
		return
	}
	if diff := cmp.Diff(people.Event(people.Refused{Grant: g, Conflict: because}), e); !errors.Is(err, people.ErrConflict) || diff != "" {
		t.Errorf("Grant: %v, want %v\n%s", err, people.ErrConflict, diff)
	}
	if err := d.Apply(people.Meta{Index: d.Len(), At: d.Last()}, people.Granted{Grant: g}); !errors.Is(err, people.ErrConflict) {
		t.Errorf("Apply of the grant: %v, want %v", err, people.ErrConflict)
	}
	d.must(e) // a refused grant is itself an entry
	if d.Holds(g.User, g.Trial, g.Role, d.Last()) && g.Role != because {
		t.Error("the refused role is held")
	}
}

// checkBarred wants a role to be refused, and a log in which it was given to stay
// readable.
func checkBarred(t *testing.T, d *diary, g people.Grant, because string) {
	t.Helper()
	e, err := d.Grant("liv", d.Last(), people.Granted{Grant: g})
	if diff := cmp.Diff(people.Event(people.Refused{Grant: g, Conflict: because}), e); !errors.Is(err, people.ErrConflict) || diff != "" {
		t.Errorf("Grant: %v, want %v\n%s", err, people.ErrConflict, diff)
	}
	d.must(e)
	d.must(people.Granted{Grant: g})
}

// What is held in one trial says nothing of another; a third role in between
// doesn't make it forgotten.
func TestConflictsLookAtTheWholeHistoryOfOneTrial(t *testing.T) {
	d := custody(t, "kari")
	for _, e := range []people.Event{
		people.Granted{Grant: role("kari", "statistician")},
		people.Revoked{Grant: role("kari", "statistician"), Reason: "left"},
		people.Granted{Grant: role("kari", "coordinator")},
		people.Revoked{Grant: role("kari", "coordinator"), Reason: "left"},
		people.Granted{Grant: role("kari", "auditor")},
	} {
		d.must(e)
	}
	for _, tt := range []struct {
		trial, role, want string
	}{
		{"IPS", "custodian", "statistician"},
		{"IPS", "dsmb", "statistician"},
		{"IPS", "monitor", ""},
		{"IPS", "investigator", ""},
		{"OTHER", "dsmb", ""},
		{"OTHER", "custodian", ""},
	} {
		if got := d.Conflict(people.Grant{User: "kari", Trial: tt.trial, Role: tt.role}); got != tt.want {
			t.Errorf("%s in %s conflicts with %q, want %q", tt.role, tt.trial, got, tt.want)
		}
	}
}

// Whoever saw the lists of both arms of a site would know the sequence.
func TestNobodyIsInTheTeamsOfTwoArms(t *testing.T) {
	d := custody(t, "kari")
	team := role("kari", "treatment-team")
	d.must(people.Granted{Grant: team})
	elsewhere, otherArm := team, team
	elsewhere.Site, otherArm.Team = "BERGEN", "tau"
	checkGrant(t, d, otherArm, true, "treatment-team")
	d.must(people.Revoked{Grant: team, Reason: "left"})
	checkGrant(t, d, otherArm, true, "treatment-team")
	checkGrant(t, d, elsewhere, false, "")
}

func TestWhoMayGrant(t *testing.T) {
	revokedCustodian := []people.Event{people.Granted{Grant: role("liv", "custodian")}, people.Revoked{Grant: role("liv", "custodian"), Reason: "left"}}
	for _, tt := range []struct {
		name   string
		events []people.Event
		by     string
		grant  people.Grant
		want   error
	}{
		{"the first custodian by an administrator", nil, "root", role("liv", "custodian"), nil},
		{"another first role by an administrator", nil, "root", role("kari", "coordinator"), people.ErrNotYours},
		{"the first custodian by anybody else", nil, "kari", role("kari", "custodian"), people.ErrNotYours},
		{"the first custodian by nobody", nil, "nobody", role("kari", "custodian"), people.ErrNotYours},
		{"a second custodian by an administrator", revokedCustodian[:1], "root", role("kari", "custodian"), people.ErrNotYours},
		{"a custodian after the first left, by an administrator", revokedCustodian, "root", role("kari", "custodian"), people.ErrNotYours},
		{"a custodian after the first was disabled, by an administrator", []people.Event{revokedCustodian[0], people.Disabled{User: "liv"}}, "root", role("kari", "custodian"), people.ErrNotYours},
		{"a role by the custodian to themselves", revokedCustodian[:1], "liv", role("liv", "monitor"), people.ErrNotYours},
		{"a second custodian by the first", revokedCustodian[:1], "liv", role("kari", "custodian"), nil},
		{"a role by the custodian", revokedCustodian[:1], "liv", role("kari", "coordinator"), nil},
		{"a role by an administrator", revokedCustodian[:1], "root", role("kari", "coordinator"), people.ErrNotYours},
		{"a role by a former custodian", revokedCustodian, "liv", role("kari", "coordinator"), people.ErrNotYours},
		{"a role by the custodian of another trial", revokedCustodian[:1], "liv", people.Grant{User: "kari", Trial: "OTHER", Role: "coordinator"}, people.ErrNotYours},
		{"a role by a disabled custodian", []people.Event{revokedCustodian[0], people.Disabled{User: "liv"}}, "liv", role("kari", "coordinator"), people.ErrNotYours},
		{"a custodian who runs the server", nil, "root", role("root", "custodian"), people.ErrNotYours},
		{"another administrator as custodian", revokedCustodian[:1], "liv", role("root", "custodian"), people.ErrConflict},
		{"an administrator in a treatment team", revokedCustodian[:1], "liv", people.Grant{User: "root", Trial: "IPS", Role: "treatment-team", Site: "OSLO", Team: "ips"}, people.ErrConflict},
		{"nobody", revokedCustodian[:1], "liv", role("ola", "assessor"), people.ErrNoAccount},
		{"a disabled account", []people.Event{revokedCustodian[0], people.Disabled{User: "kari"}}, "liv", role("kari", "assessor"), people.ErrDisabled},
		{"an unknown role", revokedCustodian[:1], "liv", role("kari", "nurse"), people.ErrRole},
		{"the administrator of a trial", revokedCustodian[:1], "liv", role("kari", "administrator"), people.ErrRole},
		{"a role in no trial", revokedCustodian[:1], "liv", people.Grant{User: "kari", Role: "assessor"}, people.ErrRole},
		{"a team without an arm", revokedCustodian[:1], "liv", people.Grant{User: "kari", Trial: "IPS", Role: "treatment-team", Site: "OSLO"}, people.ErrRole},
		{"a team without a site", revokedCustodian[:1], "liv", people.Grant{User: "kari", Trial: "IPS", Role: "treatment-team", Team: "ips"}, people.ErrRole},
		{"an assessor with an arm", revokedCustodian[:1], "liv", people.Grant{User: "kari", Trial: "IPS", Role: "assessor", Team: "ips"}, people.ErrRole},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := write(t, append(accounts("liv", "kari"), tt.events...)...)
			e, err := d.Grant(tt.by, d.Last(), people.Granted{Grant: tt.grant})
			if !errors.Is(err, tt.want) {
				t.Fatalf("Grant: %v, want %v", err, tt.want)
			}
			_, refused := e.(people.Refused)
			if wanted := errors.Is(tt.want, people.ErrNotYours) || errors.Is(tt.want, people.ErrConflict); refused != wanted {
				t.Errorf("Grant returned %#v; want a refusal to be recorded: %t", e, wanted)
			}
			if e != nil {
				d.must(e)
			}
			if got := d.Holds(tt.grant.User, tt.grant.Trial, tt.grant.Role, d.Last()); got != (tt.want == nil) {
				t.Errorf("held: %t", got)
			}
		})
	}
}

func TestGrantTwiceNeedsNoEvent(t *testing.T) {
	d := custody(t, "kari")
	g := role("kari", "assessor")
	d.must(people.Granted{Grant: g})
	if e, err := d.Grant("liv", d.Last(), people.Granted{Grant: g}); e != nil || err != nil {
		t.Errorf("Grant of what is held = %v, %v", e, err)
	}
	if err := d.Apply(people.Meta{Index: d.Len(), At: d.Last()}, people.Granted{Grant: g}); err == nil {
		t.Error("the same grant was applied twice: one revocation would leave it in force")
	}
	if e := d.Revoke(g, d.Last(), "left"); e != (people.Revoked{Grant: g, Reason: "left"}) {
		t.Errorf("Revoke = %v", e)
	}
	d.must(d.Revoke(g, d.Last(), "left"))
	if e := d.Revoke(g, d.Last(), "left"); e != nil {
		t.Errorf("Revoke of what is not held = %v", e)
	}
	if e, err := d.Grant("liv", d.Last(), people.Granted{Grant: g}); e != (people.Granted{Grant: g}) || err != nil {
		t.Errorf("Grant of what was held = %v, %v", e, err)
	}
}

// Disabling an account ends what it holds, in the review of that day too, and
// its history goes on to exclude.
func TestACC07DisabledAccountHoldsNothing(t *testing.T) {
	d := custody(t, "kari")
	d.must(people.Granted{Grant: role("kari", "assessor")})
	held := d.Last()
	d.must(people.Disabled{User: "kari", Reason: "left"})
	if got := d.Grants("kari", d.Last()); got != nil {
		t.Errorf("holds %v", got)
	}
	if got := d.HeldAt("IPS", held); len(got) != 2 {
		t.Errorf("a minute earlier the trial's grants were %v", got)
	}
	if got := d.HeldAt("IPS", d.Last()); len(got) != 1 || got[0].User != "liv" {
		t.Errorf("the trial's grants are %v", got)
	}
	if got := d.Conflict(role("kari", "investigator")); got != "assessor" {
		t.Errorf("conflict %q", got)
	}
}
