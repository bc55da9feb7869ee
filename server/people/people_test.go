package people_test

import (
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/lodd-rct/lodd/server/people"
)

func TestApplyRefuses(t *testing.T) {
	invited := people.Invited{Invite: "a", CodeHash: [32]byte{9}, Expires: start.Add(time.Hour)}
	admin := people.Invited{Invite: "b", CodeHash: [32]byte{8}, Administrator: true, Expires: start.Add(time.Hour)}
	var anything error // the row wants an error and doesn't say which
	for _, tt := range []struct {
		name  string
		after []people.Event
		next  people.Event
		want  error
	}{
		{"a name twice", accounts("kari"), people.Created{User: "kari", Invite: "invite-kari"}, people.ErrTaken},
		{"the name of a disabled account", append(accounts("kari"), people.Disabled{User: "kari"}, invited), people.Created{User: "kari", Invite: "a"}, people.ErrTaken},
		{"an account without invitation", accounts(), people.Created{User: "kari"}, people.ErrInvite},
		{"an unknown invitation", accounts(), people.Created{User: "kari", Invite: "a"}, people.ErrInvite},
		{"a used invitation", accounts("kari"), people.Created{User: "ola", Invite: "invite-kari"}, people.ErrInvite},
		{"an administrator by an invitation for others", append(accounts(), invited), people.Created{User: "kari", Invite: "a", Administrator: true}, anything},
		{"another by an invitation for an administrator", append(accounts(), admin), people.Created{User: "kari", Invite: "b"}, anything},
		{"an invitation twice", append(accounts(), invited), people.Invited{Invite: "a", CodeHash: [32]byte{7}}, anything},
		{"a code twice", append(accounts(), invited), people.Invited{Invite: "c", CodeHash: [32]byte{9}}, anything},
		{"an invitation without a name", accounts(), people.Invited{CodeHash: [32]byte{7}}, anything},
		{"disabling nobody", accounts(), people.Disabled{User: "kari"}, people.ErrNoAccount},
		{"disabling twice", append(accounts("kari"), people.Disabled{User: "kari"}), people.Disabled{User: "kari"}, people.ErrDisabled},
		{"a grant to nobody", accounts(), people.Granted{Grant: role("kari", "assessor")}, people.ErrNoAccount},
		{"a grant to a disabled account", append(accounts("kari"), people.Disabled{User: "kari"}), people.Granted{Grant: role("kari", "assessor")}, people.ErrDisabled},
		{"a grant of no role", accounts("kari"), people.Granted{Grant: role("kari", "nurse")}, people.ErrRole},
		{"a revocation of what is not held", accounts("kari"), people.Revoked{Grant: role("kari", "assessor")}, people.ErrNoGrant},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := write(t, tt.after...)
			err := d.add(d.Last(), tt.next)
			if err == nil || tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("Apply: %v, want %v", err, tt.want)
			}
		})
	}
	d := write(t, accounts()...)
	if err := d.Apply(people.Meta{Index: d.Len() + 1, At: d.Last()}, people.SignedIn{}); err == nil {
		t.Error("an entry after a gap was applied")
	}
	if err := d.Apply(people.Meta{Index: d.Len(), At: d.Last().Add(-1)}, people.SignedIn{}); err == nil {
		t.Error("an earlier entry was applied")
	}
}

func TestInvitationsEnd(t *testing.T) {
	i := people.Invited{Invite: "a", CodeHash: [32]byte{9}, Expires: start.Add(time.Hour)}
	d := write(t, append(accounts(), i)...)
	if _, err := d.Invite([32]byte{1}, start); !errors.Is(err, people.ErrInvite) {
		t.Errorf("unknown: %v", err)
	}
	if got, err := d.Invite(i.CodeHash, i.Expires); err != nil || got != i {
		t.Errorf("at its end: %v, %v", got, err)
	}
	if _, err := d.Invite(i.CodeHash, i.Expires.Add(time.Millisecond)); !errors.Is(err, people.ErrInvite) {
		t.Errorf("after its end: %v", err)
	}
	d.must(people.Created{User: "kari", FullName: "Kari", Invite: "a"})
	if _, err := d.Invite(i.CodeHash, start); !errors.Is(err, people.ErrInvite) {
		t.Errorf("used: %v", err)
	}
	want := []people.Account{
		{User: "root", FullName: "Root", Administrator: true, Created: start},
		{User: "kari", FullName: "Kari", Created: start.Add(2 * time.Minute)},
	}
	if diff := cmp.Diff(want, d.Accounts()); diff != "" {
		t.Error(diff)
	}
}

// event draws an event that may or may not be allowed.
func event(t *rapid.T, d *diary) people.Event {
	user := rapid.SampledFrom([]string{"kari", "ola", "liv", "root"}).Draw(t, "user")
	g := role(user, rapid.SampledFrom(people.Roles()).Draw(t, "role"))
	g.Trial = rapid.SampledFrom([]string{"IPS", "OTHER"}).Draw(t, "trial")
	granted, _ := d.Grant(rapid.SampledFrom([]string{"root", "liv"}).Draw(t, "by"), d.Last(), people.Granted{Grant: g})
	end := d.Last().Add(time.Duration(rapid.IntRange(-1, 5).Draw(t, "ends in ms")) * time.Millisecond)
	events := []people.Event{
		granted, granted, granted,
		people.Granted{Grant: g},
		people.Granted{Grant: g, Expires: end},
		people.Granted{Grant: g, Expires: end},
		people.Revoked{Grant: g},
		people.SignedIn{Session: "s"},
	}
	if held := d.Grants(user, d.Last()); len(held) > 0 {
		events = append(events, people.Revoked{Grant: rapid.SampledFrom(held).Draw(t, "held"), Reason: "left"})
	}
	if rapid.IntRange(0, 9).Draw(t, "disable") == 0 {
		events = append(events, people.Disabled{User: user})
	}
	return rapid.SampledFrom(events).Draw(t, "event")
}

