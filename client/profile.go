package client

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/BurntSushi/toml"
)

// Dirs are the two folders of a user.
type Dirs struct {
	// Config holds config.toml, which is the user's to edit and holds no secret.
	Config string

	// State holds the session, the checkpoints seen last, and evidence.
	State string
}

// FindDirs returns the user's folders: those named by LODD_CONFIG_DIR and
// LODD_STATE_DIR, else the places that the system has for them.
func FindDirs(env func(string) string) (Dirs, error) {
	d := Dirs{Config: env("LODD_CONFIG_DIR"), State: env("LODD_STATE_DIR")}
	if d.Config == "" {
		base, err := os.UserConfigDir()
		if err != nil {
			return Dirs{}, fmt.Errorf("client: no folder for the configuration: %w: set LODD_CONFIG_DIR", err)
		}
		d.Config = filepath.Join(base, "lodd")
	}
	switch {
	case d.State != "":
	case runtime.GOOS == "windows" && env("LOCALAPPDATA") != "":
		d.State = filepath.Join(env("LOCALAPPDATA"), "lodd") // the roaming profile leaves the machine
	case env("XDG_STATE_HOME") != "":
		d.State = filepath.Join(env("XDG_STATE_HOME"), "lodd")
	case runtime.GOOS == "linux" && env("HOME") != "":
		d.State = filepath.Join(env("HOME"), ".local", "state", "lodd")
	default:
		d.State = filepath.Join(d.Config, "state")
	}
	return d, nil
}

// Checkpoints is the folder of the checkpoints seen last.
func (d Dirs) Checkpoints() string { return filepath.Join(d.State, "checkpoints") }

// Evidence is the folder of evidence that a log isn't what it was.
func (d Dirs) Evidence() string { return filepath.Join(d.State, "evidence") }

// A Profile is what a user's configuration file says. All of it is optional,
// and none of it is secret.
type Profile struct {
	// Server is host:port of the server, or several with commas between.
	Server string `toml:"server,omitempty"`

	// Pin is the pin of the server's certificate authority.
	Pin string `toml:"pin,omitempty"`

	// LogKey verifies checkpoints, ExportKey verifies bundles.
	LogKey    string `toml:"log_key,omitempty"`
	ExportKey string `toml:"export_key,omitempty"`

	// Witnesses are the keys of witnesses of the server's log whom the user
	// trusts.
	Witnesses []string `toml:"witnesses,omitempty"`

	// User is the account.
	User string `toml:"user,omitempty"`

	// Trial is the trial that commands are about.
	Trial string `toml:"trial,omitempty"`

	// Lang is nb or en.
	Lang string `toml:"lang,omitempty"`
}

// LoadProfile reads config.toml. A file that doesn't exist is an empty profile;
// a key that it doesn't know is an error, for it is a misspelt one.
func (d Dirs) LoadProfile() (Profile, error) {
	var p Profile
	path := filepath.Join(d.Config, "config.toml")
	md, err := toml.DecodeFile(path, &p)
	if errors.Is(err, fs.ErrNotExist) {
		return Profile{}, nil
	}
	if err != nil {
		return Profile{}, fmt.Errorf("%s: %w", path, err)
	}
	if unknown := md.Undecoded(); len(unknown) > 0 {
		return Profile{}, fmt.Errorf("%s: unknown key %v: known are server, pin, log_key, export_key, witnesses, user, trial and lang", path, unknown[0])
	}
	return p, nil
}

// SaveProfile replaces config.toml.
func (d Dirs) SaveProfile(p Profile) error {
	var b bytes.Buffer
	if err := toml.NewEncoder(&b).Encode(p); err != nil {
		return fmt.Errorf("client: write profile: %w", err)
	}
	if err := writePrivate(filepath.Join(d.Config, "config.toml"), b.Bytes()); err != nil {
		return fmt.Errorf("client: write profile: %w", err)
	}
	return nil
}

// maxSession is how long a stored session counts at most, whatever the server
// said.
const maxSession = 12 * time.Hour

// ErrNoSession is returned by LoadSession if nobody is signed in.
var ErrNoSession = errors.New("client: not signed in")

// A Session is a signed-in user. Its token is a secret.
type Session struct {
	// Pin is the pin of the server that the session is with. The token goes to
	// no other.
	Pin string `json:"pin"`

	// User is the account.
	User string `json:"user"`

	// Token goes with each call.
	Token string `json:"token"`

	// Expires is when the session ends at the latest.
	Expires time.Time `json:"expires"`

	// Provider tells that the user signed in at an identity provider, where they
	// prove anew who they are.
	Provider bool `json:"provider,omitempty"`
}

func (d Dirs) sessionPath() string { return filepath.Join(d.State, "session.json") }

// LoadSession returns the session with the server of this pin. The error is
// [ErrNoSession] if there is none, or if it has ended at the time now; a file
// that others can read is refused.
func (d Dirs) LoadSession(pin string, now time.Time) (Session, error) {
	path := d.sessionPath()
	if err := checkPrivate(path, "sign out and in again"); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return Session{}, ErrNoSession
		}
		return Session{}, err
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return Session{}, fmt.Errorf("client: read session: %w", err)
	}
	var s Session
	if json.Unmarshal(b, &s) != nil || s.Token == "" || s.Pin != pin || !now.Before(s.Expires) || s.Expires.Sub(now) > maxSession {
		return Session{}, ErrNoSession // signing in again mends all of these
	}
	return s, nil
}

// SaveSession stores a session until it expires, at most 12 hours from now.
func (d Dirs) SaveSession(s Session, now time.Time) error {
	if latest := now.Add(maxSession); s.Expires.After(latest) {
		s.Expires = latest
	}
	b, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("client: write session: %w", err)
	}
	if err := writePrivate(d.sessionPath(), b); err != nil {
		return fmt.Errorf("client: write session: %w", err)
	}
	return nil
}

// RemoveSession forgets the session. It is no error if there is none.
func (d Dirs) RemoveSession() error {
	if err := os.Remove(d.sessionPath()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("client: remove session: %w", err)
	}
	return nil
}
