package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/lodd-rct/lodd/client"
	"github.com/lodd-rct/lodd/proto/invite"
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

const clusterProtocol = `
id: TRIO
title: {nb: Tre servere, en: Three servers}
time_zone: Europe/Oslo
arms:
  - {id: new, ratio: 1, label: {nb: Ny, en: New}}
  - {id: usual, ratio: 1, label: {nb: Vanlig, en: Usual}}
sites:
  - {id: OSL, name: Oslo}
visits:
  - {id: baseline, months: 0, label: {nb: Inklusjon, en: Baseline}}
  - {id: month-6, months: 6, before: 30, after: 30, label: {nb: 6 måneder, en: 6 months}}
criteria:
  - {id: adult, want: true, text: {nb: Minst 18 år?, en: 18 or older?}}
consents:
  - {version: "1", approved: 2024-01-01}
forms:
  - id: health
    version: 1
    title: {nb: Helse, en: Health}
    visits: [baseline, month-6]
    by: coordinator
    items:
      - {id: pain, type: scale, min: 0, max: 10, required: true, label: {nb: Smerte, en: Pain}}
`

const clusterDesign = "design: permuted-blocks\nblock_sizes: [4, 6]\n"

// A crew are the users of a cluster, who try any of its servers and sign in
// again when a session is gone.
type crew struct {
	t  *testing.T
	in invite.Invite

	mu     sync.Mutex // guards the field below
	tokens map[string]string
}

const clusterPassword = "a long enough password"

// as makes a call to a server until it is answered.
func (p *crew) as(user, address string, call func(context.Context, *client.Client) error) error {
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	var err error
	for ctx.Err() == nil {
		if err = p.once(ctx, user, address, call); err == nil {
			return nil
		}
		if refusal, ok := errors.AsType[*client.Error](err); ok && !passing(refusal) {
			return err
		}
		p.mu.Lock()
		delete(p.tokens, user) // it may be of a server that is gone
		p.mu.Unlock()
		pause(ctx)
	}
	return fmt.Errorf("no answer from %s: %w", address, err)
}

// passing reports whether a refusal is one of the moment: the session was in
// the memory of a server that leads no more, or the outcome is not known yet.
func passing(e *client.Error) bool {
	switch e.Code {
	case codes.Unauthenticated, codes.Unavailable, codes.Aborted, codes.DeadlineExceeded:
		return true
	default:
		return false
	}
}

func (p *crew) once(ctx context.Context, user, address string, call func(context.Context, *client.Client) error) error {
	token, err := p.token(ctx, user, address)
	if err != nil {
		return err
	}
	c, err := p.dial(address, token)
	if err != nil {
		return err
	}
	defer c.Close()
	return call(ctx, c)
}

func (p *crew) dial(address, token string) (*client.Client, error) {
	return client.New(client.Config{
		Address: address, Pin: p.in.Pin, Timeout: 3 * time.Second,
		Token: func() (string, error) { return token, nil },
	})
}

func (p *crew) token(ctx context.Context, user, address string) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if token := p.tokens[user]; token != "" || user == "" {
		return token, nil
	}
	c, err := p.dial(address, "")
	if err != nil {
		return "", err
	}
	defer c.Close()
	answer, err := c.Session().Login(ctx, &loddv1.LoginRequest{User: user, Password: clusterPassword})
	if err != nil {
		return "", err
	}
	p.tokens[user] = answer.GetToken()
	return p.tokens[user], nil
}

func (p *crew) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

func requestID(t *testing.T) string {
	id, err := client.NewRequestID(rand.Reader)
	if err != nil {
		t.Error(err)
	}
	return id
}

// setUp makes the accounts and a trial that takes participants.
func (p *crew) setUp(address string) {
	p.t.Helper()
	p.join(address, p.in.Code, "ada")
	protocol := &loddv1.CreateTrialRequest{RequestId: requestID(p.t), FileName: "p.yaml", Protocol: []byte(clusterProtocol)}
	p.must(p.as("ada", address, func(ctx context.Context, c *client.Client) error {
		_, err := c.Trials().CreateTrial(ctx, protocol)
		return err
	}))
	for _, who := range []struct{ user, role, by, team string }{
		{"kari", "custodian", "ada", ""},
		{"tove", "coordinator", "kari", ""},
		{"ina", "treatment-team", "kari", "new"},
		{"tom", "treatment-team", "kari", "usual"},
	} {
		var text string
		p.must(p.as("ada", address, func(ctx context.Context, c *client.Client) error {
			answer, err := c.People().CreateInvite(ctx, &loddv1.CreateInviteRequest{})
			text = answer.GetInvite()
			return err
		}))
		in, err := invite.Parse(text)
		p.must(err)
		p.join(address, in.Code, who.user)
		grant := &loddv1.GrantRoleRequest{TrialId: "TRIO", User: who.user, Role: who.role, Team: who.team}
		if who.team != "" {
			grant.Site = "OSL"
		}
		p.must(p.as(who.by, address, func(ctx context.Context, c *client.Client) error {
			_, err := c.People().GrantRole(ctx, grant)
			return err
		}))
	}
	p.must(p.as("kari", address, func(ctx context.Context, c *client.Client) error {
		_, err := c.Trials().SealDesign(ctx, &loddv1.SealDesignRequest{
			TrialId: "TRIO", RequestId: requestID(p.t), FileName: "d.yaml", Design: []byte(clusterDesign),
		})
		if err != nil {
			return err
		}
		_, err = c.Trials().OpenEnrolment(ctx, &loddv1.OpenEnrolmentRequest{TrialId: "TRIO", RequestId: requestID(p.t)})
		return err
	}))
}

