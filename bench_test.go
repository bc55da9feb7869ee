//go:build linux

package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/lodd-rct/lodd/client"
	"github.com/lodd-rct/lodd/proto/invite"
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/randomization"
	"github.com/lodd-rct/lodd/server"
	"github.com/lodd-rct/lodd/server/authn"
	"github.com/lodd-rct/lodd/server/ledger"
	"github.com/lodd-rct/lodd/server/trial"
)

// BenchmarkRandomize commits durable randomizations over gRPC with TLS, each
// of another participant of one trial. Beside the rate and the latency it
// reports what the machine can do at best, measured in the same run: the
// latency of appending 256 bytes with fdatasync, that of an RPC that does
// nothing, and that of an RPC between two such appends: the floor for one caller,
// since the engine syncs twice a commit, and a processor that has waited for a
// disk is not as quick as one that hasn't. docs/performance.md has the command.
func BenchmarkRandomize(b *testing.B) {
	for _, callers := range []int{1, 16, 64, 256} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) { benchRandomize(b, callers) })
	}
}

func benchRandomize(b *testing.B, callers int) {
	dir := b.TempDir()
	w := world{
		now: wall, wall: wall, random: rand.Reader, seeds: rand.Reader, log: zerolog.Nop(),
		passwords: authn.PasswordConfig{MemoryKiB: 64, Passes: 1}, limits: server.Limits{PerSecond: 1e9, Burst: 1e9},
	}
	n, err := open(b.Context(), config{Data: filepath.Join(dir, "data"), Listen: "127.0.0.1:0", Name: "bench", SignIn: signInConfig{SecondFactor: factorOff}}, w)
	if err != nil {
		b.Fatal(err)
	}
	defer n.close()
	err = n.during(b.Context(), func(ctx context.Context) error {
		bench := newBench(b, n)
		intents := bench.prepare(b.N)
		clients := bench.clients(callers)
		limits := bench.limits(ctx, clients, callers, dir)
		b.ResetTimer()
		times := bench.measure(clients, callers, b.N, func(c *client.Client, i int) error {
			_, err := c.Randomization().CommitRandomization(ctx, &loddv1.CommitRandomizationRequest{
				TrialId: "BENCH", IntentId: intents[i].String(), Confirm: number(i),
			})
			return err
		})
		b.StopTimer()
		limits.report(b, times)
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
}

// limits are what the machine can do at best.
type limits struct {
	sync  time.Duration // appending 256 bytes durably
	null  time.Duration // a call that does nothing, from as many callers
	floor time.Duration // such a call between two such appends, for one caller
}

func (x *bench) limits(ctx context.Context, clients []*client.Client, callers int, dir string) limits {
	raw := newRawFile(x.b, dir)
	n := min(max(x.b.N, callers), 5000)
	nothing := func(c *client.Client, _ int) error {
		_, err := c.Session().WhoAmI(ctx, &loddv1.WhoAmIRequest{})
		return err
	}
	return limits{
		sync: median(x.measure(clients, 1, 300, func(*client.Client, int) error { return raw.append() })),
		null: median(x.measure(clients, callers, n, nothing)),
		floor: median(x.measure(clients, 1, min(n, 1000), func(c *client.Client, i int) error {
			return errors.Join(raw.append(), nothing(c, i), raw.append())
		})),
	}
}

func (l limits) report(b *testing.B, times []time.Duration) {
	slices.Sort(times)
	p50, p99 := times[len(times)/2], times[len(times)*99/100]
	b.ReportMetric(float64(len(times))/b.Elapsed().Seconds(), "randomizations/s")
	b.ReportMetric(float64(p50.Microseconds()), "p50-us")
	b.ReportMetric(float64(p99.Microseconds()), "p99-us")
	b.ReportMetric(float64(l.sync.Microseconds()), "fdatasync-us")
	b.ReportMetric(float64(l.null.Microseconds()), "null-rpc-us")
	b.ReportMetric(float64(l.floor.Microseconds()), "floor-us")
	b.ReportMetric(float64(p50-l.null)/float64(l.sync), "(p50-null)/fdatasync")
	b.ReportMetric(float64(p50)/float64(l.floor), "p50/floor")
	b.ReportMetric(float64(len(times))/b.Elapsed().Seconds()*l.sync.Seconds(), "randomizations/fdatasync")
}

// A bench is a server with a trial that takes participants.
type bench struct {
	b     *testing.B
	n     *node
	trial *ledger.Trial
	in    invite.Invite
}

func newBench(b *testing.B, n *node) *bench {
	b.Helper()
	text, ok := n.server.BootstrapInvite()
	if !ok {
		b.Fatal("no new server")
	}
	in, err := invite.Parse(text)
	if err != nil {
		b.Fatal(err)
	}
	x := &bench{b: b, n: n, in: in}
	by := ledger.Caller{Actor: "bench"}
	_, err = n.ledger.Create(b.Context(), by, smallTrial("BENCH"))
	x.must(err)
	x.trial, err = n.ledger.Trial("BENCH")
	x.must(err)
	_, _, err = x.trial.Seal(b.Context(), by, randomization.Blocks{Ratio: []int{1, 1}, Sizes: []randomization.BlockSize{{Size: 4, Weight: 1}, {Size: 6, Weight: 1}}}, false)
	x.must(err)
	_, err = x.trial.Do(b.Context(), by, trial.EnrolmentOpened{})
	x.must(err)
	x.people()
	return x
}

func (x *bench) must(err error) {
	x.b.Helper()
	if err != nil {
		x.b.Fatal(err)
	}
}

// people makes an administrator, a custodian and a coordinator.
func (x *bench) people() {
	ctx := x.b.Context()
	admin := x.dial("")
	join := func(code, user string) {
		_, err := admin.Session().Join(ctx, &loddv1.JoinRequest{Code: code, User: user, FullName: user, Password: "a long enough password"})
		x.must(err)
	}
	join(x.in.Code, "ada")
	as := x.dial(x.login("ada"))
	for _, user := range []string{"kari", "tove"} {
		answer, err := as.People().CreateInvite(ctx, &loddv1.CreateInviteRequest{})
		x.must(err)
		i, err := invite.Parse(answer.GetInvite())
		x.must(err)
		join(i.Code, user)
	}
	_, err := as.People().GrantRole(ctx, &loddv1.GrantRoleRequest{TrialId: "BENCH", User: "kari", Role: "custodian"})
	x.must(err)
	_, err = x.dial(x.login("kari")).People().GrantRole(ctx, &loddv1.GrantRoleRequest{TrialId: "BENCH", User: "tove", Role: "coordinator"})
	x.must(err)
}

func (x *bench) dial(token string) *client.Client {
	c, err := client.New(client.Config{Address: x.in.Addresses[0], Pin: x.in.Pin, Token: func() (string, error) { return token, nil }})
	x.must(err)
	x.b.Cleanup(func() { c.Close() })
	return c
}

func (x *bench) login(user string) string {
	answer, err := x.dial("").Session().Login(x.b.Context(), &loddv1.LoginRequest{User: user, Password: "a long enough password"})
	x.must(err)
	return answer.GetToken()
}

// clients returns one connection for 16 callers each.
func (x *bench) clients(callers int) []*client.Client {
	token := x.login("tove")
	out := make([]*client.Client, (callers+15)/16)
	for i := range out {
		out[i] = x.dial(token)
	}
	return out
}

func number(i int) string { return fmt.Sprintf("OSL-%07d", i) }

// prepare screens n participants and prepares their randomization, without the
// wire, and returns the intents.
func (x *bench) prepare(n int) []trial.IntentID {
	intents := make([]trial.IntentID, n)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				x.prepareOne(i, &intents[i])
			}
		})
	}
	wg.Wait()
	return intents
}

