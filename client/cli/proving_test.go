package cli

import (
	"bufio"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/lodd-rct/lodd/client"
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/server/authn/openid/openidtest"
)

// codeNeeded answers with answer if the request brings the code, and else wants
// it.
func codeNeeded(t *testing.T, code string, answer proto.Message) func(proto.Message) any {
	return func(req proto.Message) any {
		if req.(interface{ GetCode() string }).GetCode() != code {
			return refusal(t, codes.Unauthenticated, "CODE_NEEDED")
		}
		return answer
	}
}

// codes returns the codes that were brought to a method, in order.
func (f *fake) codes(method string) (brought []string) {
	for _, c := range f.calls {
		if c.method == method {
			brought = append(brought, c.req.(interface{ GetCode() string }).GetCode())
		}
	}
	return brought
}

var freshLogin = &loddv1.LoginResponse{Token: "fresh-token", Expires: timestamppb.New(t0.Add(time.Hour))}

// The code is asked for only if the server wants one, and once.
func TestLoginAsksForACode(t *testing.T) {
	for name, tt := range map[string]struct {
		answers []string
		stdin   string
		code    int
		brought []string
	}{
		"typed":           {[]string{password, "287082"}, "", exitDone, []string{"", "287082"}},
		"from stdin":      {nil, password + "\n287082\n", exitDone, []string{"", "287082"}},
		"wrong":           {[]string{password, "000000"}, "", exitSignIn, []string{"", "000000"}},
		"none given":      {[]string{password, ""}, "", exitSignIn, []string{""}},
		"none from stdin": {nil, password + "\n", exitSignIn, []string{""}},
	} {
		t.Run(name, func(t *testing.T) {
			w, _ := newcomer(t)
			w.saveProfile(client.Profile{Server: "lodd.test:443", Pin: w.pin, User: "kari"})
			w.fake.answers["Login"] = codeNeeded(t, "287082", freshLogin)
			args := []string{"login"}
			if w.stdin = tt.stdin; tt.stdin != "" {
				args = append(args, "--password-stdin")
			} else {
				w.console = &script{answers: tt.answers}
			}
			if o := w.run(args...); o.code != tt.code || (tt.code == exitSignIn) != strings.Contains(o.stderr, "next code of the app") {
				t.Errorf("exit %d, %s", o.code, o.stderr)
			}
			if diff := cmp.Diff(tt.brought, w.fake.codes("Login")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestLimitedSessionIsSaid(t *testing.T) {
	w, _ := newcomer(t)
	w.saveProfile(client.Profile{Server: "lodd.test:443", Pin: w.pin, User: "kari"})
	w.fake.answers["Login"] = &loddv1.LoginResponse{Token: "fresh-token", Expires: freshLogin.GetExpires(), Limited: true}
	w.stdin = password
	if o := w.mustRun("login", "--password-stdin"); !strings.Contains(o.stderr, "lodd session factor") {
		t.Error(o.stderr)
	}
	w.fake.answers["ListTrials"] = refusal(t, codes.PermissionDenied, "FACTOR_NEEDED")
	if o := w.run("trial", "list"); o.code != exitSignIn || !strings.Contains(o.stderr, "lodd session factor") {
		t.Errorf("exit %d, %s", o.code, o.stderr)
	}
}

// The secret is shown to the person and not among the data, a mistyped code is
// asked for again, and the recovery codes are the data.
func TestEnrolFactor(t *testing.T) {
	w := newWorld(t, map[string]any{
		"EnrolFactor":   codeNeeded(t, "old", &loddv1.EnrolFactorResponse{Secret: "GEZDGNBV", Uri: "otpauth://totp/Lodd:kari"}),
		"ConfirmFactor": codeNeeded(t, "287082", &loddv1.ConfirmFactorResponse{RecoveryCodes: []string{"AAAA-BBBB", "CCCC-DDDD"}}),
	})
	w.console = &script{answers: []string{password, "old", "000000", "287082"}}
	o := w.mustRun("session", "factor", "--output", "json")
	if strings.Contains(o.stdout, "GEZDGNBV") || !strings.Contains(o.stderr, "GEZDGNBV") || !strings.Contains(o.stderr, "otpauth://totp/Lodd:kari") {
		t.Errorf("stdout %s, stderr %s", o.stdout, o.stderr)
	}
	if !strings.Contains(o.stdout, `"lodd.recovery-codes/1"`) || !strings.Contains(o.stdout, "CCCC-DDDD") {
		t.Error(o.stdout)
	}
	if diff := cmp.Diff([]string{"000000", "287082"}, w.fake.codes("ConfirmFactor")); diff != "" {
		t.Error(diff)
	}
	if got := w.fake.calls[0].req.(*loddv1.EnrolFactorRequest).GetPassword(); got != password {
		t.Errorf("password %q", got)
	}
}

func TestChangePasswordAndRecover(t *testing.T) {
	w := newWorld(t, map[string]any{
		"ChangePassword": codeNeeded(t, "287082", &loddv1.ChangePasswordResponse{}),
		"Recover":        &loddv1.RecoverResponse{}, "SetNoticeAddress": &loddv1.SetNoticeAddressResponse{},
	})
	w.console = &script{answers: []string{"old", "new", "new", "287082"}}
	w.mustRun("session", "password")
	change := w.fake.calls[1].req.(*loddv1.ChangePasswordRequest)
	if change.GetOldPassword() != "old" || change.GetNewPassword() != "new" || change.GetCode() != "287082" {
		t.Errorf("asked to change %v", change)
	}
	w.console, w.stdin = nil, "old\nnew\n287082\n"
	w.mustRun("session", "password", "--password-stdin")

	w.fake.calls = nil
	w.console = &script{answers: []string{"ABCD-EFGH", "new", "new"}}
	w.mustRun("session", "recover")
	w.console, w.stdin = nil, "ABCD-EFGH\nnew\n"
	w.mustRun("session", "recover", "--user", "kari", "--password-stdin")
	for _, c := range w.fake.calls {
		want := &loddv1.RecoverRequest{User: "kari", Code: "ABCD-EFGH", Password: "new"}
		if !proto.Equal(c.req, want) || len(c.header.Get("authorization")) > 0 {
			t.Errorf("asked for %v, %v", c.req, c.header)
		}
	}
	w.mustRun("session", "notices", "kari@example.org")
	if got := w.fake.calls[2].req.(*loddv1.SetNoticeAddressRequest).GetAddress(); got != "kari@example.org" {
		t.Errorf("address %q", got)
	}
}

// An approval is preceded by a step-up for exactly it.
func TestRecoveryOnTheCommandLine(t *testing.T) {
	w := newWorld(t, map[string]any{
		"ProposeRecovery": &loddv1.ProposeRecoveryResponse{Expires: timestamppb.New(t0)},
		"StepUp":          codeNeeded(t, "287082", &loddv1.StepUpResponse{Token: "one-act"}),
		"ApproveRecovery": &loddv1.ApproveRecoveryResponse{Code: "ABCD-EFGH", Expires: timestamppb.New(t0)},
	})
	w.mustRun("people", "recover", "ola", "--reason", "lost the phone")
	w.stdin = password + "\n287082\n"
	o := w.mustRun("people", "approve-recovery", "ola", "--password-stdin")
	if !strings.Contains(o.stdout, "ABCD-EFGH") || strings.Contains(o.stderr, "ABCD-EFGH") {
		t.Errorf("stdout %s, stderr %s", o.stdout, o.stderr)
	}
	step := &loddv1.StepUpRequest{Act: "/lodd.v1.PeopleService/ApproveRecovery", Subject: "ola", Password: password, Code: "287082"}
	if got := w.fake.calls[2].req; !proto.Equal(got, step) {
		t.Errorf("stepped up by %v", got)
	}
	if got := w.fake.calls[3].req.(*loddv1.ApproveRecoveryRequest); got.GetUser() != "ola" || got.GetStepUp() != "one-act" {
		t.Errorf("approved %v", got)
	}
}

// With a real identity provider: in the browser and on another device, and a
// step-up there afterwards, without a word of passwords.
func TestOIDCOnTheCommandLine(t *testing.T) {
	p := openidtest.Start(t)
	w, text := newcomer(t)
	w.saveProfile(client.Profile{Server: "lodd.test:443", Pin: w.pin})
	w.fake.answers["BeginOIDC"] = &loddv1.BeginOIDCResponse{Issuer: p.Issuer, ClientId: openidtest.ClientID, Nonce: "one-nonce"}
	w.fake.answers["LoginOIDC"] = codeNeeded(t, "287082", &loddv1.LoginOIDCResponse{User: "kari", Session: freshLogin})
	w.fake.answers["StepUp"] = &loddv1.StepUpResponse{Token: "one-act"}
	w.fake.answers["ApproveRecovery"] = &loddv1.ApproveRecoveryResponse{}
	w.fake.answers["EnrolFactor"] = &loddv1.EnrolFactorResponse{Secret: "GEZDGNBV"}
	w.fake.answers["ConfirmFactor"] = &loddv1.ConfirmFactorResponse{RecoveryCodes: []string{"AAAA-BBBB"}}
	var opened []string
	var ended []chan error
	w.page = func(address string) error {
		opened = append(opened, address)
		done := make(chan error, 1)
		ended = append(ended, done)
		go func() {
			_, err := openidtest.NewBrowser(openidtest.Person{Name: "sub-1"}).Open(t.Context(), address)
			done <- err
		}()
		return nil
	}
	w.console = &script{answers: []string{"287082", "287082", "287082"}}
	w.mustRun("join", text, "--oidc", "--user", "kari", "--name", "Kari", "--timeout", "5s")
	w.mustRun("login", "--oidc")
	w.mustRun("people", "approve-recovery", "ola")
	w.mustRun("session", "factor")
	for _, done := range ended {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	fresh := func(address string) bool { return strings.Contains(address, "prompt=login") }
	if len(opened) != 5 || fresh(opened[2]) || !fresh(opened[3]) || !fresh(opened[4]) {
		t.Errorf("opened %q", opened)
	}
	for _, c := range w.fake.calls {
		if r, ok := c.req.(interface {
			GetIdToken() string
			GetNonce() string
		}); ok && (strings.Count(r.GetIdToken(), ".") != 2 || r.GetNonce() != "one-nonce") {
			t.Errorf("%s with %v", c.method, c.req)
		}
	}
	if diff := cmp.Diff([]string{"", "287082", "", "287082"}, w.fake.codes("LoginOIDC")); diff != "" {
		t.Error(diff)
	}

	w.fake.calls, w.page = nil, nil
	w.fake.answers["LoginOIDC"] = &loddv1.LoginOIDCResponse{User: "kari", Session: freshLogin}
	told, out := io.Pipe()
	approved := make(chan error, 1)
	go func() {
		for lines := bufio.NewScanner(told); lines.Scan(); {
			if address := strings.TrimSpace(lines.Text()); strings.HasPrefix(address, p.Issuer) {
				approved <- openidtest.NewBrowser(openidtest.Person{Name: "sub-1"}).Approve(t.Context(), address)
			}
		}
	}()
	d := w.deps()
	d.Stderr = out
	if code := Run(t.Context(), []string{"login", "--device"}, d); code != exitDone {
		t.Errorf("exit %d", code)
	}
	out.Close()
	if err := <-approved; err != nil {
		t.Error(err)
	}
	i := slices.IndexFunc(w.fake.calls, func(c fakeCall) bool { return c.method == "LoginOIDC" })
	if r := w.fake.calls[i].req.(*loddv1.LoginOIDCRequest); r.GetNonce() != "" || strings.Count(r.GetIdToken(), ".") != 2 {
		t.Errorf("signed in with %v", r)
	}
}
