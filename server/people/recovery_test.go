package people_test

import (
	"testing"
	"time"

	"github.com/lodd-rct/lodd/server/people"
)

// A custodian is helped by somebody who is custodian of all of their trials that
// have another one; others by the custodian of the trial that they came to first.
// A trial that two people make for it opens no account.
func TestWhoApprovesARecovery(t *testing.T) {
	in := func(trial, user, name string) people.Event {
		g := role(user, name)
		g.Trial = trial
		return people.Granted{Grant: g}
	}
	puppets := []people.Event{in("PUP", "ola", "custodian"), in("PUP", "kari", "monitor")}
	for name, tt := range map[string]struct {
		events []people.Event // after liv became custodian of IPS
		want   string         // who may, of liv, ola, eva and root
	}{
		"nobody's":                    {nil, "root"},
		"a coordinator":               {[]people.Event{in("IPS", "kari", "coordinator")}, "liv"},
		"the only custodian":          {[]people.Event{in("ONE", "kari", "custodian")}, "root"},
		"one, given another role":     {append([]people.Event{in("ONE", "kari", "custodian")}, puppets...), "root"},
		"one of two":                  {[]people.Event{in("IPS", "kari", "custodian")}, "liv"},
		"one of two, given a role":    {append([]people.Event{in("IPS", "kari", "custodian")}, puppets...), "liv"},
		"of two trials, two others":   {[]people.Event{in("IPS", "kari", "custodian"), in("TWO", "ola", "custodian"), in("TWO", "kari", "custodian")}, ""},
		"of two trials, one in both":  {[]people.Event{in("IPS", "kari", "custodian"), in("TWO", "liv", "custodian"), in("TWO", "kari", "custodian"), in("TWO", "ola", "custodian")}, "liv"},
		"a team, given another role":  {append([]people.Event{in("IPS", "kari", "treatment-team")}, puppets...), "liv"},
		"a team, given such a one":    {append([]people.Event{in("IPS", "kari", "treatment-team"), in("PUP", "kari", "clinician")}, puppets[0]), "liv"},
		"a team, a role elsewhere":    {[]people.Event{in("PUP", "ola", "custodian"), in("PUP", "kari", "monitor"), in("IPS", "kari", "treatment-team")}, "liv"},
		"an assessor, given a role":   {append([]people.Event{in("IPS", "kari", "assessor")}, puppets...), "liv"},
		"whose first role has ended":  {[]people.Event{in("IPS", "kari", "assessor"), people.Revoked{Grant: role("kari", "assessor")}, puppets[0], puppets[1]}, "ola"},
		"whose only role has ended":   {[]people.Event{in("IPS", "kari", "assessor"), people.Revoked{Grant: role("kari", "assessor")}}, "root"},
		"a coordinator of two trials": {[]people.Event{in("IPS", "kari", "coordinator"), in("TWO", "eva", "custodian"), in("TWO", "kari", "coordinator")}, "liv"},
	} {
		t.Run(name, func(t *testing.T) {
			d := custody(t, "kari", "ola", "eva")
			for _, e := range tt.events {
				d.must(e)
			}
			got := ""
			for _, by := range []string{"liv", "ola", "eva", "root", "kari", "nobody"} {
				if d.ApprovesRecovery(by, "kari", d.Last()) {
					got += by
				}
			}
			if got != tt.want {
				t.Errorf("may approve: %q, want %q", got, tt.want)
			}
		})
	}
}

// What is proved before a password or a second factor was replaced proves nothing
// afterwards.
func TestEpochsOfAnAccount(t *testing.T) {
	d := team(t, proposed)
	d.mustBy("liv", approved(d, time.Hour))
	for i, e := range []people.Event{people.PasswordChanged{}, people.FactorEnrolled{}, people.Recovered{}, people.SignedIn{Session: "s"}} {
		d.mustBy("kari", e)
		if a, _ := d.Account("kari"); a.Epoch != int64(min(3, i+1)) {
			t.Errorf("after %T: epoch %d", e, a.Epoch)
		}
	}
	if a, _ := d.Account("ola"); a.Epoch != 0 {
		t.Error("the epoch of another account has begun")
	}
}

// A role that was taken away and given again was not held all the time; one whose
// end was moved was.
func TestUnbrokenTenures(t *testing.T) {
	d := custody(t, "kari")
	g := role("kari", "assessor")
	holds := func(since time.Time) bool {
		return d.Unbroken(since, d.Last(), func(held people.Grant) bool { return held == g })
	}
	before := d.Last()
	d.must(people.Granted{Grant: g, Expires: start.Add(time.Hour)})
	first := d.Last()
	if holds(before) || !holds(first) {
		t.Error("the tenure doesn't begin with the grant")
	}
	d.must(people.Granted{Grant: g})
	if !holds(first) {
		t.Error("moving the end broke the tenure")
	}
	d.must(people.Revoked{Grant: g})
	if holds(first) || holds(d.Last()) {
		t.Error("a role that was taken away is held")
	}
	d.must(people.Granted{Grant: g, Expires: d.Last().Add(time.Hour)})
	if holds(first) || !holds(d.Last()) {
		t.Error("what was given again was held all the time, or isn't held")
	}
	if d.Unbroken(d.Last(), d.Last().Add(time.Hour), func(held people.Grant) bool { return held == g }) {
		t.Error("a role that has ended by itself is held")
	}
}

// Whoever comes back under another name, with the same identity of the provider,
// comes with what the person knows.
func TestAnIdentityKeepsItsHistory(t *testing.T) {
	d := team(t, step{"kari", linked})
	d.must(people.Granted{Grant: people.Grant{User: "kari", Trial: "IPS", Role: "treatment-team", Site: "OSL", Team: "ips"}})
	d.mustBy("root", people.Disabled{User: "kari"})
	assess := people.Grant{User: "ola", Trial: "IPS", Role: "assessor"}
	if c := d.Conflict(assess); c != "" {
		t.Fatalf("ola has nothing to do with kari: %s", c)
	}
	again := linked
	again.User = "ola"
	d.mustBy("ola", again)
	if c := d.Conflict(assess); c != "treatment-team" {
		t.Errorf("the conflict is %q, want treatment-team", c)
	}
	assess.Trial = "OTHER"
	if c := d.Conflict(assess); c != "" {
		t.Errorf("another trial: %s", c)
	}
}
