package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/lodd-rct/lodd/client"
	"github.com/lodd-rct/lodd/proto/invite"
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/randomization"
	"github.com/lodd-rct/lodd/server"
	"github.com/lodd-rct/lodd/server/authn"
	"github.com/lodd-rct/lodd/server/ledger"
	"github.com/lodd-rct/lodd/server/trial"
)

// Whoever owns the server owns its database, the key of the codes and the key of
// the log, and can throw its signed heads away. What they write then starts, and
// is signed. A client that holds an older checkpoint refuses it all the same,
// before it does anything, and has the evidence.
func TestTheFiveAttacksAreNoticedByAClient(t *testing.T) {
	a := newAttacked(t)
	for _, tt := range []struct {
		name   string
		attack func(s *stolen)
		says   string
	}{
		{"nothing", func(*stolen) {}, ""},
		{"edit", func(s *stolen) {
			s.conduct(func(e [][]byte) [][]byte { return s.signedBy("mallory", e, 270) })
		}, "was rewritten since it had"},
		{"edit and rehash", func(s *stolen) {
			s.conduct(func(e [][]byte) [][]byte { return s.signedBy("mallory", e, 40) })
			s.rehash()
		}, "was rewritten since it had"},
		{"truncate", func(s *stolen) {
			s.conduct(func(e [][]byte) [][]byte { return e[:len(e)-2] })
		}, "has become shorter"},
		{"reorder", func(s *stolen) {
			s.conduct(func(e [][]byte) [][]byte { return s.swapped(e, 270, 271) })
		}, "was rewritten since it had"},
		{"replace the head with an older one", func(s *stolen) {
			s.copy(a.older) // database, and heads that the server has signed itself
		}, "has become shorter"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := a.stolen(t)
			tt.attack(s)
			memory := filepath.Join(t.TempDir(), "state")
			copyDir(t, a.memory, memory)
			a.serve(t, s.dir, func(in invite.Invite) {
				c := a.client(t, in, memory)
				_, err := c.Screening().ListParticipants(t.Context(), &loddv1.ListParticipantsRequest{TrialId: "ATT"})
				if tt.says == "" {
					if err != nil {
						t.Errorf("refused an honest server: %v", err)
					}
					return
				}
				wrong, ok := errors.AsType[*client.LogError](err)
				if !ok || !strings.Contains(wrong.Problem, tt.says) || wrong.List != "ATT/conduct" || wrong.Shorter != strings.Contains(tt.says, "shorter") {
					t.Fatalf("error is %T %v, want a LogError with %q", err, err, tt.says)
				}
				if b, err := os.ReadFile(wrong.Evidence); err != nil || !bytes.Contains(b, []byte("remembered_checkpoint")) || !bytes.Contains(b, []byte("given_checkpoint")) {
					t.Errorf("evidence %s: %v", b, err)
				}
			})
		})
	}
}

// An edit that leaves the hashes as they were, or lacks the code of the entry,
// isn't even served.
func TestTheServerRefusesWhatDoesNotFit(t *testing.T) {
	a := newAttacked(t)
	for _, tt := range []struct {
		name   string
		attack func(s *stolen)
		says   string
	}{
		{"an edit below a tile", func(s *stolen) {
			s.conduct(func(e [][]byte) [][]byte { return s.signedBy("mallory", e, 40) })
		}, "ATT/conduct"},
		{"an edit without the key of the codes", func(s *stolen) {
			s.key = [32]byte{}
			s.conduct(func(e [][]byte) [][]byte { return s.signedBy("mallory", e, 270) })
		}, "entry 270 of ATT/conduct was not written by this server"},
		{"an older database under the present heads", func(s *stolen) {
			heads := filepath.Join(t.TempDir(), "heads")
			copyDir(t, filepath.Join(a.newest, "checkpoints"), heads)
			s.copy(a.older)
			copyDir(t, heads, filepath.Join(s.dir, "checkpoints"))
		}, "a signed checkpoint has"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := a.stolen(t)
			tt.attack(s)
			n, err := open(t.Context(), config{Data: s.dir, Listen: "127.0.0.1:0", Name: "att", SignIn: signInConfig{SecondFactor: factorOff}, LostCheckpoints: true}, attackedWorld())
			if err == nil {
				t.Fatal(n.close())
			}
			if !strings.Contains(err.Error(), tt.says) {
				t.Errorf("refused with %v, want %q", err, tt.says)
			}
		})
	}
}

// An attacked is a server with a trial of some 300 entries, as it was once and
// as it is now, and what a client remembers of it now.
type attacked struct {
	older, newest, memory string
	logKey                string
}

func attackedWorld() world {
	return world{
		now: wall, wall: wall, random: newEntropy(7, "random"), seeds: newEntropy(7, "seeds"), log: zerolog.Nop(),
		passwords: authn.PasswordConfig{MemoryKiB: 64, Passes: 1}, limits: server.Limits{PerSecond: 1e9, Burst: 1e9},
	}
}

const attackedPassword = "a long enough password"

func newAttacked(t *testing.T) *attacked {
	t.Helper()
	dir := t.TempDir()
	a := &attacked{older: filepath.Join(dir, "older"), newest: filepath.Join(dir, "newest"), memory: filepath.Join(dir, "memory")}
	a.run(t, a.newest, func(ctx context.Context, n *node) {
		a.create(t, n)
		a.screen(t, n, 0, 290)
	})
	copyDir(t, a.newest, a.older)
	a.run(t, a.newest, func(ctx context.Context, n *node) { a.screen(t, n, 290, 300) })
	a.serve(t, a.newest, func(in invite.Invite) {
		c := a.client(t, in, a.memory)
		if _, err := c.VerifyList(t.Context(), "ATT", "ATT/conduct", nil); err != nil {
			t.Fatal(err)
		}
	})
	return a
}

