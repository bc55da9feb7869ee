package authn_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/lodd-rct/lodd/server/authn"
)

func sessions(t testing.TB, c authn.SessionConfig) *authn.Sessions {
	t.Helper()
	if c.Random == nil {
		c.Random = rand.Reader
	}
	s, err := authn.NewSessions(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func begin(t testing.TB, s *authn.Sessions, user string, at time.Time) (token string) {
	t.Helper()
	token, _, err := s.New(user, at)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestSessionsExpire(t *testing.T) {
	const moment = time.Nanosecond
	idle, absolute := 30*time.Minute, 12*time.Hour // the defaults
	every := func(step time.Duration, n int) (calls []time.Duration) {
		for i := range n {
			calls = append(calls, time.Duration(i+1)*step)
		}
		return calls
	}
	for _, tt := range []struct {
		name  string
		calls []time.Duration // after the log-in; all but the last succeed
		want  error           // of the last
	}{
		{"at once", []time.Duration{0}, nil},
		{"just within the idle limit", []time.Duration{idle - moment}, nil},
		{"at the idle limit", []time.Duration{idle}, authn.ErrExpired},
		{"a call makes it longer", []time.Duration{idle - moment, 2*idle - 2*moment}, nil},
		{"but not for ever", []time.Duration{idle - moment, 2*idle - moment}, authn.ErrExpired},
		{"just within the absolute limit", append(every(20*time.Minute, 35), absolute-moment), nil},
		{"at the absolute limit", append(every(20*time.Minute, 35), absolute), authn.ErrExpired},
		{"a clock that steps back", []time.Duration{20 * time.Minute, 0, 50*time.Minute - moment}, nil},
		{"a clock before the log-in", []time.Duration{-time.Hour}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := sessions(t, authn.SessionConfig{})
			token := begin(t, s, "kari", t0)
			last := len(tt.calls) - 1
			for _, call := range tt.calls[:last] {
				if _, err := s.Resolve(token, t0.Add(call)); err != nil {
					t.Fatalf("call after %v: %v", call, err)
				}
			}
			if _, err := s.Resolve(token, t0.Add(tt.calls[last])); !errors.Is(err, tt.want) {
				t.Errorf("last call: %v, want %v", err, tt.want)
			}
		})
	}
}

func TestEndOthersLeavesOne(t *testing.T) {
	s := sessions(t, authn.SessionConfig{})
	kept, session, err := s.New("kari", t0)
	if err != nil {
		t.Fatal(err)
	}
	ended, strangers := begin(t, s, "kari", t0), begin(t, s, "ola", t0)
	s.EndOthers("kari", session.ID)
	s.EndOthers("nobody", "")
	for token, want := range map[string]error{kept: nil, ended: authn.ErrNoSession, strangers: nil} {
		if _, err := s.Peek(token, t0); !errors.Is(err, want) {
			t.Errorf("Peek = %v, want %v", err, want)
		}
	}
}

func TestExpiredIsToldOnce(t *testing.T) {
	s := sessions(t, authn.SessionConfig{Idle: time.Minute})
	token := begin(t, s, "kari", t0)
	for _, want := range []error{authn.ErrExpired, authn.ErrNoSession, authn.ErrNoSession} {
		if _, err := s.Resolve(token, t0.Add(time.Hour)); !errors.Is(err, want) {
			t.Errorf("Resolve = %v, want %v", err, want)
		}
	}
}

func TestPeekDoesNotKeepASessionAlive(t *testing.T) {
	s := sessions(t, authn.SessionConfig{Idle: time.Minute})
	token := begin(t, s, "kari", t0)
	for i := range 6 {
		if _, err := s.Peek(token, t0.Add(time.Duration(i)*10*time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Peek(token, t0.Add(time.Minute)); !errors.Is(err, authn.ErrExpired) {
		t.Errorf("Peek = %v", err)
	}
}

func TestSessionTellsWhoAndWhen(t *testing.T) {
	s := sessions(t, authn.SessionConfig{Idle: time.Minute, Absolute: 90 * time.Second, Random: strings.NewReader(strings.Repeat("r", 32))})
	token, session, err := s.New("kari", t0)
	if err != nil {
		t.Fatal(err)
	}
	want := authn.Session{ID: session.ID, User: "kari", CreatedAt: t0, LastUsed: t0, ExpiresAt: t0.Add(time.Minute)}
	if diff := cmp.Diff(want, session); diff != "" || len(session.ID) != 12 {
		t.Errorf("New, with id %q:\n%s", session.ID, diff)
	}
	want.LastUsed, want.ExpiresAt = t0.Add(50*time.Second), t0.Add(90*time.Second)
	got, err := s.Resolve(token, want.LastUsed)
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("Resolve, %v:\n%s", err, diff)
	}
	if diff := cmp.Diff([]authn.Session{want}, s.List("kari", want.LastUsed)); diff != "" {
		t.Errorf("List:\n%s", diff)
	}
	if list := s.List("kari", want.ExpiresAt); len(list) != 0 {
		t.Errorf("List of expired = %v", list)
	}
	if _, _, err := s.New("kari", t0); !errors.Is(err, io.EOF) {
		t.Errorf("New without entropy = %v", err)
	}
}

// Whoever reads the server's memory or logs finds no token there.
func TestTokensAreNotKept(t *testing.T) {
	s := sessions(t, authn.SessionConfig{})
	token, session, err := s.New("kari", t0)
	if err != nil || len(token) != 43 {
		t.Fatalf("New = %d characters, %v", len(token), err)
	}
	if dump := fmt.Sprintf("%+v %+v", s, session); strings.Contains(dump, token) || strings.Contains(token, session.ID) {
		t.Error("the token is kept")
	}
}

func TestUserHasBoundedSessions(t *testing.T) {
	s := sessions(t, authn.SessionConfig{PerUser: 2})
	first, second := begin(t, s, "kari", t0), begin(t, s, "kari", t0.Add(1))
	ola := begin(t, s, "ola", t0)
	if _, err := s.Resolve(first, t0.Add(2)); err != nil {
		t.Fatal(err)
	}
	third := begin(t, s, "kari", t0.Add(3)) // second is unused longest
	for name, tt := range map[string]struct {
		token string
		want  error
	}{"first": {first, nil}, "second": {second, authn.ErrNoSession}, "third": {third, nil}, "ola": {ola, nil}} {
		if _, err := s.Resolve(tt.token, t0.Add(4)); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
}

// Sessions behave as a list of what happened says: the model is the list.
func TestSessionsFollowTheModel(t *testing.T) {
	type entry struct {
		token, user   string
		created, used time.Time
	}
	const idle, absolute, perUser = 10 * time.Minute, time.Hour, 3
	rapid.Check(t, func(rt *rapid.T) {
		s := sessions(t, authn.SessionConfig{Idle: idle, Absolute: absolute, PerUser: perUser})
		at := t0
		var model []entry
		live := func(keep func(entry) bool) {
			var rest []entry
			for _, e := range model {
				if at.Before(e.used.Add(idle)) && at.Before(e.created.Add(absolute)) && keep(e) {
					rest = append(rest, e)
				}
			}
			model = rest
		}
		all := func(entry) bool { return true }
		user := rapid.SampledFrom([]string{"kari", "ola"})
		rt.Repeat(map[string]func(*rapid.T){
			"": func(rt *rapid.T) {
				live(all)
				if got := len(s.List("kari", at)) + len(s.List("ola", at)); got != len(model) {
					rt.Fatalf("%d sessions, want %d", got, len(model))
				}
			},
			"wait": func(rt *rapid.T) {
				at = at.Add(time.Duration(rapid.IntRange(1, 700).Draw(rt, "seconds")) * time.Second)
			},
			"new": func(rt *rapid.T) {
				at = at.Add(1) // no two sessions used at one time
				u := user.Draw(rt, "user")
				live(all)
				var oldest entry
				n := 0
				for _, e := range model {
					if e.user == u {
						if n++; n == 1 || e.used.Before(oldest.used) {
							oldest = e
						}
					}
				}
				if n == perUser {
					live(func(e entry) bool { return e != oldest })
				}
				model = append(model, entry{begin(t, s, u, at), u, at, at})
			},
			"resolve": func(rt *rapid.T) {
				if len(model) == 0 {
					rt.Skip("nobody is logged in")
				}
				at = at.Add(1)
				i := rapid.IntRange(0, len(model)-1).Draw(rt, "session")
				e := model[i]
				wantLive := at.Before(e.used.Add(idle)) && at.Before(e.created.Add(absolute))
				got, err := s.Resolve(e.token, at)
				if (err == nil) != wantLive || err == nil && got.User != e.user {
					rt.Fatalf("Resolve = %v, %v", got, err)
				}
				model[i].used = at
				if !wantLive {
					model[i].used = t0.Add(-absolute)
				}
			},
			"end": func(rt *rapid.T) {
				if len(model) == 0 {
					rt.Skip("nobody is logged in")
				}
				e := rapid.SampledFrom(model).Draw(rt, "session")
				s.End(e.token)
				live(func(other entry) bool { return other != e })
			},
			"end all": func(rt *rapid.T) {
				u := user.Draw(rt, "user")
				s.EndAll(u)
				live(func(e entry) bool { return e.user != u })
			},
		})
	})
}

func TestNewSessionsRefuses(t *testing.T) {
	for name, c := range map[string]authn.SessionConfig{
		"no entropy":        {},
		"negative idle":     {Random: rand.Reader, Idle: -1},
		"negative absolute": {Random: rand.Reader, Absolute: -1},
		"negative number":   {Random: rand.Reader, PerUser: -1},
	} {
		if _, err := authn.NewSessions(c); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
