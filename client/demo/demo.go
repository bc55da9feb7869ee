package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/lodd-rct/lodd/client"
	"github.com/lodd-rct/lodd/proto/invite"
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// Config is what the story needs. Every field is required.
type Config struct {
	// Invite is the invitation of the first administrator.
	Invite invite.Invite
	// Clock sets the server's clock.
	Clock func(time.Time)
	// Start is when the story begins; it goes on for 14 months.
	Start time.Time
	// Random is where request ids and the participants' answers come from.
	Random io.Reader
	// Out is told each step.
	Out io.Writer
	// Dir is an existing folder for protocol, exports, checkpoints, keys and
	// sealing record.
	Dir string
	// Open leaves something to do at the end, for whoever signs in afterwards: the
	// trial isn't unsealed then.
	Open bool
	// Restored, if it isn't nil, makes the server believe that it was restored
	// from an older copy, which lacks a randomization at the first site. The
	// story then goes on through the reconciliation.
	Restored func(context.Context) error
}

// A Person is somebody in the story.
type Person struct {
	User, Name, Role, Site, Team, Password string
}

// password opens every account of a demo, which holds synthetic data only, on a
// loopback address.
const password = "a demo is not a trial" //nolint:gosec // it is printed for whoever runs the demo

// cast returns who takes part. The first is the administrator.
func cast() []Person {
	return []Person{
		{User: "ada", Name: "Ada Drift", Role: "administrator"},
		{User: "kari", Name: "Kari List", Role: "custodian"},
		{User: "tove", Name: "Tove Koord", Role: "coordinator"},
		{User: "olav", Name: "Olav Blind", Role: "assessor"},
		{User: "mona", Name: "Mona Data", Role: "monitor"},
		{User: "per", Name: "Per Leder", Role: "investigator"},
		{User: "stine", Name: "Stine Tall", Role: "statistician"},
		{User: "aud", Name: "Aud Tilsyn", Role: "auditor"},
		{User: "ina", Name: "Ina Jobb", Role: "treatment-team", Site: "OSL", Team: "ips"},
		{User: "ivar", Name: "Ivar Jobb", Role: "treatment-team", Site: "BGO", Team: "ips"},
		{User: "ingrid", Name: "Ingrid Jobb", Role: "treatment-team", Site: "TRD", Team: "ips"},
		{User: "tom", Name: "Tom Vanlig", Role: "treatment-team", Site: "OSL", Team: "tau"},
		{User: "turid", Name: "Turid Vanlig", Role: "treatment-team", Site: "BGO", Team: "tau"},
		{User: "trygve", Name: "Trygve Vanlig", Role: "treatment-team", Site: "TRD", Team: "tau"},
	}
}

// A Result is what the story leaves behind.
type Result struct {
	Trial     string
	People    []Person
	LogKey    string
	ExportKey string
	// Line is the last line: what was verified.
	Line string
}

// A story is a demo under way.
type story struct {
	Config
	now      time.Time
	people   map[string]Person
	sessions map[string]*client.Client
	secrets  map[string]string    // of second factors
	lastCode map[string]time.Time // the step of the last code
	trial    string
	protocol *loddv1.GetTrialResponse
	forms    map[string]*loddv1.GetFormResponse
	keys     *loddv1.WhoAmIResponse
	enrolled []enrolled
	bundles  []string
	// recomputed is how many allocations were computed again.
	recomputed int
}

// An enrolled participant as the story knows it.
type enrolled struct {
	number, site string
	at           time.Time
	receipt      *loddv1.Receipt
	gone         string // why follow-up ended, or empty
}

