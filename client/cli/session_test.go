package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/lodd-rct/lodd/client"
	"github.com/lodd-rct/lodd/proto/invite"
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// Keys of logs, of which nobody has the other half.
const (
	logKey        = "lodd.test/log+db6f3d2a+AWVbMWo/jV+sb1iYkjYTu0EMc/wpM3+WOMQkYsxFvag5"
	anotherLogKey = "another.test/log+507225ef+ASbb9lOorZpmZqJNkA9J3YUgDvmh6HISL3G+sqkGSGUx"
)

const password = "correct horse battery staple"

// newcomer is a world in which nobody has joined yet, and an invitation whose
// first address nobody answers at.
func newcomer(t *testing.T) (*world, string) {
	t.Helper()
	w := newWorld(t, map[string]any{
		"Join":   &loddv1.JoinResponse{User: "kari"},
		"Login":  &loddv1.LoginResponse{Token: "fresh-token", Expires: timestamppb.New(t0.Add(48 * time.Hour))},
		"WhoAmI": &loddv1.WhoAmIResponse{User: "kari", FullName: "Kari Nordmann", LogKey: logKey, ExportKey: "export"},
	})
	w.saveProfile(client.Profile{})
	if err := w.dirs.RemoveSession(); err != nil {
		t.Fatal(err)
	}
	text, err := invite.Encode(invite.Invite{Server: "Lodd test", Addresses: []string{"gone.test:443", "lodd.test:443"}, Pin: w.pin, Code: "one-time"})
	if err != nil {
		t.Fatal(err)
	}
	return w, text
}

// Joining makes the account at the first address that answers, signs in, and
// leaves a profile without secrets and a session for the owner alone.
func TestJoin(t *testing.T) {
	w, text := newcomer(t)
	w.console = &script{answers: []string{"kari", "Kari Nordmann", password, password}}
	o := w.mustRun("join", text, "--timeout", "500ms")
	if o.stdout != "" || strings.Contains(o.stderr, password) {
		t.Errorf("stdout %q, stderr %q", o.stdout, o.stderr)
	}
	var methods []string
	for _, c := range w.fake.calls {
		methods = append(methods, c.method)
	}
	if diff := cmp.Diff([]string{"Join", "Login", "WhoAmI"}, methods); diff != "" {
		t.Error(diff)
	}
	req := w.fake.calls[0].req.(*loddv1.JoinRequest)
	if req.GetCode() != "one-time" || req.GetUser() != "kari" || req.GetFullName() != "Kari Nordmann" || req.GetPassword() != password {
		t.Errorf("asked to join as %v", req)
	}
	p, err := w.dirs.LoadProfile()
	if diff := cmp.Diff(client.Profile{Server: "gone.test:443,lodd.test:443", Pin: w.pin, LogKey: logKey, ExportKey: "export", User: "kari"}, p); err != nil || diff != "" {
		t.Error(err, diff)
	}
	s, err := w.dirs.LoadSession(w.pin, t0)
	if err != nil || s.Token != "fresh-token" || !s.Expires.Equal(t0.Add(12*time.Hour)) {
		t.Errorf("session %+v, %v", s, err)
	}
	config, err := os.ReadFile(filepath.Join(w.dirs.Config, "config.toml"))
	if err != nil || strings.Contains(string(config), "fresh-token") || strings.Contains(string(config), password) {
		t.Errorf("a secret in the profile: %s, %v", config, err)
	}
}

// An empty password is refused on this machine: the server would count it.
func TestAnEmptyPasswordIsNotSent(t *testing.T) {
	w, text := newcomer(t)
	for _, args := range [][]string{{"join", text, "--user", "kari", "--name", "Kari", "--password-stdin"}, {"login", "--user", "kari", "--server", "lodd.test:443", "--password-stdin"}, {"login", "--user", "kari", "--server", "lodd.test:443"}} {
		w.stdin, w.console = "\n", &script{answers: []string{""}}
		w.env["LODD_PIN"] = w.pin
		if o := w.run(args...); o.code != exitUsage || !strings.Contains(o.stderr, "no password was given") || len(w.fake.calls) != 0 {
			t.Errorf("%s: exit %d, %s%v", args[0], o.code, o.stderr, w.fake.calls)
		}
	}
}