func (p *crew) join(address, code, user string) {
	p.t.Helper()
	p.must(p.as("", address, func(ctx context.Context, c *client.Client) error {
		_, err := c.Session().Join(ctx, &loddv1.JoinRequest{Code: code, User: user, FullName: user, Password: clusterPassword})
		return err
	}))
}

// An enrolment is one participant on the way, with ids that stay the same
// however often a call is made.
type enrolment struct {
	number, screening, baseline, intent string
	receipt                             *loddv1.Receipt
}

func newEnrolment(t *testing.T, i int) *enrolment {
	return &enrolment{number: fmt.Sprintf("OSL-%03d", i), screening: requestID(t), baseline: requestID(t), intent: requestID(t)}
}

// randomize screens and randomizes a participant through one server.
func (p *crew) randomize(address string, e *enrolment) error {
	yesterday := wall().AddDate(0, 0, -1).Format(time.DateOnly)
	return p.as("tove", address, func(ctx context.Context, c *client.Client) error {
		_, err := c.Screening().AddScreening(ctx, &loddv1.AddScreeningRequest{
			TrialId: "TRIO", RequestId: e.screening, Participant: e.number, Site: "OSL", Answers: map[string]bool{"adult": true},
			Consent: &loddv1.ConsentGiven{Version: "1", On: yesterday},
		})
		if err != nil {
			return err
		}
		_, err = c.Assessments().SubmitForm(ctx, &loddv1.SubmitFormRequest{
			TrialId: "TRIO", RequestId: e.baseline, Participant: e.number, Visit: "baseline", Form: "health", Values: `{"pain": 3}`,
		})
		if err != nil {
			return err
		}
		_, err = c.Randomization().PrepareRandomization(ctx, &loddv1.PrepareRandomizationRequest{
			TrialId: "TRIO", RequestId: e.intent, Participant: e.number,
		})
		if err != nil {
			return err
		}
		answer, err := c.Randomization().CommitRandomization(ctx, &loddv1.CommitRandomizationRequest{TrialId: "TRIO", IntentId: e.intent, Confirm: e.number})
		if err == nil {
			e.receipt = answer.GetReceipt()
		}
		return err
	})
}

// during randomizes from several places at once, and strikes in the middle.
func (p *crew) during(from int, through []*member, strike func()) []*enrolment {
	p.t.Helper()
	const callers, each = 4, 4
	all := make([]*enrolment, callers*each)
	for i := range all {
		all[i] = newEnrolment(p.t, from+i)
	}
	var done atomic.Int64
	middle := make(chan struct{})
	var wg sync.WaitGroup
	for caller := range callers {
		wg.Go(func() {
			for i := range each {
				if err := p.randomize(through[caller%len(through)].address, all[caller*each+i]); err != nil {
					p.t.Errorf("randomize %s: %v", all[caller*each+i].number, err)
				}
				if done.Add(1) == callers {
					close(middle)
				}
			}
		})
	}
	<-middle
	strike()
	wg.Wait()
	return all
}

// wantAll checks that every answer still holds, on every server, and that the
// teams have everyone once, in balance.
func (p *crew) wantAll(through []*member, all []*enrolment) {
	p.t.Helper()
	indexes := map[int64]string{}
	for _, e := range all {
		if other, taken := indexes[e.receipt.GetIndex()]; taken {
			p.t.Errorf("%s and %s have one entry", e.number, other)
		}
		indexes[e.receipt.GetIndex()] = e.number
	}
	for _, m := range through {
		for _, e := range all {
			before := e.receipt
			p.must(p.randomize(m.address, e))
			if e.receipt.GetIndex() != before.GetIndex() || string(e.receipt.GetLeafHash()) != string(before.GetLeafHash()) || !e.receipt.GetRepeatedRequest() {
				p.t.Errorf("%s: the same request has another answer: %v, want %v", e.number, e.receipt, before)
			}
		}
	}
	count := map[string]int{}
	for _, user := range []string{"ina", "tom"} {
		p.must(p.as(user, through[0].address, func(ctx context.Context, c *client.Client) error {
			team, err := c.Delivery().ListTeam(ctx, &loddv1.ListTeamRequest{TrialId: "TRIO"})
			count[user] = len(team.GetParticipants())
			return err
		}))
	}
	// Blocks of 4 and 6 with equal arms: never more than three apart.
	if d := count["ina"] - count["tom"]; count["ina"]+count["tom"] != len(all) || d < -3 || d > 3 {
		p.t.Errorf("teams have %v of %d participants", count, len(all))
	}
}
