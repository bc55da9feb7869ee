// Package follower keeps a verified copy of a server's log on another machine. It
// takes what the log's key has signed and what continues the copy, and nothing
// else; where the server shows another past, it writes down the evidence and ends.
package follower

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"google.golang.org/grpc/codes"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/audit/durable"
	"github.com/lodd-rct/lodd/audit/store"
	"github.com/lodd-rct/lodd/audit/store/bolt"
	"github.com/lodd-rct/lodd/client"
)

// How long a follower waits before it connects again: twice as long each time.
const (
	firstWait   = time.Second
	longestWait = time.Minute
)

// A Config says what is followed, and where the copy lies.
type Config struct {
	// Server is the server's host:port, and Pin what it is known by.
	Server, Pin string

	// Data is the folder of the copy, which is made if there is none, and refused
	// as [CheckFolder] says. One follower at a time uses it.
	Data string

	// Out is where the follower says, line by line, how far it is.
	Out io.Writer

	// Now is the clock, and Random the source of the follower's own key.
	Now    func() time.Time
	Random io.Reader

	// Wait is how long to wait before the first attempt to connect again, a
	// second if it is 0.
	Wait time.Duration

	// Verified, if there is one, is told after every step how many entries the
	// copy holds.
	Verified func(entries int64)
}

// Run keeps the copy until ctx ends, which is no error; until the server refuses
// the follower, or the follower the log; or until the copy itself fails. A
// connection that breaks is made again, for ever.
//
// The error wraps an [*audit.ForkError] or a [*WipeError] if the log is refused,
// and a [*store.DamageError] if the copy is damaged.
func Run(ctx context.Context, c Config) (err error) {
	if c.Wait == 0 {
		c.Wait = firstWait
	}
	if err := CheckFolder(c.Data); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(c.Data, "checkpoints"), 0o700); err != nil {
		return err
	}
	certificate, pin, err := Key(filepath.Join(c.Data, "follow.key"), c.Random, c.Now())
	if err != nil {
		return err
	}
	fmt.Fprintf(c.Out, "lodd: this follower's pin is %s\n", pin)
	f := &follower{config: c, own: pin}
	if f.store, err = bolt.Open(filepath.Join(c.Data, "lodd.db"), bolt.Options{}); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.store.Close()) }()
	if err = f.openKnown(ctx); err == nil {
		err = f.run(ctx, certificate)
	}
	_, cut := errors.AsType[*cutOff](err)
	_, damaged := errors.AsType[*store.DamageError](err)
	switch {
	case ctx.Err() != nil && (cut || errors.Is(err, ctx.Err())):
		f.say("stopped; verified up to %s", f.holds())
		return nil
	case damaged:
		return fmt.Errorf("%w; the copy is left as it is: begin another one in a new folder, and keep this one until that has everything", err)
	}
	return err
}

// A follower is a copy and the way to its server.
type follower struct {
	config  Config
	own     string // its pin
	store   *bolt.DB
	replica *audit.Replica // nil until the log's key is known

	conducts map[string]*conduct // what was read of the copy, by list
}

func (f *follower) say(format string, args ...any) {
	fmt.Fprintf(f.config.Out, "lodd: "+format+"\n", args...)
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
func (f *follower) keyPath() string { return filepath.Join(f.config.Data, "log.pub") }

// guard keeps the signed heads.
func (f *follower) guard() audit.FileGuard {
	return audit.FileGuard{Dir: filepath.Join(f.config.Data, "checkpoints")}
}

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
		Guard: f.guard(),
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
		return durable.Create(f.keyPath(), []byte(key+"\n"))
	}
	text, err := os.ReadFile(f.keyPath())
	if err != nil {
		return err
	}
	if known := strings.TrimSpace(string(text)); known != key {
		return fmt.Errorf("the server names another key of its log, %s, than it did at first, %s: nothing is taken from it", key, known)
	}
	return nil
}

// run connects again and again.
func (f *follower) run(ctx context.Context, certificate tls.Certificate) error {
	c, err := client.NewFollower(client.FollowConfig{Address: f.config.Server, Pin: f.config.Pin, Certificate: certificate})
	if err != nil {
		return err
	}
	defer c.Close()
	for wait := f.config.Wait; ; wait = min(2*wait, longestWait) {
		took, err := f.session(ctx, c)
		if ctx.Err() != nil || final(err) {
			return f.denied(err)
		}
		if took {
			wait = f.config.Wait
		}
		f.say("not connected: %v; verified up to %s, what came since is not here; trying again in %v", err, f.holds(), wait)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// A cutOff is an error of the connection. Only these pass: what else ends a
// session is in the copy, or in the log that is offered.
type cutOff struct{ error }

func (e *cutOff) Unwrap() error { return e.error }

// final reports whether it is of no use to connect again.
func final(err error) bool {
	if _, cut := errors.AsType[*cutOff](err); !cut {
		return true
	}
	_, stranger := errors.AsType[*client.CertificateError](err)
	return stranger || isDenied(err)
}

func isDenied(err error) bool {
	refusal, ok := errors.AsType[*client.Error](err)
	return ok && refusal.Code == codes.PermissionDenied && !errors.Is(err, client.ErrNotReached)
}

// denied says what to do about a refusal by the server, or of it. Neither is
// wrapped: what there is to say to a person with an invitation is of no use to a
// machine.
func (f *follower) denied(err error) error {
	stranger, ok := errors.AsType[*client.CertificateError](err)
	switch {
	case ok && stranger.Err == nil:
		return fmt.Errorf("who answers at %s is not the server of the pin %s: its pin is %s; nothing was taken. "+
			"The pin of the server stands in the line that it prints when it starts: compare it with --pin, and --server with its address", f.config.Server, stranger.Want, stranger.Got)
	case ok:
		return errors.New(stranger.Error() + "; nothing was taken")
	case !isDenied(err):
		return err
	}
	return fmt.Errorf("the server does not know this follower: list its pin %s under followers in the server's configuration, and start the server again", f.own)
}