// Whoever names one of the server's addresses, or none, keeps all of them; a new one
// takes their place.
func TestLoginKeepsTheAddresses(t *testing.T) {
	for given, want := range map[string]string{"": "gone.test:443,lodd.test:443", "lodd.test:443": "gone.test:443,lodd.test:443", "new.test:443,lodd.test:443": "new.test:443,lodd.test:443"} {
		w, _ := newcomer(t)
		w.saveProfile(client.Profile{Server: "gone.test:443,lodd.test:443", Pin: w.pin, User: "kari"})
		w.stdin, w.env["LODD_SERVER"] = password, given
		w.mustRun("login", "--password-stdin")
		if p, err := w.dirs.LoadProfile(); err != nil || p.Server != want {
			t.Errorf("%q: %q, %v", given, p.Server, err)
		}
	}
}

// The password from standard input is one line, and blanks in it count.
func TestJoinWithoutATerminal(t *testing.T) {
	w, text := newcomer(t)
	w.stdin = " " + password + " \r\nmore"
	w.mustRun("join", text, "--user", "kari", "--name", "Kari Nordmann", "--password-stdin", "--timeout", "500ms")
	if got := w.fake.calls[0].req.(*loddv1.JoinRequest).GetPassword(); got != " "+password+" " {
		t.Errorf("password %q", got)
	}
}

func TestJoinRefusals(t *testing.T) {
	used, _ := status.New(codes.FailedPrecondition, "used").WithDetails(&errdetails.ErrorInfo{Domain: "lodd.v1", Reason: "INVITE"})
	for _, tt := range []struct {
		name    string
		cut     int // characters taken from the end of the invitation
		answers []string
		join    any
		code    int
		want    string
		joined  bool // the profile knows the server afterwards
	}{
		{"cut off", 5, nil, nil, exitInvalid, "incomplete", false},
		{"nothing left", 1000, nil, nil, exitInvalid, "this is not an invite", false},
		{"passwords differ", 0, []string{"kari", "Kari", password, password + "!"}, nil, exitInvalid, "the two passwords differ", false},
		{"no user", 0, []string{"", "Kari"}, nil, exitUsage, "--user and --name", false},
		{"used", 0, []string{"kari", "Kari", password, password}, used.Err(), exitSignIn, "lodd login", false},
		{"answer lost", 0, []string{"kari", "Kari", password, password}, status.Error(codes.Unavailable, "gone"), exitUnknown, "run lodd login with the password", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, text := newcomer(t)
			w.console = &script{answers: tt.answers}
			if tt.join != nil {
				w.fake.answers["Join"] = tt.join
			}
			o := w.run("join", text[:max(len(text)-tt.cut, 0)], "--timeout", "500ms")
			if o.code != tt.code || !strings.Contains(o.stderr, tt.want) {
				t.Errorf("exit %d, %s; want %d and %q", o.code, o.stderr, tt.code, tt.want)
			}
			if p, err := w.dirs.LoadProfile(); err != nil || (p.Server != "") != tt.joined {
				t.Errorf("profile %+v, %v", p, err)
			}
		})
	}
}

// Signing in asks once, without echo, and the token goes with later calls.
func TestLoginAndUse(t *testing.T) {
	w, _ := newcomer(t)
	w.saveProfile(client.Profile{Server: "lodd.test:443", Pin: w.pin, User: "kari", Trial: "IPS"})
	console := &script{answers: []string{password}}
	w.console = console
	w.mustRun("login")
	if console.secrets != 1 || len(console.asked) != 1 {
		t.Errorf("asked %q", console.asked)
	}
	if p, err := w.dirs.LoadProfile(); err != nil || p.LogKey != logKey || p.ExportKey != "export" || p.Trial != "IPS" {
		t.Errorf("profile %+v, %v", p, err)
	}
	w.mustRun("whoami")
	w.fake.answers["Logout"] = status.Error(codes.Unavailable, "gone")
	if o := w.run("logout", "--timeout", "200ms"); o.code == 0 {
		t.Error("logout told of no lost answer")
	}
	if o := w.run("whoami"); o.code != exitSignIn {
		t.Errorf("after logout: exit %d", o.code)
	}
}