func (x *bench) prepareOne(i int, intent *trial.IntentID) {
	if _, err := io.ReadFull(rand.Reader, intent[:]); err != nil {
		x.b.Error(err)
		return
	}
	ctx, by := x.b.Context(), ledger.Caller{Actor: "bench", Role: trial.Coordinator}
	on := trial.DateOf(wall(), time.UTC).AddDays(-1)
	p := trial.ParticipantID(number(i))
	if _, err := x.trial.Screen(ctx, by, trial.Screened{
		Participant: p, Site: "OSL", On: on, Consent: trial.ConsentGiven{Version: "1", On: on},
	}, ledger.Answers{}); err != nil {
		x.b.Error(err)
		return
	}
	by.Request = *intent
	if _, err := x.trial.Do(ctx, by, trial.Prepared{Participant: p}); err != nil {
		x.b.Error(err)
	}
}

// measure makes n calls from so many callers and returns how long each took.
func (x *bench) measure(clients []*client.Client, callers, n int, call func(*client.Client, int) error) []time.Duration {
	times := make([]time.Duration, n)
	var next atomic.Int64
	var wg sync.WaitGroup
	for caller := range callers {
		c := clients[caller%len(clients)]
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				start := wall()
				if err := call(c, i); err != nil {
					x.b.Error(err)
					return
				}
				times[i] = wall().Sub(start)
			}
		})
	}
	wg.Wait()
	return times
}

// A rawFile is what a log is at best: a file that is appended to.
type rawFile struct{ f *os.File }

func newRawFile(b *testing.B, dir string) rawFile {
	b.Helper()
	f, err := os.Create(filepath.Join(dir, "raw"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { f.Close() })
	return rawFile{f}
}

// append appends 256 bytes durably.
func (r rawFile) append() error {
	if _, err := r.f.Write(make([]byte, 256)); err != nil {
		return err
	}
	return syscall.Fdatasync(int(r.f.Fd()))
}

func median(times []time.Duration) time.Duration {
	slices.Sort(times)
	return times[len(times)/2]
}
