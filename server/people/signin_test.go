package people_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lodd-rct/lodd/server/people"
	"github.com/lodd-rct/lodd/server/proposal"
)

// A step is an event and who does it.
type step struct {
	by    string
	event people.Event
}

func (d *diary) take(steps ...step) {
	d.Helper()
	for _, s := range steps {
		d.mustBy(s.by, s.event)
	}
}

var (
	code     = [32]byte{7}
	proposed = step{"root", people.RecoveryProposed{User: "kari", Reason: "lost the phone"}}
	issuer   = "https://id.example.org"
	subject  = [32]byte{8}
	linked   = people.IdentityLinked{User: "kari", Issuer: issuer, Subject: subject}
)

// team is a server with two people beside the custodian.
func team(t testing.TB, steps ...step) *diary {
	t.Helper()
	d := custody(t, "kari", "ola")
	d.take(steps...)
	return d
}

// approved is the second step of a recovery, whose code is good for a while.
func approved(d *diary, good time.Duration) people.RecoveryApproved {
	at := start.Add(time.Duration(len(d.log)) * time.Minute)
	return people.RecoveryApproved{User: "kari", CodeHash: code, Expires: at.Add(good)}
}

// A new password takes two people who aren't the one who gets it, and the second
// follows within seven days.
func TestRecoveryRefuses(t *testing.T) {
	disabled := step{"root", people.Disabled{User: "kari"}}
	approve := func(user string) people.RecoveryApproved {
		return people.RecoveryApproved{User: user, CodeHash: code, Expires: start.Add(12 * time.Hour)}
	}
	late := approve("kari")
	late.Expires = start.Add(proposal.Life + 24*time.Hour)
	long, past := approve("kari"), approve("kari")
	long.Expires, past.Expires = start.Add(time.Hour+people.RecoveryLife+time.Millisecond), start.Add(time.Hour)
	var anything error
	for _, tt := range []struct {
		name  string
		after []step
		by    string
		at    time.Duration // since start
		next  people.Event
		want  error
	}{
		{"for nobody", nil, "root", time.Hour, people.RecoveryProposed{User: "eva"}, people.ErrNoAccount},
		{"for a disabled account", []step{disabled}, "root", time.Hour, proposed.event, people.ErrDisabled},
		{"for oneself", nil, "kari", time.Hour, proposed.event, proposal.ErrSamePerson},
		{"twice", []step{proposed}, "liv", time.Hour, proposed.event, anything},
		{"approved by the proposer", []step{proposed}, "root", time.Hour, approve("kari"), proposal.ErrSamePerson},
		{"approved by who gets it", []step{proposed}, "kari", time.Hour, approve("kari"), proposal.ErrSamePerson},
		{"approved without a proposal", nil, "liv", time.Hour, approve("kari"), proposal.ErrNone},
		{"approved for another", []step{proposed}, "liv", time.Hour, approve("ola"), proposal.ErrNone},
		{"approved for nobody", nil, "liv", time.Hour, approve("eva"), people.ErrNoAccount},
		{"approved after the account was disabled", []step{proposed, disabled}, "liv", time.Hour, approve("kari"), people.ErrDisabled},
		{"approved too late", []step{proposed}, "liv", proposal.Life + 9*time.Minute, late, proposal.ErrNone},
		{"approved for more than a day", []step{proposed}, "liv", time.Hour, long, anything},
		{"approved for no time", []step{proposed}, "liv", time.Hour, past, anything},
		{"used without an approval", []step{proposed}, "kari", time.Hour, people.Recovered{}, people.ErrRecovery},
		{"used by nobody", nil, "eva", time.Hour, people.Recovered{}, people.ErrNoAccount},
		{"a second factor of nobody", nil, "eva", time.Hour, people.FactorEnrolled{}, people.ErrNoAccount},
		{"a second factor of a disabled account", []step{disabled}, "kari", time.Hour, people.FactorEnrolled{}, people.ErrDisabled},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := team(t, tt.after...)
			before := d.Clone()
			if err := d.addBy(tt.by, start.Add(tt.at), tt.next); err == nil || tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("%v, want %v", err, tt.want)
			}
			if d.Len() != before.Len() {
				t.Error("the refused step was counted")
			}
		})
	}
}

