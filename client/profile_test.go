package client

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func dirs(t *testing.T) Dirs {
	t.Helper()
	dir := t.TempDir()
	return Dirs{Config: filepath.Join(dir, "config"), State: filepath.Join(dir, "state")}
}

func TestProfileRoundTrip(t *testing.T) {
	d := dirs(t)
	want := Profile{Server: "lodd.test:443", Pin: "p", LogKey: "l", ExportKey: "e", Witnesses: []string{"w"}, User: "kari", Trial: "IPS", Lang: "nb"}
	if got, err := d.LoadProfile(); err != nil || cmp.Diff(Profile{}, got) != "" {
		t.Fatalf("without a file: %+v, %v", got, err)
	}
	if err := d.SaveProfile(want); err != nil {
		t.Fatal(err)
	}
	got, err := d.LoadProfile()
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Error(err, diff)
	}
}

// A misspelt key must not be ignored: the user believes that it is set.
func TestProfileRefusesUnknownKeys(t *testing.T) {
	d := dirs(t)
	if err := writePrivate(filepath.Join(d.Config, "config.toml"), []byte("sever = 'x'\n")); err != nil {
		t.Fatal(err)
	}
	if _, err := d.LoadProfile(); err == nil || !strings.Contains(err.Error(), "unknown key sever") {
		t.Errorf("error is %v, want the unknown key", err)
	}
}

// A session counts for its server, until it expires, and for 12 hours at most.
func TestSession(t *testing.T) {
	t0 := time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name    string
		expires time.Duration
		pin     string
		at      time.Duration
		ok      bool
	}{
		{"at once", time.Hour, "p", 0, true},
		{"just before the end", time.Hour, "p", time.Hour - 1, true},
		{"at the end", time.Hour, "p", time.Hour, false},
		{"another server", time.Hour, "q", 0, false},
		{"longer than 12 hours, before them", 48 * time.Hour, "p", 12*time.Hour - 1, true},
		{"longer than 12 hours, after them", 48 * time.Hour, "p", 12 * time.Hour, false},
		{"a clock that was set back", time.Hour, "p", -12 * time.Hour, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := dirs(t)
			s := Session{Pin: "p", User: "kari", Token: "secret", Expires: t0.Add(tt.expires)}
			if err := d.SaveSession(s, t0); err != nil {
				t.Fatal(err)
			}
			got, err := d.LoadSession(tt.pin, t0.Add(tt.at))
			if tt.ok && (err != nil || got.Token != "secret") {
				t.Errorf("session %+v, %v", got, err)
			}
			if !tt.ok && !errors.Is(err, ErrNoSession) {
				t.Errorf("error is %v, want ErrNoSession", err)
			}
		})
	}
}

// A token that others can read is refused, with what to do.
func TestSessionFileMode(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no such modes")
	}
	t0 := time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)
	d := dirs(t)
	if err := d.SaveSession(Session{Pin: "p", Token: "secret", Expires: t0.Add(time.Hour)}, t0); err != nil {
		t.Fatal(err)
	}
	path := d.sessionPath()
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("written with mode %v, %v", info.Mode(), err)
	}
	if info, err := os.Stat(d.State); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("folder made with mode %v, %v", info.Mode(), err)
	}
	for _, mode := range []os.FileMode{0o640, 0o604, 0o620} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := d.LoadSession("p", t0); err == nil || !strings.Contains(err.Error(), "chmod 600 "+path) {
			t.Errorf("mode %v: error is %v, want chmod", mode, err)
		}
	}
}

func TestRemoveSession(t *testing.T) {
	t0 := time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)
	d := dirs(t)
	if err := d.SaveSession(Session{Pin: "p", Token: "secret", Expires: t0.Add(time.Hour)}, t0); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := d.RemoveSession(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := d.LoadSession("p", t0); !errors.Is(err, ErrNoSession) {
		t.Errorf("error is %v, want ErrNoSession", err)
	}
}

func TestFindDirs(t *testing.T) {
	env := map[string]string{"LODD_CONFIG_DIR": "/c", "LODD_STATE_DIR": "/s", "XDG_STATE_HOME": "/x"}
	d, err := FindDirs(func(k string) string { return env[k] })
	if diff := cmp.Diff(Dirs{Config: "/c", State: "/s"}, d); err != nil || diff != "" {
		t.Error(err, diff)
	}
	delete(env, "LODD_STATE_DIR")
	if d, err = FindDirs(func(k string) string { return env[k] }); err != nil || d.State != filepath.Join("/x", "lodd") {
		t.Errorf("%+v, %v", d, err)
	}
}

// A file is replaced whole: nothing else is left in the folder.
func TestWritePrivateLeavesNothingBehind(t *testing.T) {
	dir := t.TempDir()
	for _, text := range []string{"one", "two"} {
		if err := writePrivate(filepath.Join(dir, "f"), []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := writePrivate(filepath.Join(dir, "f", "below"), nil); err == nil {
		t.Error("wrote below a file")
	}
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	hidden, _ := filepath.Glob(filepath.Join(dir, ".*"))
	if err != nil || len(names) != 1 || len(hidden) != 0 {
		t.Errorf("left %v %v, %v", names, hidden, err)
	}
}
