package main

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/lodd-rct/lodd/client/demo"
	"github.com/lodd-rct/lodd/proto/invite"
	"github.com/lodd-rct/lodd/server"
	"github.com/lodd-rct/lodd/server/authn"
)

// demoOptions are the flags of lodd demo.
type demoOptions struct {
	script         bool
	out, keep      string
	listen         string
	seed           uint64
	seeded         bool
	stdout, stderr io.Writer
}

func demoCommand() *cobra.Command {
	var o demoOptions
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Play a synthetic trial on a server of its own",
		Long: `Play a synthetic trial on a server of its own.

It starts a server on a loopback address with a clock of its own, and plays 14
months of a trial of individual placement and support: 30 people are screened
and 24 randomized, some leave, one dies, two locks are exported and verified.
Then the server stays, with a sign-in for each role. All data are synthetic.`,
		Args:    cobra.NoArgs,
		PreRunE: func(*cobra.Command, []string) error { return o.check() },
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.seeded = cmd.Flags().Changed("seed")
			o.stdout, o.stderr = cmd.OutOrStdout(), cmd.ErrOrStderr()
			return playDemo(cmd.Context(), o)
		},
	}
	cmd.Flags().BoolVar(&o.script, "script", false, "play the story, verify everything and end")
	cmd.Flags().StringVar(&o.out, "out", "", "keep protocol, exports, checkpoints, keys and sealing record in `DIR`, which must be empty or missing")
	cmd.Flags().StringVar(&o.keep, "keep-data", "", "keep the server's data folder as `DIR`, which must be empty or missing")
	cmd.Flags().StringVar(&o.listen, "listen", "localhost:0", "loopback `ADDRESS` to listen on")
	cmd.Flags().Var(seedFlag{&o.seed}, "seed", "make it repeatable: all of its entropy comes from `N`; never for real trials")
	return cmd
}

// playDemo plays the story, and stays unless it is a script.
func playDemo(ctx context.Context, o demoOptions) error {
	data, out, clean, err := o.folders()
	if err != nil {
		return err
	}
	defer clean()
	w, clock := o.world()
	// Whoever tries the demo by hand has no authenticator set to its clock.
	c := config{Data: data, Listen: o.listen, Name: "lodd-demo", SignIn: signInConfig{SecondFactor: factorOff}}
	if o.script {
		c.SignIn.SecondFactor = factorRequired
	}
	start := time.Date(2025, 1, 6, 8, 0, 0, 0, time.UTC)
	if !o.script {
		start = wall().UTC().AddDate(0, -14, -7).Truncate(24 * time.Hour).Add(8 * time.Hour) // ends about now
	}
	clock.set(start)
	result, err := o.story(ctx, c, w, demo.Config{Clock: clock.set, Start: start, Random: w.random, Out: o.stdout, Dir: out, Open: !o.script})
	if err != nil {
		return err
	}
	return o.after(ctx, c, w, clock, result)
}

// story plays the story against a server that ends with it.
func (o demoOptions) story(ctx context.Context, c config, w world, d demo.Config) (demo.Result, error) {
	n, err := open(ctx, c, w)
	if err != nil {
		return demo.Result{}, err
	}
	var result demo.Result
	err = n.during(ctx, func(ctx context.Context) error {
		text, ok := n.server.BootstrapInvite()
		if !ok {
			return fmt.Errorf("%s is no new data folder", c.Data)
		}
		var err error
		if d.Invite, err = invite.Parse(text); err != nil {
			return err
		}
		result, err = demo.Play(ctx, d)
		return err
	})
	return result, errors.Join(err, n.close())
}

// after opens the log again, which checks every hash, rule and sealed arm from
// the first entry, and for a person leaves the server running.
func (o demoOptions) after(ctx context.Context, c config, w world, clock *clock, result demo.Result) error {
	n, err := open(ctx, c, w)
	if err != nil {
		return err
	}
	fmt.Fprintln(o.stdout, "\nthe server was stopped and has read its log again: every hash, every rule and every sealed allocation holds")
	fmt.Fprintln(o.stdout, result.Line)
	if o.script {
		return n.close()
	}
	clock.run()
	o.signIns(n, result)
	err = n.run(ctx)
	return errors.Join(err, n.close())
}

// signIns prints how to sign in as each role.
func (o demoOptions) signIns(n *node, result demo.Result) {
	fmt.Fprintf(o.stdout, `
The demo's server stays at %[1]s until Ctrl+C. In another terminal:

  export LODD_CONFIG_DIR=$(mktemp -d) LODD_STATE_DIR=$(mktemp -d)
  export LODD_SERVER=%[1]s LODD_PIN=%[2]s
  lodd login --user tove && lodd participant list --trial %[4]s
  lodd login --user olav && lodd worklist list --trial %[4]s

The password of each is: %[3]s

`, n.address(), n.pin, result.People[0].Password, result.Trial)
	t := tabwriter.NewWriter(o.stdout, 0, 0, 2, ' ', 0)
	for _, p := range result.People {
		where := p.Site
		if p.Team != "" {
			where += ", " + p.Team
		}
		fmt.Fprintf(t, "  %s\t%s\t%s\n", p.User, p.Role, where)
	}
	t.Flush()
}

// world returns the demo's entropy and clock. With a seed all entropy but that
// of TLS follows from it.
func (o demoOptions) world() (world, *clock) {
	c := &clock{}
	w := world{
		now: c.now, wall: wall, random: rand.Reader, seeds: rand.Reader, log: zerolog.Nop(),
		limits:    server.Limits{PerSecond: 1e6, Burst: 1e6},        // its clock stands still between steps
		passwords: authn.PasswordConfig{MemoryKiB: 4096, Passes: 1}, // everyone signs in again at each jump of it
	}
	if o.seeded {
		fmt.Fprintln(o.stderr, "lodd: all entropy of this demo comes from --seed; never do that in a real trial")
		w.random, w.seeds = newEntropy(o.seed, "random"), newEntropy(o.seed, "seeds")
	}
	return w, c
}

// entropy is a repeatable stream of bytes.
type entropy struct {
	mu     sync.Mutex // guards stream
	stream cipher.Stream
}

// newEntropy returns a stream that depends on seed and label.
func newEntropy(seed uint64, label string) *entropy {
	key := sha256.Sum256(fmt.Appendf(nil, "lodd demo %d %s", seed, label))
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err) // the key has 32 bytes
	}
	//nolint:gosec // the key is used for one stream, which is what a demo repeats
	return &entropy{stream: cipher.NewCTR(block, make([]byte, aes.BlockSize))}
}

// Read implements [io.Reader].
func (e *entropy) Read(p []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	clear(p)
	e.stream.XORKeyStream(p, p)
	return len(p), nil
}

// A clock stands still until it is set, or runs with the machine's.
type clock struct {
	mu      sync.Mutex // guards the fields below
	at      time.Time
	running bool
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running {
		return wall()
	}
	return c.at
}

func (c *clock) set(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = at
}

func (c *clock) run() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running = true
}
