package server_test

import (
	"bytes"
	"context"
	"encoding/base32"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/server"
)

// withFactor demands a second factor, as servers do by default.
func withFactor(c *server.Config) { c.SignIn.WithoutFactor = false }

// login signs in with a code and returns the context of the session's calls.
func (w *world) login(user, code string) (context.Context, *loddv1.LoginResponse, error) {
	resp, err := w.session().Login(w.t.Context(), &loddv1.LoginRequest{User: user, Password: password, Code: code})
	return metadata.AppendToOutgoingContext(w.t.Context(), "authorization", "Bearer "+resp.GetToken()), resp, err
}

// code returns the code of a second factor now.
func (w *world) totp(secret string) string {
	w.t.Helper()
	code, err := totp.GenerateCode(secret, w.clock.now())
	w.must(err)
	return code
}

// enrol gives the user of a session a second factor.
func (w *world) enrol(ctx context.Context) (secret string, recovery []string) {
	w.t.Helper()
	begun, err := w.session().EnrolFactor(ctx, &loddv1.EnrolFactorRequest{Password: password})
	w.must(err)
	done, err := w.session().ConfirmFactor(ctx, &loddv1.ConfirmFactorRequest{Code: w.totp(begun.GetSecret())})
	w.must(err)
	return begun.GetSecret(), done.GetRecoveryCodes()
}

// Whoever runs the server does nothing before they have a second factor, and
// nothing without it afterwards.
func TestAdministratorNeedsASecondFactor(t *testing.T) {
	w := newWorld(t, withFactor)
	w.bootstrap()
	ctx, resp, err := w.login("admin", "")
	w.must(err)
	if !resp.GetLimited() {
		t.Error("the session isn't said to be limited")
	}
	for _, c := range everyCall(w, "admin") {
		if strings.HasPrefix(c.method, "lodd.v1.FollowService") {
			continue // which is for machines
		}
		refused(t, c.err, codes.PermissionDenied, "FACTOR_NEEDED")
	}
	_, err = w.session().ChangePassword(ctx, &loddv1.ChangePasswordRequest{OldPassword: password, NewPassword: "eight green bottles stand"})
	refused(t, err, codes.PermissionDenied, "FACTOR_NEEDED")
	me, err := w.session().WhoAmI(ctx, &loddv1.WhoAmIRequest{})
	w.must(err)
	if me.GetUser() != "admin" {
		t.Errorf("WhoAmI = %v", me)
	}

	begun, err := w.session().EnrolFactor(ctx, &loddv1.EnrolFactorRequest{Password: password})
	w.must(err)
	if !strings.HasPrefix(begun.GetUri(), "otpauth://totp/Rehearsal:admin?") || !strings.Contains(begun.GetUri(), begun.GetSecret()) {
		t.Errorf("EnrolFactor = %v", begun)
	}
	_, err = w.people().CreateInvite(ctx, &loddv1.CreateInviteRequest{})
	refused(t, err, codes.PermissionDenied, "FACTOR_NEEDED") // a secret that nobody confirmed
	_, err = w.session().ConfirmFactor(ctx, &loddv1.ConfirmFactorRequest{Code: w.totp(begun.GetSecret())})
	w.must(err)
	_, err = w.people().CreateInvite(ctx, &loddv1.CreateInviteRequest{})
	w.must(err)

	_, err = w.session().Logout(ctx, &loddv1.LogoutRequest{})
	w.must(err)
	_, _, err = w.login("admin", "")
	refused(t, err, codes.Unauthenticated, "CODE_NEEDED")
	_, _, err = w.login("admin", w.totp(begun.GetSecret()))
	refused(t, err, codes.Unauthenticated, "CODE_NEEDED") // it confirmed the factor, and works once
	w.wait(30 * time.Second)
	ctx, resp, err = w.login("admin", w.totp(begun.GetSecret()))
	w.must(err)
	if resp.GetLimited() {
		t.Error("the session is said to be limited")
	}
	_, err = w.people().CreateInvite(ctx, &loddv1.CreateInviteRequest{})
	w.must(err)
	if got := w.kinds("system"); !slices.Equal(got[1:], []string{
		"signed_in ", "signed_in ", "factor_enrolled ", "account_invited ", "signed_out ", "sign_in_refused admin", "signed_in ", "account_invited ",
	}) {
		t.Errorf("entries = %q", got)
	}
}

