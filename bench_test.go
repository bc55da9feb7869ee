//go:build linux

package main

import (
	"context"
	"crypto/rand"
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
// of another participant of one trial, in five rounds. Beside them each round
// measures what the machine can do at best: appending 256 bytes with fdatasync, by
// one caller; appending 64 times 256 bytes with one; and an RPC that does nothing,
// from as many callers. Each metric is the median of the rounds.
// docs/performance.md has the command.
func BenchmarkRandomize(b *testing.B) {
	for _, callers := range []int{1, 16, 64, 256} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) { benchRandomize(b, callers) })
	}
}

// rounds are interleaved: a disk has moods.
const rounds = 5

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
		raw := newRawFile(b, dir)
		some := b.N/rounds + 1
		var got []round
		b.ResetTimer()
		for begin := 0; begin < b.N; begin += some {
			got = append(got, bench.round(ctx, raw, clients, callers, intents[begin:min(begin+some, b.N)], begin))
		}
		b.StopTimer()
		report(b, got)
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
}

// A round is what was measured once.
type round struct {
	ours, null   series        // randomizations, and calls that do nothing
	raw, batches series        // appending 256 bytes durably, and 64 times as much
	processor    time.Duration // of all cores, for the randomizations
}

// A series is how long each of some calls took, in ascending order, and all of them
// together.
type series struct {
	times []time.Duration
	all   time.Duration
}

func (s series) at(percent int) float64 { return float64(s.times[(len(s.times)-1)*percent/100]) }

// rate is calls a second.
func (s series) rate() float64 { return float64(len(s.times)) / s.all.Seconds() }

// round randomizes those whose intents are given; the first is participant first.
func (x *bench) round(ctx context.Context, raw rawFile, clients []*client.Client, callers int, intents []trial.IntentID, first int) (r round) {
	r.raw = x.measure(clients, 1, 200, func(*client.Client, int) error { return raw.append(1) })
	r.batches = x.measure(clients, 1, 100, func(*client.Client, int) error { return raw.append(64) })
	r.null = x.measure(clients, callers, max(len(intents), callers), func(c *client.Client, _ int) error {
		_, err := c.Session().WhoAmI(ctx, &loddv1.WhoAmIRequest{})
		return err
	})
	spent := processorTime()
	r.ours = x.measure(clients, callers, len(intents), func(c *client.Client, i int) error {
		_, err := c.Randomization().CommitRandomization(ctx, &loddv1.CommitRandomizationRequest{
			TrialId: "BENCH", IntentId: intents[i].String(), Confirm: number(first + i),
		})
		return err
	})
	r.processor = processorTime() - spent
	return r
}

// report reports the median of each metric.
func report(b *testing.B, got []round) {
	const us = float64(time.Microsecond)
	for name, f := range map[string]func(round) float64{
		"randomizations/s":     func(r round) float64 { return r.ours.rate() },
		"p50-us":               func(r round) float64 { return r.ours.at(50) / us },
		"p99-us":               func(r round) float64 { return r.ours.at(99) / us },
		"cpu-us/op":            func(r round) float64 { return float64(r.processor) / us / float64(len(r.ours.times)) },
		"fdatasync-us":         func(r round) float64 { return r.raw.at(50) / us },
		"null-rpc-us":          func(r round) float64 { return r.null.at(50) / us },
		"(p50-null)/fdatasync": func(r round) float64 { return (r.ours.at(50) - r.null.at(50)) / r.raw.at(50) },
		"p99/p99-of-fdatasync": func(r round) float64 { return r.ours.at(99) / r.raw.at(99) },
		"%-of-null-rpc":        func(r round) float64 { return 100 * r.ours.rate() / r.null.rate() },
		"%-of-64-a-sync":       func(r round) float64 { return 100 * r.ours.rate() / (64 * r.batches.rate()) },
	} {
		var values []float64
		for _, r := range got {
			values = append(values, f(r))
		}
		slices.Sort(values)
		b.ReportMetric(values[len(values)/2], name)
	}
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

// measure makes n calls from so many callers and returns how long they took.
func (x *bench) measure(clients []*client.Client, callers, n int, call func(*client.Client, int) error) series {
	s := series{times: make([]time.Duration, n)}
	var next atomic.Int64
	var wg sync.WaitGroup
	begin := wall()
	for caller := range callers {
		c := clients[caller%len(clients)]
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				start := wall()
				if err := call(c, i); err != nil {
					x.b.Error(err)
					return
				}
				s.times[i] = wall().Sub(start)
			}
		})
	}
	wg.Wait()
	s.all = wall().Sub(begin)
	slices.Sort(s.times)
	return s
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

// append appends so many times 256 bytes durably.
func (r rawFile) append(times int) error {
	if _, err := r.f.Write(make([]byte, 256*times)); err != nil {
		return err
	}
	return syscall.Fdatasync(int(r.f.Fd()))
}

// processorTime is what this process has used of all cores: unlike the time that
// passes, it hardly depends on what else the machine does.
func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
