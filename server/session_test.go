package server_test

import (
	"context"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/server"
)

// The first account is the administrator's, and the way to it closes behind.
func TestBootstrapMakesOneAdministrator(t *testing.T) {
	w := newWorld(t, nil)
	text, _ := w.server.BootstrapInvite()
	code := w.code(text)

	errs := make([]error, 2)
	var wg sync.WaitGroup
	for i, user := range []string{"one", "two"} {
		wg.Go(func() { errs[i] = w.join(code, user) })
	}
	wg.Wait()
	if (errs[0] == nil) == (errs[1] == nil) {
		t.Fatalf("two who raced for the bootstrap code got %v", errs)
	}
	winner, lost := "one", errs[1]
	if errs[0] != nil {
		winner, lost = "two", errs[0]
	}
	refused(t, lost, codes.FailedPrecondition, "INVITE")

	if text, ok := w.server.BootstrapInvite(); ok {
		t.Errorf("the bootstrap invite %q is left", text)
	}
	me, err := w.session().WhoAmI(w.as(winner), &loddv1.WhoAmIRequest{})
	w.must(err)
	if !me.GetAdministrator() || me.GetFullName() != "Person "+winner || me.GetLogKey() != w.keys.LogVerifier || me.GetExportKey() != w.keys.ExportVerifier {
		t.Errorf("WhoAmI = %v", me)
	}
	w.restart()
	if text, ok := w.server.BootstrapInvite(); ok {
		t.Errorf("a server with an account made the bootstrap invite %q", text)
	}
}

// A code that was never used is worth nothing after a restart.
func TestBootstrapCodeDiesWithTheProcess(t *testing.T) {
	w := newWorld(t, nil)
	text, _ := w.server.BootstrapInvite()
	w.restart()
	refused(t, w.join(w.code(text), "late"), codes.FailedPrecondition, "INVITE")
	w.bootstrap()
}

func TestJoinRefuses(t *testing.T) {
	w := newWorld(t, nil)
	w.bootstrap()
	used := w.invite()
	w.must(w.join(used, "taken"))
	old := w.invite()
	w.wait(73 * time.Hour)
	good := w.invite()

	for _, tt := range []struct {
		name, code, user, full, password string
		want                             codes.Code
		reason                           string
		fields                           []string
	}{
		{"used", used, "kari", "Kari", password, codes.FailedPrecondition, "INVITE", nil},
		{"expired", old, "kari", "Kari", password, codes.FailedPrecondition, "INVITE", nil},
		{"unknown", "ABCD-EFGH-ABCD-EFGH-ABCD-EFGH-ABCD-EFGH", "kari", "Kari", password, codes.FailedPrecondition, "INVITE", nil},
		{"no code", "hello", "kari", "Kari", password, codes.FailedPrecondition, "INVITE", nil},
		{"name in use", good, "taken", "Kari", password, codes.AlreadyExists, "EXISTS", nil},
		{"name of capitals", good, "Kari", "Kari", password, codes.InvalidArgument, "", []string{"user"}},
		{"name of a digit", good, "1kari", "Kari", password, codes.InvalidArgument, "", []string{"user"}},
		{"the server's name", good, "server", "Kari", password, codes.InvalidArgument, "", []string{"user"}},
		{"short name", good, "k", "Kari", password, codes.InvalidArgument, "", []string{"user"}},
		{"long name", good, strings.Repeat("k", 33), "Kari", password, codes.InvalidArgument, "", []string{"user"}},
		{"no printed name", good, "kari", " \u200b", password, codes.InvalidArgument, "", []string{"full_name"}},
		{"short password", good, "kari", "Kari", "fourteen chars", codes.InvalidArgument, "", []string{"password"}},
		{"everything", good, "", "", "", codes.InvalidArgument, "", []string{"user", "full_name", "password"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := w.session().Join(t.Context(), &loddv1.JoinRequest{Code: tt.code, User: tt.user, FullName: tt.full, Password: tt.password})
			refused(t, err, tt.want, tt.reason)
			if got := fields(err); !slices.Equal(got, tt.fields) {
				t.Errorf("fields = %v, want %v", got, tt.fields)
			}
		})
	}
	w.must(w.join(strings.ToLower(good), "kari"))
	refused(t, w.join(good, "kari"), codes.FailedPrecondition, "INVITE") // as after a lost answer
	w.as("kari")
}

// hookedMap is a map of credentials that tells when it is used.
type hookedMap struct {
	server.Map
	onGet, onPut func()
}