// A role that can open an arm, has a say in it, or seals, needs a second factor from the moment
// it is held; the others don't.
func TestRolesThatNeedASecondFactor(t *testing.T) {
	need := map[string]bool{"custodian": true, "treatment-team": true, "dsmb": true, "investigator": true, "auditor": true, "statistician": true}
	w := newUnsealed(t, nil)
	w.config = withFactor
	w.restart()
	for _, p := range cast {
		ctx, resp, err := w.login(p.user, "")
		w.must(err)
		_, err = w.trials().GetTrial(ctx, &loddv1.GetTrialRequest{TrialId: "T1"})
		if resp.GetLimited() != need[p.role] || (err != nil) != need[p.role] {
			t.Errorf("%s: limited %v, %v", p.role, resp.GetLimited(), err)
		}
	}

	admin, _, err := w.login("admin", "")
	w.must(err)
	w.enrol(admin)
	cus, _, err := w.login("cus", "")
	w.must(err)
	w.enrol(cus)
	for user, role := range map[string]string{"rev": "reviewer", "cli": "clinician"} {
		invited, err := w.people().CreateInvite(admin, &loddv1.CreateInviteRequest{})
		w.must(err)
		w.must(w.join(w.code(invited.GetInvite()), user))
		ctx, resp, err := w.login(user, "")
		w.must(err)
		if resp.GetLimited() {
			t.Error("somebody without a role has a limited session")
		}
		_, err = w.people().GrantRole(cus, &loddv1.GrantRoleRequest{TrialId: "T1", User: user, Role: role})
		w.must(err)
		_, err = w.trials().GetTrial(ctx, &loddv1.GetTrialRequest{TrialId: "T1"})
		refused(t, err, codes.PermissionDenied, "FACTOR_NEEDED") // in the middle of a session
		w.enrol(ctx)
		_, err = w.trials().GetTrial(ctx, &loddv1.GetTrialRequest{TrialId: "T1"})
		w.must(err)
	}
}

// Without the demand, nobody must have one, and whoever has one is asked.
func TestSecondFactorByChoice(t *testing.T) {
	w := newWorld(t, nil)
	w.bootstrap()
	ctx, resp, err := w.login("admin", "")
	w.must(err)
	if resp.GetLimited() {
		t.Error("the session is limited")
	}
	secret, _ := w.enrol(ctx)
	_, _, err = w.login("admin", "")
	refused(t, err, codes.Unauthenticated, "CODE_NEEDED")
	w.wait(30 * time.Second)
	_, _, err = w.login("admin", w.totp(secret))
	w.must(err)
}

// slowMap keeps a second factor only when somebody else has read it meanwhile,
// if anybody does soon.
type slowMap struct {
	server.Map
	read chan struct{}
}

func (m slowMap) Get(ctx context.Context, key string) ([]byte, error) {
	if strings.HasPrefix(key, "factor/") {
		select {
		case m.read <- struct{}{}:
		default:
		}
	}
	return m.Map.Get(ctx, key)
}

func (m slowMap) Put(ctx context.Context, key string, value []byte) error {
	if strings.HasPrefix(key, "factor/") {
		select {
		case <-m.read: // our own, or another's
		default:
		}
		select {
		case <-m.read:
		case <-time.After(100 * time.Millisecond):
		}
	}
	return m.Map.Put(ctx, key, value)
}