// Play plays the story.
func Play(ctx context.Context, c Config) (Result, error) {
	if c.Clock == nil || c.Random == nil || c.Out == nil || c.Dir == "" || c.Start.IsZero() {
		return Result{}, errors.New("demo: incomplete config")
	}
	s := &story{
		Config: c, people: map[string]Person{}, sessions: map[string]*client.Client{}, forms: map[string]*loddv1.GetFormResponse{},
		secrets: map[string]string{}, lastCode: map[string]time.Time{},
	}
	defer s.signOut()
	for _, p := range cast() {
		p.Password = password
		s.people[p.User] = p
		// Heads of an earlier demo in this folder are of another log.
		if err := os.RemoveAll(s.path("checkpoints", p.User)); err != nil {
			return Result{}, fmt.Errorf("demo: %w", err)
		}
	}
	s.setClock(c.Start)
	for _, act := range []struct {
		title string
		play  func(context.Context) error
	}{
		{"people", s.invite},
		{"trial", s.setUp},
		{"enrolment", s.enrol},
		{"treatment teams", s.teams},
		{"follow-up at 6 months", s.sixMonths},
		{"first lock", s.firstLock},
		{"follow-up at 12 months", s.twelveMonths},
		{"second lock", s.secondLock},
		{"restore", s.restore},
		{"unsealing", s.unseal},
		{"audit", s.audit},
	} {
		if act.title == "restore" && s.Restored == nil || act.title == "unsealing" && s.Open {
			continue
		}
		s.say("")
		s.say("== %s (%s)", act.title, s.now.Format(time.DateOnly))
		if err := act.play(ctx); err != nil {
			return Result{}, fmt.Errorf("demo: %s: %w", act.title, err)
		}
	}
	if c.Open {
		if err := s.leaveOpen(ctx); err != nil {
			return Result{}, fmt.Errorf("demo: %w", err)
		}
	}
	return s.result(), nil
}

func (s *story) result() Result {
	r := Result{Trial: s.trial, LogKey: s.keys.GetLogKey(), ExportKey: s.keys.GetExportKey()}
	for _, p := range cast() {
		r.People = append(r.People, s.people[p.User])
	}
	r.Line = fmt.Sprintf("verified: %d bundles, %d of %d receipts, every compartment of the log, and sums that close",
		len(s.bundles), len(s.enrolled), len(s.enrolled))
	if s.recomputed > 0 {
		r.Line += fmt.Sprintf("; %d of %d allocations computed again", s.recomputed, len(s.enrolled))
	}
	return r
}

func (s *story) say(format string, args ...any) { fmt.Fprintf(s.Out, format+"\n", args...) }

// setClock moves the server's clock. Sessions that have outlived their limits
// end, as they would.
func (s *story) setClock(at time.Time) {
	if at.Sub(s.now) > 20*time.Minute {
		s.signOut()
	}
	s.now = at
	s.Clock(at)
}

func (s *story) signOut() {
	for _, c := range s.sessions {
		c.Close()
	}
	clear(s.sessions)
}

// as returns a client that is signed in as user.
func (s *story) as(ctx context.Context, user string) (*client.Client, error) {
	if c, ok := s.sessions[user]; ok {
		return c, nil
	}
	token := ""
	c, err := client.New(client.Config{
		Address: s.Invite.Addresses[0], Pin: s.Invite.Pin, LogKey: s.keys.GetLogKey(),
		User:        user,
		Checkpoints: s.path("checkpoints", user),
		Token:       func() (string, error) { return token, nil },
	})
	if err != nil {
		return nil, err
	}
	answer, err := s.signIn(ctx, c, user)
	if token = answer.GetToken(); err == nil && answer.GetLimited() {
		err = s.enrolFactor(ctx, c, user)
	}
	if err != nil {
		c.Close()
		return nil, fmt.Errorf("sign in as %s: %w", user, err)
	}
	s.sessions[user] = c
	return c, nil
}

// requestID returns a fresh request id.
func (s *story) requestID() (string, error) { return client.NewRequestID(s.Random) }

// asking returns a client that is signed in as user, and an id for what it is
// about to ask.
func (s *story) asking(ctx context.Context, user string) (*client.Client, string, error) {
	c, err := s.as(ctx, user)
	if err != nil {
		return nil, "", err
	}
	id, err := s.requestID()
	return c, id, err
}

// die returns a number in [0, n), n at most 256. The story needs no more
// evenness than that.
func (s *story) die(n int) (int, error) {
	var b [2]byte
	if _, err := io.ReadFull(s.Random, b[:]); err != nil {
		return 0, fmt.Errorf("read entropy: %w", err)
	}
	return (int(b[0])<<8 | int(b[1])) % n, nil
}
