package server_test

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/server"
	"github.com/lodd-rct/lodd/server/authn"
)

// The answer doesn't tell whether the account exists.
func TestRefusedSignInsLookTheSame(t *testing.T) {
	w := newWorld(t, nil)
	w.bootstrap()
	w.must(w.join(w.invite(), "kari"))
	w.must(w.join(w.invite(), "gone"))
	_, err := w.people().DisableAccount(w.as("admin"), &loddv1.DisableAccountRequest{User: "gone", Reason: "left"})
	w.must(err)

	login := func(user, password string) error {
		_, err := w.session().Login(t.Context(), &loddv1.LoginRequest{User: user, Password: password})
		return err
	}
	wrong := login("kari", "not this one at all")
	refused(t, wrong, codes.Unauthenticated, "SIGN_IN")
	same(t, wrong, login("nobody", password))
	same(t, wrong, login("gone", password))
	same(t, wrong, login("", password))
	same(t, wrong, login("Robert'); --", password))
	same(t, wrong, login("kari", ""))
	// Only what was tried on an account is an entry: a stranger with a list of
	// names doesn't make the log grow.
	if got := w.kinds("system"); !slices.Equal(got[len(got)-4:], []string{
		"account_disabled gone", "sign_in_refused kari", "sign_in_refused gone", "sign_in_refused kari",
	}) {
		t.Errorf("entries = %q", got)
	}
}

func TestGuessingIsSlowedDown(t *testing.T) {
	w := newWorld(t, nil)
	w.bootstrap()
	for range 3 {
		_, err := w.session().Login(t.Context(), &loddv1.LoginRequest{User: "admin", Password: "a wrong password, surely"})
		refused(t, err, codes.Unauthenticated, "SIGN_IN")
	}
	_, err := w.session().Login(t.Context(), &loddv1.LoginRequest{User: "admin", Password: password})
	refused(t, err, codes.ResourceExhausted, "SLOW_DOWN")
	_, stranger := w.session().Login(t.Context(), &loddv1.LoginRequest{User: "nobody", Password: password})
	refused(t, stranger, codes.Unauthenticated, "SIGN_IN")
	w.wait(time.Second)
	for range 10 { // a success ends the row of wrong ones
		w.tokens = map[string]string{}
		w.as("admin")
	}
}

// Strangers who guess don't shut a person out of a device used before.
func TestKnownDeviceStillGetsIn(t *testing.T) {
	w := newWorld(t, nil)
	w.bootstrap()
	var header metadata.MD
	_, err := w.session().Login(t.Context(), &loddv1.LoginRequest{User: "admin", Password: password}, grpc.Header(&header))
	w.must(err)
	for range 3 {
		_, _ = w.session().Login(t.Context(), &loddv1.LoginRequest{User: "admin", Password: "a wrong password, surely"})
	}
	known := metadata.AppendToOutgoingContext(t.Context(), "lodd-device", header.Get("lodd-device")[0])
	_, err = w.session().Login(known, &loddv1.LoginRequest{User: "admin", Password: password})
	w.must(err)
}

// Who is turned away because too many sign in has lost no attempt.
func TestBusySignInCostsNoAttempt(t *testing.T) {
	w := newWorld(t, func(c *server.Config) {
		c.Passwords = authn.PasswordConfig{MemoryKiB: 2048, Passes: 1, Concurrent: 1}
	})
	w.bootstrap()
	login := func(user string) error {
		_, err := w.session().Login(t.Context(), &loddv1.LoginRequest{User: user, Password: password})
		return err
	}
	var wg sync.WaitGroup
	var enough atomic.Bool
	for i := range 60 {
		wg.Go(func() {
			for n := 0; !enough.Load(); n++ {
				_ = login(fmt.Sprintf("nobody%d-%d", i, n))
			}
		})
	}
	for busy := 0; busy < 5; {
		switch err := login("admin"); {
		case status.Code(err) == codes.ResourceExhausted:
			refused(t, err, codes.ResourceExhausted, "BUSY")
			busy++
		case err != nil:
			t.Error(err)
		}
		if t.Failed() {
			break
		}
	}
	enough.Store(true)
	wg.Wait()
	w.must(login("admin"))
}