// run runs a server on a folder while f does.
func (a *attacked) run(t *testing.T, dir string, f func(ctx context.Context, n *node)) {
	t.Helper()
	n, err := open(t.Context(), config{Data: dir, Listen: "127.0.0.1:0", Name: "att", SignIn: signInConfig{SecondFactor: factorOff}, LostCheckpoints: true}, attackedWorld())
	if err != nil {
		t.Fatal(err)
	}
	err = n.during(t.Context(), func(ctx context.Context) error { f(ctx, n); return nil })
	if err := errors.Join(err, n.close()); err != nil {
		t.Fatal(err)
	}
}

// serve runs a server for a client.
func (a *attacked) serve(t *testing.T, dir string, f func(in invite.Invite)) {
	t.Helper()
	a.run(t, dir, func(_ context.Context, n *node) {
		f(invite.Invite{Addresses: []string{n.address()}, Pin: n.pin})
	})
}

// create makes a trial that takes participants, and its people.
func (a *attacked) create(t *testing.T, n *node) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	label := trial.Text{EN: "x"}
	_, err := n.ledger.Create(t.Context(), ledger.Caller{Actor: "ada"}, trial.Protocol{
		ID: "ATT", Title: label, TimeZone: "Europe/Oslo",
		Arms:     []trial.Arm{{ID: "new", Label: label, Ratio: 1}, {ID: "usual", Label: label, Ratio: 1}},
		Sites:    []trial.Site{{ID: "OSL", Name: "Oslo"}},
		Visits:   []trial.Visit{{ID: "baseline", Label: label}},
		Consents: []trial.Consent{{Version: "1", Approved: trial.Date{Year: 2024, Month: 1, Day: 1}}},
	})
	must(err)
	att, err := n.ledger.Trial("ATT")
	must(err)
	_, _, err = att.Seal(t.Context(), ledger.Caller{Actor: "ada"}, randomization.Blocks{Ratio: []int{1, 1}, Sizes: []randomization.BlockSize{{Size: 4, Weight: 1}}}, false)
	must(err)
	_, err = att.Do(t.Context(), ledger.Caller{Actor: "ada"}, trial.EnrolmentOpened{})
	must(err)
	a.people(t, n)
}

// people makes an administrator, a custodian and the coordinator tove.
func (a *attacked) people(t *testing.T, n *node) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	text, _ := n.server.BootstrapInvite()
	in, err := invite.Parse(text)
	must(err)
	join := func(c *client.Client, code, user string) {
		_, err := c.Session().Join(t.Context(), &loddv1.JoinRequest{Code: code, User: user, FullName: user, Password: attackedPassword})
		must(err)
	}
	stranger := a.signedIn(t, client.Config{Address: in.Addresses[0], Pin: in.Pin}, "")
	join(stranger, in.Code, "ada")
	ada := a.signedIn(t, client.Config{Address: in.Addresses[0], Pin: in.Pin}, "ada")
	me, err := ada.Session().WhoAmI(t.Context(), &loddv1.WhoAmIRequest{})
	must(err)
	a.logKey = me.GetLogKey()
	for _, user := range []string{"kari", "tove"} {
		answer, err := ada.People().CreateInvite(t.Context(), &loddv1.CreateInviteRequest{})
		must(err)
		i, err := invite.Parse(answer.GetInvite())
		must(err)
		join(stranger, i.Code, user)
	}
	_, err = ada.People().GrantRole(t.Context(), &loddv1.GrantRoleRequest{TrialId: "ATT", User: "kari", Role: "custodian"})
	must(err)
	kari := a.signedIn(t, client.Config{Address: in.Addresses[0], Pin: in.Pin}, "kari")
	_, err = kari.People().GrantRole(t.Context(), &loddv1.GrantRoleRequest{TrialId: "ATT", User: "tove", Role: "coordinator"})
	must(err)
}

// signedIn returns a client that is signed in as a user, or not at all.
func (a *attacked) signedIn(t *testing.T, c client.Config, user string) *client.Client {
	t.Helper()
	token := ""
	c.Token = func() (string, error) { return token, nil }
	out, err := client.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { out.Close() })
	if user != "" {
		answer, err := out.Session().Login(t.Context(), &loddv1.LoginRequest{User: user, Password: attackedPassword})
		if err != nil {
			t.Fatal(err)
		}
		token = answer.GetToken()
	}
	return out
}

// client returns tove's client, with what it remembers in a folder.
func (a *attacked) client(t *testing.T, in invite.Invite, memory string) *client.Client {
	t.Helper()
	return a.signedIn(t, client.Config{
		Address: in.Addresses[0], Pin: in.Pin, LogKey: a.logKey, Now: wall,
		Checkpoints: filepath.Join(memory, "checkpoints"), Evidence: filepath.Join(memory, "evidence"),
	}, "tove")
}

// screen screens participants lo to hi, without the wire.
func (a *attacked) screen(t *testing.T, n *node, lo, hi int) {
	t.Helper()
	att, err := n.ledger.Trial("ATT")
	if err != nil {
		t.Fatal(err)
	}
	on := trial.DateOf(wall(), time.UTC).AddDays(-1)
	for i := lo; i < hi; i++ {
		_, err := att.Screen(t.Context(), ledger.Caller{Actor: "tove", Role: trial.Coordinator}, trial.Screened{
			Participant: trial.ParticipantID(fmt.Sprintf("OSL-%04d", i)), Site: "OSL", On: on,
		}, ledger.Answers{})
		if err != nil {
			t.Fatal(err)
		}
	}
}
