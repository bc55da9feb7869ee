package main

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/mod/sumdb/note"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/audit/store"
	"github.com/lodd-rct/lodd/audit/store/bolt"
	"github.com/lodd-rct/lodd/client"
)

// How long a follower waits before it connects again: twice as long each time.
const (
	firstWait   = time.Second
	longestWait = time.Minute
)

// followOptions are the flags of lodd follow.
type followOptions struct {
	server, pin, data string
	out               io.Writer
	now               func() time.Time
	random            io.Reader
	wait              time.Duration // the first wait; firstWait outside tests
	verified          func(int64)   // is told how many entries the copy holds; nil outside tests
}

func followCommand() *cobra.Command {
	var o followOptions
	cmd := &cobra.Command{
		Use:   "follow --server HOST:PORT --pin PIN --data DIR",
		Short: "Keep a verified copy of a server's log on another machine",
		Long: `Keep a verified copy of a server's log on another machine.

At its first start it makes a key and prints the key's pin, which the server's
configuration must list: followers = ["PIN"]. From then on it takes what the
server has, as long as that is signed and continues what it took before. A log
that became shorter or has another past is refused, with an evidence file.

The copy holds ciphertext where it matters: the server's master key never comes
here. "lodd restore --log DIR" brings a server back with it.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			w := operator(cmd.ErrOrStderr())
			o.out, o.now, o.random, o.wait = cmd.ErrOrStderr(), w.wall, w.random, firstWait
			return followLog(cmd.Context(), o)
		},
	}
	cmd.Flags().StringVar(&o.server, "server", "", "`HOST:PORT` of the server")
	cmd.Flags().StringVar(&o.pin, "pin", "", "`PIN` of the server, which stands in its invitations")
	cmd.Flags().StringVar(&o.data, "data", "", "`DIR` of the copy")
	return cmd
}

// followLog keeps the copy until ctx ends, or the server refuses the follower, or
// the follower the log.
func followLog(ctx context.Context, o followOptions) (err error) {
	if o.server == "" || o.pin == "" || o.data == "" {
		return errors.New("a follower needs --server HOST:PORT, --pin PIN and --data DIR")
	}
	if err := os.MkdirAll(filepath.Join(o.data, "checkpoints"), 0o700); err != nil {
		return err
	}
	certificate, pin, err := followerKey(filepath.Join(o.data, "follow.key"), o.random, o.now())
	if err != nil {
		return err
	}
	fmt.Fprintf(o.out, "lodd: this follower's pin is %s\n", pin)
	f := &follower{options: o, own: pin}
	if f.store, err = bolt.Open(filepath.Join(o.data, "lodd.db"), bolt.Options{}); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.store.Close()) }()
	if err := f.openKnown(ctx); err != nil {
		return err
	}
	err = f.run(ctx, certificate)
	if ctx.Err() != nil && !f.refused(err) {
		f.say("stopped; verified up to %s", f.holds())
		return nil
	}
	return err
}

// A follower is a copy and the way to its server.
type follower struct {
	options followOptions
	own     string // its pin
	store   *bolt.DB
	replica *audit.Replica // nil until the log's key is known

	conducts map[string]*conduct // what was read of the copy, by list
}

func (f *follower) say(format string, args ...any) {
	fmt.Fprintf(f.options.out, "lodd: "+format+"\n", args...)
}

// holds says how much the copy holds.
func (f *follower) holds() string {
	if f.replica == nil {
		return "nothing"
	}
	return fmt.Sprintf("%d entries in %d lists", f.entries(), len(f.replica.Sizes()))
}

func (f *follower) entries() (n int64) {
	for _, size := range f.replica.Sizes() {
		n += size
	}
	return n
}

// The log's key is learnt from the server of the pin at the first connection,
// and never again.
func (f *follower) keyPath() string { return filepath.Join(f.options.data, "log.pub") }

// openKnown opens the copy, if the log's key is known already.
func (f *follower) openKnown(ctx context.Context) error {
	text, err := os.ReadFile(f.keyPath())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return f.open(ctx, strings.TrimSpace(string(text)))
}

func (f *follower) open(ctx context.Context, key string) error {
	verifier, err := note.NewVerifier(key)
	if err != nil {
		return fmt.Errorf("the key of the log: %w", err)
	}
	f.replica, err = audit.OpenReplica(ctx, audit.Config{
		Store: f.store, Origin: strings.TrimSuffix(verifier.Name(), "/log"), Verifier: verifier,
		Guard: audit.FileGuard{Dir: filepath.Join(f.options.data, "checkpoints")},
	})
	return err
}

// learn checks the key of the log that the server names, or keeps it if it is
// the first.
func (f *follower) learn(ctx context.Context, key string) error {
	if f.replica == nil {
		if err := f.open(ctx, key); err != nil {
			return err
		}
		return writeWhole(f.keyPath(), []byte(key+"\n"))
	}
	text, err := os.ReadFile(f.keyPath())
	if err != nil {
		return err
	}
	if known := strings.TrimSpace(string(text)); known != key {
		return &refusedLog{fmt.Errorf("the server names another key of its log, %s, than it did at first, %s: nothing is taken from it", key, known)}
	}
	return nil
}

// run connects again and again.
func (f *follower) run(ctx context.Context, certificate tls.Certificate) error {
	c, err := client.NewFollower(client.FollowConfig{Address: f.options.server, Pin: f.options.pin, Certificate: certificate})
	if err != nil {
		return err
	}
	defer c.Close()
	for wait := f.options.wait; ; wait = min(2*wait, longestWait) {
		took, err := f.session(ctx, c)
		if ctx.Err() != nil || f.final(err) {
			return err
		}
		if took {
			wait = f.options.wait
		}
		f.say("not connected: %v; verified up to %s, what came since is not here; trying again in %v", err, f.holds(), wait)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// A refusedLog is a log that a follower takes nothing more from.
type refusedLog struct{ error }

func (e *refusedLog) Unwrap() error { return e.error }

func (f *follower) refused(err error) bool {
	_, refused := errors.AsType[*refusedLog](err)
	return refused
}

// final reports whether it is of no use to connect again.
func (f *follower) final(err error) bool {
	if f.refused(err) || errors.Is(err, store.ErrUnknown) || errors.Is(err, store.ErrFull) {
		return true // the last two are of the copy's own disk
	}
	if _, stranger := errors.AsType[*client.CertificateError](err); stranger {
		return true
	}
	refusal, ok := errors.AsType[*client.Error](err)
	return ok && !errors.Is(err, client.ErrNotReached) && isDenied(refusal)
}

// evidence writes down why a log was refused, and returns the refusal. ask is
// what to ask whoever runs the server.
func (f *follower) evidence(reason error, fields map[string]any, ask string) error {
	now := f.options.now().UTC()
	fields["time"], fields["server"], fields["pin"] = now, f.options.server, f.options.pin
	text, err := json.MarshalIndent(fields, "", "  ")
	if err != nil {
		return err
	}
	dir := filepath.Join(f.options.data, "evidence")
	sum := sha256.Sum256(text)
	path := filepath.Join(dir, fmt.Sprintf("%s-%x.json", now.Format("20060102T150405.000Z"), sum[:4]))
	err = os.MkdirAll(dir, 0o700)
	if err == nil {
		err = writeWhole(path, append(text, '\n'))
	}
	if err != nil {
		return &refusedLog{errors.Join(reason, err)}
	}
	return &refusedLog{fmt.Errorf("%w; nothing more is taken from this server, and this copy is left as it is; the evidence is in %s. "+
		"Ask whoever runs the server %s; then bring it back with this copy (lodd restore --log), "+
		"or begin another copy in a new folder and keep this one", reason, path, ask)}
}