func (m hookedMap) Get(ctx context.Context, key string) ([]byte, error) {
	m.onGet()
	return m.Map.Get(ctx, key)
}

func (m hookedMap) Put(ctx context.Context, key string, value []byte) error {
	m.onPut()
	return m.Map.Put(ctx, key, value)
}

// Whoever gets a name gets it with their own password, however many want it:
// nobody else's is kept under the name, not even for a moment.
func TestJoinersOfOneNameDontMixUp(t *testing.T) {
	var puts atomic.Int64
	w := newWorld(t, func(c *server.Config) {
		c.Credentials = hookedMap{c.Credentials, func() {}, func() {
			puts.Add(1)
			for range 10_000 {
				runtime.Gosched() // so that the others come meanwhile
			}
		}}
	})
	w.bootstrap()
	const n = 8
	codesOf, errs := make([]string, n), make([]error, n)
	for i := range codesOf {
		codesOf[i] = w.invite()
	}
	own := func(i int) string { return strings.Repeat(string(rune('a'+i)), 3) + " brave new worlds" }
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			_, errs[i] = w.session().Join(t.Context(), &loddv1.JoinRequest{Code: codesOf[i], User: "kari", FullName: "Kari", Password: own(i)})
		})
	}
	wg.Wait()
	for i, err := range errs {
		_, login := w.session().Login(t.Context(), &loddv1.LoginRequest{User: "kari", Password: own(i)})
		if (err == nil) != (login == nil) && status.Code(login) != codes.ResourceExhausted {
			t.Errorf("joiner %d: joined %v, signed in %v", i, err, login)
		}
		w.wait(time.Hour) // for the limiter
	}
	if n := puts.Load(); n != 2 { // the administrator's, and one for the name
		t.Errorf("%d passwords were kept, want 2", n)
	}
}

// An account that ends while its password is looked at doesn't get a session.
func TestDisabledWhileSigningIn(t *testing.T) {
	var w *world
	disable := func() {}
	w = newWorld(t, func(c *server.Config) { c.Credentials = hookedMap{c.Credentials, func() { disable() }, func() {}} })
	w.bootstrap()
	w.must(w.join(w.invite(), "kari"))
	admin := w.as("admin")
	disable = func() {
		_, err := w.people().DisableAccount(admin, &loddv1.DisableAccountRequest{User: "kari", Reason: "left"})
		w.must(err)
	}
	_, err := w.session().Login(t.Context(), &loddv1.LoginRequest{User: "kari", Password: password})
	refused(t, err, codes.Unauthenticated, "SIGN_IN")
	if n := w.count("system", "signed_in"); n != 1 {
		t.Errorf("%d sign-ins, want the administrator's", n)
	}
}

func TestSessionsEnd(t *testing.T) {
	w := newWorld(t, nil)
	w.bootstrap()
	w.must(w.join(w.invite(), "kari"))
	whoami := func(user string) error {
		_, err := w.session().WhoAmI(w.as(user), &loddv1.WhoAmIRequest{})
		return err
	}

	_, err := w.session().WhoAmI(t.Context(), &loddv1.WhoAmIRequest{})
	refused(t, err, codes.Unauthenticated, "")

	w.must(whoami("kari"))
	_, err = w.session().Logout(w.as("kari"), &loddv1.LogoutRequest{})
	w.must(err)
	refused(t, whoami("kari"), codes.Unauthenticated, "")

	delete(w.tokens, "kari")
	w.must(whoami("kari"))
	_, err = w.people().DisableAccount(w.as("admin"), &loddv1.DisableAccountRequest{User: "kari", Reason: "left"})
	w.must(err)
	refused(t, whoami("kari"), codes.Unauthenticated, "")

	old := w.as("admin")
	w.wait(31 * time.Minute)
	_, err = w.session().WhoAmI(old, &loddv1.WhoAmIRequest{})
	refused(t, err, codes.Unauthenticated, "")
	if got := w.kinds("system"); got[len(got)-1] != "account_disabled kari" {
		t.Errorf("entries = %q", got)
	}
}

func TestLoginTellsHowLongTheSessionLasts(t *testing.T) {
	w := newWorld(t, nil)
	w.bootstrap()
	resp, err := w.session().Login(t.Context(), &loddv1.LoginRequest{User: "admin", Password: password})
	w.must(err)
	if got := resp.GetExpires().AsTime().Sub(w.clock.now()); got != 12*time.Hour || resp.GetIdleSeconds() != 1800 {
		t.Errorf("session of %v, idle %d s", got, resp.GetIdleSeconds())
	}
}