// The token by which the server knows this device is brought to each sign-in of
// the same user, also after a logout.
func TestLoginBringsTheDevice(t *testing.T) {
	w, _ := newcomer(t)
	w.saveProfile(client.Profile{Server: "lodd.test:443", Pin: w.pin, User: "kari"})
	w.fake.header = map[string]metadata.MD{"Login": metadata.Pairs("lodd-device", "device-of-kari")}
	w.fake.answers["Logout"] = &loddv1.LogoutResponse{}
	var brought []string
	login := func(args ...string) {
		t.Helper()
		w.fake.calls, w.stdin = nil, password
		w.mustRun(append([]string{"login", "--password-stdin"}, args...)...)
		brought = append(brought, strings.Join(w.fake.calls[0].header.Get("lodd-device"), " "))
	}
	login()
	w.mustRun("logout")
	login()
	login("--user", "ola")
	if diff := cmp.Diff([]string{"", "device-of-kari", ""}, brought); diff != "" {
		t.Error(diff)
	}
}

// A server that shows other keys than before is not believed, and the known
// ones stay.
func TestChangedKeyIsRefused(t *testing.T) {
	w, _ := newcomer(t)
	known := client.Profile{Server: "lodd.test:443", Pin: w.pin, User: "kari", LogKey: anotherLogKey, ExportKey: "export"}
	w.saveProfile(known)
	w.stdin = password
	o := w.run("login", "--password-stdin")
	if o.code != exitNotVerified || !strings.Contains(o.stderr, "log_key") {
		t.Errorf("exit %d, %s", o.code, o.stderr)
	}
	if _, err := w.dirs.LoadSession(w.pin, t0); err == nil {
		t.Error("signed in all the same")
	}
	if p, err := w.dirs.LoadProfile(); err != nil || cmp.Diff(known, p) != "" {
		t.Errorf("profile %+v, %v", p, err)
	}
}

// A flag goes before the environment, and that before the profile.
func TestPrecedence(t *testing.T) {
	for _, tt := range []struct {
		name    string
		profile string
		env     string
		args    []string
		want    string
	}{
		{"profile", "P", "", nil, "P"},
		{"environment", "P", "E", nil, "E"},
		{"flag", "P", "E", []string{"--trial", "F"}, "F"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, map[string]any{"ListRoles": &loddv1.ListRolesResponse{}})
			p, err := w.dirs.LoadProfile()
			if err != nil {
				t.Fatal(err)
			}
			p.Trial = tt.profile
			w.saveProfile(p)
			w.env["LODD_TRIAL"] = tt.env
			w.mustRun(append([]string{"role", "list"}, tt.args...)...)
			if got := w.fake.calls[0].req.(*loddv1.ListRolesRequest).GetTrialId(); got != tt.want {
				t.Errorf("trial %q, want %q", got, tt.want)
			}
		})
	}
}

// Norwegian locales get Norwegian; everything else, English.
func TestLanguageOfTheEnvironment(t *testing.T) {
	for locale, want := range map[string]string{"nb_NO.UTF-8": "nb", "nn_NO": "nb", "no": "nb", "nb": "nb", "en_US.UTF-8": "en", "C": "en", "": "en", "novial": "en"} {
		env := map[string]string{"LANG": locale}
		if got := language(func(k string) string { return env[k] }); got != want {
			t.Errorf("LANG=%s is %s, want %s", locale, got, want)
		}
	}
}

// A server that names no key of its log is not worked with: nothing that it says
// could be checked.
func TestServerWithoutALogKeyIsRefused(t *testing.T) {
	w, _ := newcomer(t)
	w.fake.answers["WhoAmI"] = &loddv1.WhoAmIResponse{User: "kari", LogKey: "none", ExportKey: "export"}
	w.saveProfile(client.Profile{Server: "lodd.test:443", Pin: w.pin, User: "kari"})
	w.stdin = password
	o := w.run("login", "--password-stdin")
	if o.code != exitNotVerified || !strings.Contains(o.stderr, "a key of its log that is none") {
		t.Errorf("exit %d, %s", o.code, o.stderr)
	}
}