// Who had which right on any past day is what a replay of the entries up to
// then gives, and nobody ever holds, or once held, two roles that exclude each
// other.
func TestACC06HeldAtIsTheReplayToThatInstant(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		d := custody(t, "kari", "ola")
		at := d.Last()
		for range rapid.IntRange(0, 60).Draw(rt, "events") {
			at = at.Add(time.Duration(rapid.IntRange(0, 2).Draw(rt, "ms")) * time.Millisecond)
			before := d.Clone()
			if e := event(rt, d); e == nil || d.add(at, e) != nil {
				if !reflect.DeepEqual(before, d.Clone()) {
					rt.Fatalf("%#v was refused and changed the state", e)
				}
			}
		}
		checkReplay(rt, d, at)
		checkHistory(rt, d)
	})
}

func checkReplay(t *rapid.T, d *diary, end time.Time) {
	var s people.State
	for i, l := range d.log {
		if err := s.Apply(people.Meta{Index: int64(i), At: l.at}, l.event); err != nil {
			t.Fatalf("replay: %v", err)
		}
		if i+1 < len(d.log) && d.log[i+1].at.Equal(l.at) {
			continue // the instant isn't over
		}
		for _, trial := range []string{"IPS", "OTHER"} {
			var held []people.Grant
			for _, a := range s.Accounts() {
				for _, g := range s.Grants(a.User, s.Last()) {
					if g.Trial == trial {
						held = append(held, g)
					}
				}
			}
			got := d.HeldAt(trial, l.at)
			sortGrants(held)
			sortGrants(got)
			if !slices.Equal(got, held) {
				t.Fatalf("grants of %s at %v: %v, a replay gives %v", trial, l.at, got, held)
			}
		}
	}
	if s.Len() != d.Len() || !s.Last().Equal(d.Last()) || s.Last().After(end) {
		t.Errorf("replay ends at %d, %v", s.Len(), s.Last())
	}
}

func sortGrants(g []people.Grant) {
	slices.SortFunc(g, func(a, b people.Grant) int {
		return slices.Compare([]string{a.User, a.Role, a.Site}, []string{b.User, b.Role, b.Site})
	})
}

func checkHistory(t *rapid.T, d *diary) {
	for _, trial := range []string{"IPS", "OTHER"} {
		tenures := d.Tenures(trial)
		for i, a := range tenures {
			if a.User == "root" && a.Role == "custodian" {
				t.Errorf("an administrator is custodian of %s", trial)
			}
			for _, b := range tenures[i+1:] {
				if a.User == b.User && forbidden(a.Role, b.Role) {
					t.Errorf("%s was %s and %s in %s", a.User, a.Role, b.Role, trial)
				}
			}
		}
	}
}

// A clone shares nothing that Apply changes.
func TestCloneIsIndependent(t *testing.T) {
	d := custody(t, "kari", "ola")
	d.must(people.Invited{Invite: "x", CodeHash: [32]byte{99}, Expires: start.Add(time.Hour)})
	d.must(people.Granted{Grant: role("kari", "assessor")})
	d.mustBy("root", people.RecoveryProposed{User: "kari", Reason: "lost"})
	before, c := d.Clone(), d.Clone()
	for _, e := range []people.Event{
		people.SignedIn{Session: "s1"},
		people.FactorEnrolled{},
		people.IdentityLinked{User: "ola", Issuer: "https://id.example.org", Subject: [32]byte{1}},
		people.RecoveryProposed{User: "ola", Reason: "lost"},
		people.RecoveryApproved{User: "kari", CodeHash: [32]byte{1}, Expires: d.Last().Add(time.Hour)},
		people.Granted{Grant: role("kari", "assessor"), Expires: d.Last().Add(time.Hour)},
		people.Created{User: "eva", Invite: "x"},
		people.Disabled{User: "kari"},
		people.Granted{Grant: role("ola", "auditor")},
		people.Revoked{Grant: role("liv", "custodian")},
		people.Invited{Invite: "y", CodeHash: [32]byte{98}},
	} {
		if err := c.Apply(people.Meta{Index: c.Len(), At: c.Last(), Actor: "liv"}, e); err != nil {
			t.Fatalf("%T: %v", e, err)
		}
	}
	if !reflect.DeepEqual(before, d.Clone()) {
		t.Error("a change of the clone changed the state")
	}
	var zero people.State
	first := zero.Clone()
	for i, e := range []people.Event{people.Created{User: "root"}, people.Invited{Invite: "a"}, people.Created{User: "kari", Invite: "a"}, people.RecoveryProposed{User: "kari"}} {
		if err := first.Apply(people.Meta{Index: int64(i), At: start, Actor: "root"}, e); err != nil {
			t.Errorf("the clone of the zero state: %v", err)
		}
	}
}