// A code works once, for however many at a time, and also after a restart.
func TestCodesWorkOnce(t *testing.T) {
	w := newWorld(t, func(c *server.Config) { c.Credentials = slowMap{c.Credentials, make(chan struct{}, 1)} })
	w.bootstrap()
	ctx, _, err := w.login("admin", "")
	w.must(err)
	secret, recovery := w.enrol(ctx)
	device := w.knownDevice("admin", recovery[0])
	w.wait(time.Minute)
	for _, code := range []string{w.totp(secret), strings.ToLower(recovery[1])} {
		var in atomic.Int64
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				if _, err := w.session().Login(device, &loddv1.LoginRequest{User: "admin", Password: password, Code: code}); err == nil {
					in.Add(1)
				}
			})
		}
		wg.Wait()
		if n := in.Load(); n != 1 {
			t.Errorf("one code let %d in", n)
		}
		w.wait(time.Hour)
	}
	for _, code := range recovery[:2] {
		w.restart()
		_, _, err := w.login("admin", code)
		refused(t, err, codes.Unauthenticated, "CODE_NEEDED")
	}
	_, _, err = w.login("admin", recovery[2])
	w.must(err)
}

// knownDevice signs in and returns a context whose calls come from that device,
// which strangers' attempts don't slow down.
func (w *world) knownDevice(user, code string) context.Context {
	w.t.Helper()
	var header metadata.MD
	_, err := w.session().Login(w.t.Context(), &loddv1.LoginRequest{User: user, Password: password, Code: code}, grpc.Header(&header))
	w.must(err)
	return metadata.AppendToOutgoingContext(w.t.Context(), "lodd-device", header.Get("lodd-device")[0])
}

// Whoever knows the password and guesses codes is slowed down, and asking with
// the password alone doesn't make the attempts before forgotten.
func TestGuessingCodesIsSlowedDown(t *testing.T) {
	w := newWorld(t, nil)
	w.bootstrap()
	ctx, _, err := w.login("admin", "")
	w.must(err)
	_, recovery := w.enrol(ctx)
	for range 3 {
		for range 5 {
			_, _, err = w.login("admin", "")
			refused(t, err, codes.Unauthenticated, "CODE_NEEDED")
		}
		_, _, err = w.login("admin", "000000")
		refused(t, err, codes.Unauthenticated, "CODE_NEEDED")
	}
	_, _, err = w.login("admin", recovery[0])
	refused(t, err, codes.ResourceExhausted, "SLOW_DOWN")
	if n := w.count("system", "sign_in_refused"); n != 3 {
		t.Errorf("%d refusals were recorded, want the three wrong codes", n)
	}
	// A wrong password is answered as ever: nobody learns from it that there is a
	// second factor.
	w.wait(time.Second)
	_, err = w.session().Login(t.Context(), &loddv1.LoginRequest{User: "admin", Password: "not this one at all", Code: recovery[0]})
	refused(t, err, codes.Unauthenticated, "SIGN_IN")
}

// A stolen session doesn't get a second factor of its own: that takes the
// password, and a code of the one that is there. Who confirms one ends it.
func TestEnrolmentTakesTheOldFactor(t *testing.T) {
	w := newWorld(t, nil)
	w.bootstrap()
	owner, _, err := w.login("admin", "")
	w.must(err)
	thief, _, err := w.login("admin", "")
	w.must(err)
	_, err = w.session().EnrolFactor(thief, &loddv1.EnrolFactorRequest{})
	refused(t, err, codes.Unauthenticated, "SIGN_IN")
	_, err = w.session().EnrolFactor(thief, &loddv1.EnrolFactorRequest{Password: "not this one at all"})
	refused(t, err, codes.Unauthenticated, "SIGN_IN")

	_, recovery := w.enrol(owner)
	_, err = w.session().WhoAmI(thief, &loddv1.WhoAmIRequest{})
	refused(t, err, codes.Unauthenticated, "")

	_, err = w.session().EnrolFactor(owner, &loddv1.EnrolFactorRequest{Password: password})
	refused(t, err, codes.Unauthenticated, "CODE_NEEDED")
	begun, err := w.session().EnrolFactor(owner, &loddv1.EnrolFactorRequest{Password: password, Code: recovery[0]})
	w.must(err)
	// The old one counts until the new one is confirmed.
	_, _, err = w.login("admin", recovery[1])
	w.must(err)
	_, err = w.session().ConfirmFactor(owner, &loddv1.ConfirmFactorRequest{Code: w.totp(begun.GetSecret())})
	w.must(err)
	_, _, err = w.login("admin", recovery[2])
	refused(t, err, codes.Unauthenticated, "CODE_NEEDED")
}

