package authn_test

import (
	"crypto/rand"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lodd-rct/lodd/server/authn"
)

var signing = authn.Act{User: "kari", Session: "a1", Action: authn.Action("/lodd.v1.SignatureService/Sign", []byte("form"))}

func stepUp(t testing.TB, s *authn.StepUps, a authn.Act, at time.Time) (token string) {
	t.Helper()
	token, expires, err := s.New(a, at)
	if err != nil {
		t.Fatal(err)
	}
	if !expires.Equal(at.Add(5 * time.Minute)) {
		t.Errorf("the step-up ends after %v", expires.Sub(at))
	}
	return token
}

// A token is good for one act of one session, once and soon; whoever tries it
// on another act has used it up.
func TestStepUpIsForOneAct(t *testing.T) {
	with := func(change func(*authn.Act)) authn.Act {
		a := signing
		change(&a)
		return a
	}
	for _, tt := range []struct {
		name  string
		act   authn.Act
		after time.Duration
		want  error
	}{
		{"the act", signing, 0, nil},
		{"just in time", signing, 5*time.Minute - 1, nil},
		{"too late", signing, 5 * time.Minute, authn.ErrStepUp},
		{"another content", with(func(a *authn.Act) { a.Action = authn.Action("/lodd.v1.SignatureService/Sign", []byte("from")) }), 0, authn.ErrStepUp},
		{"another method", with(func(a *authn.Act) { a.Action = strings.Replace(a.Action, "Sign", "sign", 1) }), 0, authn.ErrStepUp},
		{"another session of the same user", with(func(a *authn.Act) { a.Session = "b2" }), 0, authn.ErrStepUp},
		{"another user", with(func(a *authn.Act) { a.User = "ola" }), 0, authn.ErrStepUp},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := authn.NewStepUps(rand.Reader)
			token := stepUp(t, s, signing, t0)
			if err := s.Use(token, tt.act, t0.Add(tt.after)); !errors.Is(err, tt.want) {
				t.Errorf("Use = %v, want %v", err, tt.want)
			}
			if err := s.Use(token, signing, t0); !errors.Is(err, authn.ErrStepUp) {
				t.Errorf("the second use: %v", err)
			}
		})
	}
}

func TestStepUpsThatNobodyGaveOut(t *testing.T) {
	s := authn.NewStepUps(rand.Reader)
	token := stepUp(t, s, signing, t0)
	for name, other := range map[string]string{"none": "", "another": strings.Repeat("A", len(token)), "with an end": token + "=", "cut": token[1:]} {
		if err := s.Use(other, signing, t0); !errors.Is(err, authn.ErrStepUp) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := s.Use(token, signing, t0); err != nil {
		t.Errorf("the true one: %v", err)
	}
}

// Two calls at the same moment don't both get through.
func TestStepUpIsUsedOnceAtATime(t *testing.T) {
	s := authn.NewStepUps(rand.Reader)
	token := stepUp(t, s, signing, t0)
	var through atomic.Int64
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			if s.Use(token, signing, t0) == nil {
				through.Add(1)
			}
		})
	}
	wg.Wait()
	if n := through.Load(); n != 1 {
		t.Errorf("%d uses of one token", n)
	}
}

func TestStepUpsEndWithTheAccount(t *testing.T) {
	s := authn.NewStepUps(rand.Reader)
	other := signing
	other.User, other.Session = "ola", "b2"
	gone, left := stepUp(t, s, signing, t0), stepUp(t, s, other, t0)
	s.EndAll("kari")
	if err := s.Use(gone, signing, t0); !errors.Is(err, authn.ErrStepUp) {
		t.Errorf("the ended one: %v", err)
	}
	if err := s.Use(left, other, t0); err != nil {
		t.Errorf("somebody else's: %v", err)
	}
}

// A session that asks for token after token pushes out its own, nobody else's.
func TestStepUpsAreBounded(t *testing.T) {
	s := authn.NewStepUps(rand.Reader)
	other := signing
	other.Session = "b2"
	kept := stepUp(t, s, other, t0)
	var tokens []string
	for i := range 30 {
		tokens = append(tokens, stepUp(t, s, signing, t0.Add(time.Duration(i)*time.Second)))
	}
	for i, token := range tokens {
		if err := s.Use(token, signing, t0.Add(time.Minute)); (err == nil) != (i >= 20) {
			t.Errorf("token %d of 30: %v", i, err)
		}
	}
	if err := s.Use(kept, other, t0); err != nil {
		t.Errorf("another session's: %v", err)
	}
	for range 30 { // what has expired leaves without being used
		stepUp(t, s, authn.Act{Session: rand.Text()}, t0)
	}
	stepUp(t, s, signing, t0.Add(time.Hour))
	if n := s.Tokens(); n != 1 {
		t.Errorf("%d step-ups are kept, want the one that has not expired", n)
	}
}

// What is signed decides, not how it is cut into parts.
func TestActionsOfOtherPartsDiffer(t *testing.T) {
	seen := map[string]bool{}
	for _, parts := range [][]string{{}, {""}, {"", ""}, {"ab"}, {"a", "b"}, {"b", "a"}, {"ab", ""}, {"", "ab"}} {
		var p [][]byte
		for _, s := range parts {
			p = append(p, []byte(s))
		}
		a := authn.Action("/m", p...)
		if seen[a] {
			t.Errorf("%q has the action of another", parts)
		}
		seen[a] = true
	}
	if authn.Action("/m") == authn.Action("/n") {
		t.Error("two methods have one action")
	}
}

func TestStepUpNeedsEntropy(t *testing.T) {
	s := authn.NewStepUps(strings.NewReader("too short"))
	if _, _, err := s.New(signing, t0); err == nil {
		t.Error("a token was made of too little")
	}
}