// The code is good once and for its time, and takes the second factor with it.
func TestRecoveryGivesOneNewPassword(t *testing.T) {
	d := team(t, step{"kari", people.FactorEnrolled{}}, proposed)
	p, ok := d.Recovery("kari", d.Last())
	if !ok || p.By != "root" || !p.Expires.Equal(d.Last().Add(proposal.Life)) {
		t.Errorf("proposed: %+v, %t", p, ok)
	}
	if _, ok := d.Recovery("kari", p.Expires.Add(time.Millisecond)); ok {
		t.Error("a proposal outlives seven days")
	}
	a := approved(d, people.RecoveryLife)
	d.mustBy("liv", a)
	if _, ok := d.Recovery("kari", d.Last()); ok {
		t.Error("what was approved can be approved again")
	}
	for name, tt := range map[string]struct {
		user string
		code [32]byte
		at   time.Time
		ok   bool
	}{
		"at once":           {"kari", code, d.Last(), true},
		"at its end":        {"kari", code, a.Expires, true},
		"after its end":     {"kari", code, a.Expires.Add(time.Millisecond), false},
		"another code":      {"kari", [32]byte{1}, d.Last(), false},
		"no code":           {"kari", [32]byte{}, d.Last(), false},
		"another's":         {"ola", code, d.Last(), false},
		"nobody's, no code": {"eva", [32]byte{}, d.Last(), false},
	} {
		if err := d.Recover(tt.user, tt.code, tt.at); (err == nil) != tt.ok || err != nil && !errors.Is(err, people.ErrRecovery) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if account, _ := d.Account("kari"); !account.Factor {
		t.Error("the second factor went before the code was used")
	}
	d.mustBy("kari", people.Recovered{})
	if account, _ := d.Account("kari"); account.Factor {
		t.Error("the second factor is still there")
	}
	if err := d.addBy("kari", d.Last(), people.Recovered{}); !errors.Is(err, people.ErrRecovery) {
		t.Errorf("a second time: %v", err)
	}
	if err := d.Recover("kari", code, d.Last()); !errors.Is(err, people.ErrRecovery) {
		t.Errorf("the code after it was used: %v", err)
	}
}

// Another proposal ends the code of the one before; a disabled account has none.
func TestRecoveryIsWithdrawnByAnother(t *testing.T) {
	d := team(t, proposed)
	d.mustBy("liv", approved(d, time.Hour))
	d.take(step{"ola", people.RecoveryProposed{User: "kari"}})
	if err := d.Recover("kari", code, d.Last()); !errors.Is(err, people.ErrRecovery) {
		t.Errorf("the code before the second proposal: %v", err)
	}
	d.mustBy("root", approved(d, time.Hour))
	if err := d.Recover("kari", code, d.Last()); err != nil {
		t.Error(err)
	}
	d.must(people.Disabled{User: "kari"})
	if err := d.Recover("kari", code, d.Last()); !errors.Is(err, people.ErrRecovery) {
		t.Errorf("the code of a disabled account: %v", err)
	}
}

func TestIdentitiesAreTiedOnce(t *testing.T) {
	d := team(t, step{"root", linked})
	for name, tt := range map[string]struct {
		event people.IdentityLinked
		want  error
	}{
		"another account":        {people.IdentityLinked{User: "ola", Issuer: issuer, Subject: subject}, people.ErrTied},
		"another identity":       {people.IdentityLinked{User: "kari", Issuer: issuer, Subject: [32]byte{9}}, people.ErrTied},
		"the same again":         {linked, people.ErrTied},
		"nobody":                 {people.IdentityLinked{User: "eva", Issuer: issuer, Subject: [32]byte{9}}, people.ErrNoAccount},
		"another of the issuer":  {people.IdentityLinked{User: "ola", Issuer: issuer, Subject: [32]byte{9}}, nil},
		"another issuer's alike": {people.IdentityLinked{User: "ola", Issuer: "https://other.example.org", Subject: subject}, nil},
	} {
		c := d.Clone()
		if err := c.Apply(people.Meta{Index: c.Len(), At: c.Last()}, tt.event); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
	c := d.Clone()
	err := c.Apply(people.Meta{Index: c.Len(), At: c.Last()}, people.IdentityLinked{User: "ola", Subject: [32]byte{9}})
	if err == nil || errors.Is(err, people.ErrTied) {
		t.Errorf("an identity of no provider: %v", err)
	}
	if a, ok := d.Identity(issuer, subject); !ok || a.User != "kari" {
		t.Errorf("%+v, %t", a, ok)
	}
	if a, ok := d.Identity("", [32]byte{}); ok {
		t.Errorf("no identity is that of %s", a.User)
	}
	d.must(people.Disabled{User: "kari"})
	if a, ok := d.Identity(issuer, subject); ok {
		t.Errorf("a disabled account signs in: %+v", a)
	}
	d.must(people.IdentityLinked{User: "ola", Issuer: issuer, Subject: subject}) // who came back
	if a, ok := d.Identity(issuer, subject); !ok || a.User != "ola" {
		t.Errorf("%+v, %t", a, ok)
	}
}

func TestAccountsKeepWhenTheyWereUsed(t *testing.T) {
	d := team(t, step{"kari", people.SignedIn{Session: "s"}})
	last := d.Last()
	d.take(step{"ola", people.SignedIn{Session: "s2"}}, step{"kari", people.PasswordChanged{}}, step{"server", people.SignedIn{}})
	if a, _ := d.Account("kari"); !a.LastSignIn.Equal(last) {
		t.Errorf("%v, want %v", a.LastSignIn, last)
	}
}

// A role with an end gives nothing from that instant on, can be given anew, and
// excludes what it excludes for ever.
func TestRolesEnd(t *testing.T) {
	d := custody(t, "kari")
	g := role("kari", "assessor")
	end := d.Last().Add(time.Hour)
	given := people.Granted{Grant: g, Expires: end}
	d.must(given)
	before := end.Add(-time.Millisecond)
	if !d.Holds("kari", "IPS", "assessor", before) || d.Holds("kari", "IPS", "assessor", end) {
		t.Error("the role isn't held to its end and no longer")
	}
	for at, want := range map[time.Time]int{before: 2, end: 1} {
		if got := d.HeldAt("IPS", at); len(got) != want {
			t.Errorf("at %v the trial's grants are %v", at, got)
		}
	}
	if e := d.Revoke(g, end, "left"); e != nil {
		t.Errorf("Revoke of a role that has ended = %v", e)
	}
	if err := d.add(end, people.Revoked{Grant: g}); !errors.Is(err, people.ErrNoGrant) {
		t.Errorf("a revocation of a role that has ended: %v", err)
	}
	if e, err := d.Grant("liv", before, given); e != nil || err != nil {
		t.Errorf("the same grant with the same end = %v, %v", e, err)
	}
	if got := d.Conflict(role("kari", "investigator")); got != "assessor" {
		t.Errorf("a role that has ended excludes by %q", got)
	}
	for _, expires := range []time.Time{end, end.Add(-time.Hour)} {
		over := people.Granted{Grant: g, Expires: expires}
		if e, err := d.Grant("liv", end, over); e != nil || !errors.Is(err, people.ErrExpiry) {
			t.Errorf("a grant that is over = %v, %v", e, err)
		}
		if err := d.add(end, over); !errors.Is(err, people.ErrExpiry) {
			t.Errorf("a grant that is over was applied: %v", err)
		}
	}
	anew := people.Granted{Grant: g, Expires: end.Add(time.Hour)}
	if e, err := d.Grant("liv", end, anew); e != people.Event(anew) || err != nil {
		t.Errorf("anew: %v, %v", e, err)
	}
	if err := d.add(end, anew); err != nil {
		t.Fatal(err)
	}
	if !d.Holds("kari", "IPS", "assessor", end) || len(d.Tenures("IPS")) != 3 {
		t.Errorf("anew: %+v", d.Tenures("IPS"))
	}
}

// A role is held with the end that was given last, earlier or later, and once.
func TestEndsCanBeMoved(t *testing.T) {
	for name, ends := range map[string][2]time.Duration{
		"later": {time.Hour, 2 * time.Hour}, "earlier": {2 * time.Hour, time.Hour}, "never": {time.Hour, 0}, "from never": {0, time.Hour},
	} {
		d := custody(t, "kari")
		g, from := role("kari", "assessor"), d.Last()
		at := func(after time.Duration) (end time.Time) {
			if after > 0 {
				end = from.Add(after)
			}
			return end
		}
		d.must(people.Granted{Grant: g, Expires: at(ends[0])})
		d.must(people.Granted{Grant: g, Expires: at(ends[1])})
		if got := d.Grants("kari", d.Last()); !cmp.Equal(got, []people.Grant{g}) {
			t.Errorf("%s: %v", name, got)
		}
		held := d.Holds("kari", "IPS", "assessor", from.Add(90*time.Minute))
		if want := ends[1] != time.Hour; held != want {
			t.Errorf("%s: held after an hour and a half: %t", name, held)
		}
		d.must(people.Revoked{Grant: g})
		if d.Holds("kari", "IPS", "assessor", d.Last()) {
			t.Errorf("%s: it is held after the revocation", name)
		}
	}
}

// A clock that goes back gives nobody a role again, nor one that came later.
func TestClockSteppingBackGivesNoRole(t *testing.T) {
	d := custody(t, "kari", "ola")
	g := role("kari", "assessor")
	end := d.Last().Add(10 * time.Minute)
	d.must(people.Granted{Grant: g, Expires: end})
	given := d.Last()
	if !d.Holds("kari", "IPS", "assessor", given.Add(-time.Hour)) {
		t.Error("what was given is not held while the clock is behind")
	}
	if err := d.add(end, people.SignedIn{}); err != nil { // from here it is the end
		t.Fatal(err)
	}
	for _, at := range []time.Time{given, given.Add(-time.Hour), end} {
		if d.Holds("kari", "IPS", "assessor", at) {
			t.Errorf("at %v, behind the last entry, the role that has ended is held", at)
		}
	}
	if !d.Holds("liv", "IPS", "custodian", start.Add(-time.Hour)) {
		t.Error("a role without an end is lost while the clock is behind")
	}
}
