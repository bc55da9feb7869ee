package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/lodd-rct/lodd/audit/store/etcd/etcdtest"
	"github.com/lodd-rct/lodd/client"
	"github.com/lodd-rct/lodd/proto/invite"
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// patience is how long anything in a cluster may take: a lease must end, and
// another server must read the log.
const patience = 30 * time.Second

// A member is one lodd serve of three.
type member struct {
	address, data string
	process       *os.Process
	ended         chan struct{}
	lines         chan string // what it prints
}

// startMember starts lodd serve on a store that others share.
func startMember(t *testing.T, store, data, address string) *member {
	t.Helper()
	path, err := exec.LookPath("lodd")
	if err != nil {
		t.Fatal(err)
	}
	m := &member{address: address, data: data, ended: make(chan struct{}), lines: make(chan string, 1000)}
	cmd := exec.Command(path, "serve", "--store", store, "--data", data, "--listen", address)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	m.process = cmd.Process
	go func() {
		for s := bufio.NewScanner(stderr); s.Scan(); {
			select {
			case m.lines <- s.Text():
			default: // nobody waits for this one
			}
		}
		_ = cmd.Wait() // killed on purpose, or its last line says why
		close(m.ended)
	}()
	t.Cleanup(func() {
		_ = m.process.Kill() // gone already if the test ended it
		<-m.ended
	})
	return m
}

// says waits until the server prints a line, and returns what the pattern
// finds in it.
func (m *member) says(t *testing.T, pattern string) string {
	t.Helper()
	re, late := regexp.MustCompile(pattern), time.After(patience)
	for last := ""; ; {
		select {
		case line := <-m.lines:
			if found := re.FindStringSubmatch(line); found != nil {
				return found[len(found)-1]
			}
			last = line
		case <-m.ended:
			t.Fatalf("server %s ended before it said %q; last: %s", m.address, pattern, last)
		case <-late:
			t.Fatalf("server %s didn't say %q; last: %s", m.address, pattern, last)
		}
	}
}

// kill ends a server as a power cut would.
func (m *member) kill() {
	_ = m.process.Kill()
	<-m.ended
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// startThree starts three servers of one group; the first leads, and the
// others have its keys.
func startThree(t *testing.T, etcd *etcdtest.Cluster) (members []*member, in invite.Invite) {
	t.Helper()
	store := "etcd://" + strings.ReplaceAll(strings.Join(etcd.Endpoints(), ","), "http://", "") + "/trials"
	first := startMember(t, store, filepath.Join(t.TempDir(), "first"), freeAddress(t))
	text := first.says(t, `lodd join (lodd1\.\S+)`)
	first.says(t, "^lodd: ready$")
	in, err := invite.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	members = append(members, first)
	for _, name := range []string{"second", "third"} {
		data := filepath.Join(t.TempDir(), name)
		if err := os.MkdirAll(data, 0o700); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("cp", "-rp", filepath.Join(first.data, "keys"), data).CombinedOutput(); err != nil {
			t.Fatalf("copy keys: %v: %s", err, out)
		}
		m := startMember(t, store, data, freeAddress(t))
		m.says(t, "standing by")
		members = append(members, m)
	}
	return members, in
}

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

// Three servers on an etcd cluster serve one trial through any address. Neither
// the leading server's end nor that of a member of etcd loses anything that was
// answered, or draws anything twice.
func TestThreeServersOutliveTheLossOfOne(t *testing.T) {
	etcd, err := etcdtest.Start(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer etcd.Stop()
	members, in := startThree(t, etcd)
	p := &crew{t: t, in: in, tokens: map[string]string{}}
	p.setUp(members[2].address)

	var all []*enrolment
	for i, m := range []*member{members[0], members[1], members[2]} {
		e := newEnrolment(t, i)
		p.must(p.randomize(m.address, e))
		all = append(all, e)
	}
	others := members[1:]
	all = append(all, p.during(len(all), others, members[0].kill)...)
	all = append(all, p.during(len(all), others, func() { etcd.Kill(max(etcd.Leader(), 0)) })...)

	p.wantAll(others, all)
	for _, m := range others { // a clean stop, also of the one that stands by
		if err := m.process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		m.says(t, "^lodd: stopped$")
	}
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
