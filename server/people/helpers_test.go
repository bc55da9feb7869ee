package people_test

import (
	"testing"
	"time"

	"github.com/lodd-rct/lodd/server/people"
)

var start = time.Date(2026, 1, 5, 8, 0, 0, 0, time.UTC)

// A diary applies events, a minute apart.
type diary struct {
	testing.TB
	people.State
	log []logged
}

type logged struct {
	at    time.Time
	event people.Event
}

// write returns the diary of events, in which nothing is refused.
func write(t testing.TB, events ...people.Event) *diary {
	t.Helper()
	d := &diary{TB: t}
	for _, e := range events {
		d.must(e)
	}
	return d
}

func (d *diary) must(e people.Event) {
	d.Helper()
	d.mustBy("", e)
}

func (d *diary) mustBy(actor string, e people.Event) {
	d.Helper()
	if err := d.addBy(actor, start.Add(time.Duration(len(d.log))*time.Minute), e); err != nil {
		d.Fatal(err)
	}
}

func (d *diary) add(at time.Time, e people.Event) error { return d.addBy("", at, e) }

func (d *diary) addBy(actor string, at time.Time, e people.Event) error {
	err := d.Apply(people.Meta{Index: d.Len(), At: at, Actor: actor}, e)
	if err == nil {
		d.log = append(d.log, logged{at, e})
	}
	return err
}

// accounts are the events that make accounts: the first runs the server.
func accounts(users ...string) []people.Event {
	events := []people.Event{people.Created{User: "root", FullName: "Root", Administrator: true}}
	for i, u := range users {
		invite := people.Invited{Invite: "invite-" + u, CodeHash: [32]byte{byte(i + 1)}, Expires: start.Add(time.Hour)}
		events = append(events, invite, people.Created{User: u, FullName: u, Invite: invite.Invite})
	}
	return events
}

// role is a grant of a role in trial IPS, with what the role needs.
func role(user, name string) people.Grant {
	g := people.Grant{User: user, Trial: "IPS", Role: name}
	if name == "treatment-team" {
		g.Site, g.Team = "OSLO", "ips"
	}
	return g
}

// custody is a trial with its first custodian, and other accounts.
func custody(t testing.TB, users ...string) *diary {
	t.Helper()
	d := write(t, accounts(append([]string{"liv"}, users...)...)...)
	d.must(people.Granted{Grant: role("liv", "custodian")})
	return d
}