func TestConfirmationIsOfThisSession(t *testing.T) {
	w := newWorld(t, nil)
	w.bootstrap()
	here, _, err := w.login("admin", "")
	w.must(err)
	there, _, err := w.login("admin", "")
	w.must(err)
	confirm := func(ctx context.Context, code string) error {
		_, err := w.session().ConfirmFactor(ctx, &loddv1.ConfirmFactorRequest{Code: code})
		return err
	}
	begin := func() string {
		begun, err := w.session().EnrolFactor(here, &loddv1.EnrolFactorRequest{Password: password})
		w.must(err)
		return begun.GetSecret()
	}
	refused(t, confirm(here, "000000"), codes.FailedPrecondition, "") // nothing was begun
	secret := begin()
	refused(t, confirm(there, w.totp(secret)), codes.FailedPrecondition, "")
	for range 5 {
		refused(t, confirm(here, "000000"), codes.Unauthenticated, "CODE_NEEDED")
	}
	refused(t, confirm(here, w.totp(secret)), codes.FailedPrecondition, "") // guessed at too often
	secret = begin()
	w.wait(10 * time.Minute)
	refused(t, confirm(here, w.totp(secret)), codes.FailedPrecondition, "") // too late
	secret = begin()
	w.must(confirm(here, w.totp(secret)))
}

// What is kept of a second factor is sealed.
func TestSecretsAreSealed(t *testing.T) {
	w := newWorld(t, nil)
	w.bootstrap()
	ctx, _, err := w.login("admin", "")
	w.must(err)
	text, recovery := w.enrol(ctx)
	secret, err := base32.StdEncoding.DecodeString(text)
	w.must(err)
	kept, err := w.store.Get(t.Context(), "factor/admin")
	w.must(err)
	if len(kept) == 0 || bytes.Contains(kept, secret) || bytes.Contains(kept, []byte(text)) {
		t.Errorf("a second factor is kept as %x", kept)
	}
	for _, s := range append(recovery, text) {
		if strings.Contains(w.logs.String(), s) {
			t.Errorf("the log tells %q", s)
		}
	}
}

func TestChangePassword(t *testing.T) {
	w := newWorld(t, nil)
	w.bootstrap()
	ctx, _, err := w.login("admin", "")
	w.must(err)
	other, _, err := w.login("admin", "")
	w.must(err)
	change := func(old, text string) error {
		_, err := w.session().ChangePassword(ctx, &loddv1.ChangePasswordRequest{OldPassword: old, NewPassword: text})
		return err
	}
	const next = "eight green bottles stand"
	refused(t, change("not this one at all", next), codes.Unauthenticated, "SIGN_IN")
	short := change(password, "short")
	refused(t, short, codes.InvalidArgument, "")
	if got := fields(short); !slices.Equal(got, []string{"new_password"}) {
		t.Errorf("fields = %q", got)
	}
	w.must(change(password, next))
	_, err = w.session().WhoAmI(ctx, &loddv1.WhoAmIRequest{})
	w.must(err)
	_, err = w.session().WhoAmI(other, &loddv1.WhoAmIRequest{})
	refused(t, err, codes.Unauthenticated, "")
	_, _, err = w.login("admin", "")
	refused(t, err, codes.Unauthenticated, "SIGN_IN")
	_, err = w.session().Login(t.Context(), &loddv1.LoginRequest{User: "admin", Password: next})
	w.must(err)
	if n := w.count("system", "password_changed"); n != 1 {
		t.Errorf("%d changes were recorded", n)
	}
}
