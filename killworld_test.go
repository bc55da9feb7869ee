package main

import (
	cryptorand "crypto/rand"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/lodd-rct/lodd/client"
	"github.com/lodd-rct/lodd/proto/invite"
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/randomization"
	"github.com/lodd-rct/lodd/server/authn"
	"github.com/lodd-rct/lodd/server/ledger"
	"github.com/lodd-rct/lodd/server/trial"
)

var killBlocks = randomization.Blocks{Ratio: []int{1, 1}, Sizes: []randomization.BlockSize{{Size: 4, Weight: 1}, {Size: 6, Weight: 1}}}

const killPassword = "a long enough password"

// recruit makes a data folder with a trial whose n participants are screened, at
// two sites, and a coordinator. The store is empty for a server that stands alone.
func recruit(t *testing.T, n int, design randomization.Design, store string) *killed {
	t.Helper()
	k := &killed{T: t, dir: filepath.Join(t.TempDir(), "data"), store: store, random: rand.New(rand.NewPCG(1, 2)), design: design}
	for i := range n {
		id, err := client.NewRequestID(cryptorand.Reader)
		k.must(err)
		k.people = append(k.people, &person{number: fmt.Sprintf("P-%05d", i), intent: id})
	}
	server := k.open(k.dir)
	served := make(chan error)
	go func() { served <- server.server.Serve(server.listener) }()
	k.setUp(server)
	k.accounts(server)
	server.server.Stop(t.Context())
	k.must(<-served)
	k.must(server.close())
	return k
}

func (k *killed) must(err error) {
	k.Helper()
	if err != nil {
		k.Fatal(err)
	}
}

// open opens a data folder in this process. Its passwords cost nothing.
func (k *killed) open(dir string) *node {
	k.Helper()
	n, err := open(k.Context(), config{Data: dir, Store: k.store, Listen: "127.0.0.1:0", SignIn: signInConfig{SecondFactor: factorOff}}, world{
		now: wall, wall: wall, random: cryptorand.Reader, seeds: io.TeeReader(cryptorand.Reader, &k.seed), log: zerolog.Nop(),
		passwords: authn.PasswordConfig{MemoryKiB: 64, Passes: 1},
	})
	k.must(err)
	return n
}

// setUp makes the trial and screens everybody.
func (k *killed) setUp(n *node) {
	ctx, by := k.Context(), ledger.Caller{Actor: "ada"}
	label := trial.Text{EN: "x"}
	_, err := n.ledger.Create(ctx, by, trial.Protocol{
		ID: "KILL", Title: label, TimeZone: "Europe/Oslo",
		Arms:     []trial.Arm{{ID: "new", Label: label, Ratio: 1}, {ID: "usual", Label: label, Ratio: 1}},
		Sites:    []trial.Site{{ID: "OSL", Name: "Oslo"}, {ID: "BGO", Name: "Bergen"}},
		Visits:   []trial.Visit{{ID: "baseline", Label: label}},
		Consents: []trial.Consent{{Version: "1", Approved: trial.Date{Year: 2024, Month: 1, Day: 1}}},
	})
	k.must(err)
	t, err := n.ledger.Trial("KILL")
	k.must(err)
	_, _, err = t.Seal(ctx, by, k.design, false)
	k.must(err)
	_, err = t.Do(ctx, by, trial.EnrolmentOpened{})
	k.must(err)
	on := trial.DateOf(wall(), time.UTC).AddDays(-1)
	var wg sync.WaitGroup
	for caller := range 32 {
		wg.Go(func() {
			for i := caller; i < len(k.people); i += 32 {
				_, err := t.Screen(ctx, by, trial.Screened{
					Participant: trial.ParticipantID(k.people[i].number), Site: []trial.SiteID{"OSL", "BGO"}[i%2],
					On: on, Consent: trial.ConsentGiven{Version: "1", On: on},
				}, ledger.Answers{})
				if err != nil {
					k.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

// draws returns what draws the arms again, in the order of the log, without the
// server: each stratum's next slot from its sequence, or the next of all by
// minimization.
func (k *killed) draws() func(trial.Stratum, int) randomization.Arm {
	k.Helper()
	seed, err := randomization.SeedFromBytes(k.seed.Bytes()[:32])
	k.must(err)
	m, ok := k.design.(randomization.Minimization)
	if !ok {
		sequences := map[trial.Stratum]*randomization.Sequence{}
		for _, stratum := range []trial.Stratum{"OSL", "BGO"} {
			sequences[stratum], err = randomization.NewSequence(seed, k.design, "KILL", string(stratum))
			k.must(err)
		}
		return func(stratum trial.Stratum, slot int) randomization.Arm { return sequences[stratum].At(slot) }
	}
	minimizer, err := randomization.NewMinimizer(seed, m, "KILL")
	k.must(err)
	used := 0
	return func(stratum trial.Stratum, _ int) randomization.Arm {
		levels := []int{slices.Index([]trial.Stratum{"OSL", "BGO"}, stratum)}
		arm, err := minimizer.Next(used, levels)
		k.must(err)
		k.must(minimizer.Count(levels, arm))
		used++
		return arm
	}
}

// held returns the arms that the participants of an opened copy have.
func (k *killed) held(t *ledger.Trial) map[trial.ParticipantID]randomization.Arm {
	k.Helper()
	arms := map[trial.ParticipantID]randomization.Arm{}
	for arm, id := range []trial.ArmID{"new", "usual"} {
		members, err := t.Members(k.Context(), ledger.Caller{Actor: "ina", Role: trial.TreatmentTeam}, []ledger.Team{{Site: "OSL", Arm: id}, {Site: "BGO", Arm: id}})
		k.must(err)
		for _, m := range members {
			arms[m.Participant] = randomization.Arm(arm)
		}
	}
	return arms
}

// accounts makes an administrator, a custodian and a coordinator.
func (k *killed) accounts(n *node) {
	text, _ := n.server.BootstrapInvite()
	in, err := invite.Parse(text)
	k.must(err)
	k.pin = in.Pin
	join := func(code, user string) {
		_, err := k.dial(n.address(), "").Session().Join(k.Context(), &loddv1.JoinRequest{Code: code, User: user, FullName: user, Password: killPassword})
		k.must(err)
	}
	join(in.Code, "ada")
	as := k.dial(n.address(), k.signIn(n.address(), "ada"))
	for _, user := range []string{"kari", "tove"} {
		answer, err := as.People().CreateInvite(k.Context(), &loddv1.CreateInviteRequest{})
		k.must(err)
		i, err := invite.Parse(answer.GetInvite())
		k.must(err)
		join(i.Code, user)
	}
	_, err = as.People().GrantRole(k.Context(), &loddv1.GrantRoleRequest{TrialId: "KILL", User: "kari", Role: "custodian"})
	k.must(err)
	as = k.dial(n.address(), k.signIn(n.address(), "kari"))
	_, err = as.People().GrantRole(k.Context(), &loddv1.GrantRoleRequest{TrialId: "KILL", User: "tove", Role: "coordinator"})
	k.must(err)
}

func (k *killed) dial(address, token string) *client.Client {
	k.Helper()
	c, err := client.New(client.Config{Address: address, Pin: k.pin, Token: func() (string, error) { return token, nil }})
	k.must(err)
	k.Cleanup(func() { c.Close() })
	return c
}

func (k *killed) signIn(address, user string) string {
	k.Helper()
	answer, err := k.dial(address, "").Session().Login(k.Context(), &loddv1.LoginRequest{User: user, Password: killPassword})
	k.must(err)
	return answer.GetToken()
}

// start starts a server process. It doesn't wait until it serves: address does.
func (k *killed) start() (s *running, ready <-chan map[string]string) {
	k.Helper()
	path, err := exec.LookPath("lodd")
	k.must(err)
	cmd := exec.Command(path, "serve", "--data", k.dir, "--store", k.store, "--listen", "127.0.0.1:0", "--second-factor", "off")
	stderr, err := cmd.StderrPipe()
	k.must(err)
	k.must(cmd.Start())
	s = &running{cmd.Process, make(chan struct{})}
	told := make(chan map[string]string, 1)
	go func() {
		follow(stderr, told)
		_ = cmd.Wait() // it was killed
		close(s.ended)
	}()
	k.Cleanup(func() {
		_ = s.process.Kill()
		<-s.ended
	})
	return s, told
}

// address waits until the server serves, and returns where.
func (k *killed) address(s *running, ready <-chan map[string]string) string {
	k.Helper()
	select {
	case told := <-ready:
		return told["address"]
	case <-s.ended:
		k.Fatal("the server ended before it served")
	case <-time.After(30 * time.Second):
		k.Fatal("the server did not get ready within 30 s")
	}
	return ""
}

func (k *killed) end(s *running, sig os.Signal) {
	k.Helper()
	k.must(s.process.Signal(sig))
	select {
	case <-s.ended:
	case <-time.After(20 * time.Second):
		k.Fatalf("the server did not end after %v", sig)
	}
	if sig == os.Kill && k.store != "" {
		k.expire()
	}
}

// expire ends the lease of a killed server, as ten seconds do.
func (k *killed) expire() {
	k.Helper()
	c := config{Store: k.store}
	at, err := c.cluster()
	k.must(err)
	cluster, err := clientv3.New(clientv3.Config{Endpoints: at.Endpoints, Logger: clientv3.NewCtxClient(k.Context()).GetLogger()})
	k.must(err)
	defer cluster.Close()
	r, err := cluster.Get(k.Context(), "/lodd/"+at.Group+"/leader")
	k.must(err)
	for _, leader := range r.Kvs { // none if it was killed before it led
		_, err := cluster.Revoke(k.Context(), clientv3.LeaseID(leader.Lease))
		k.must(err)
	}
}

// copyFiles copies the regular files of a folder, and no sockets.
func copyFiles(to, from string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		switch {
		case err != nil:
			return err
		case d.IsDir():
			return os.Mkdir(filepath.Join(to, rel), 0o700)
		case !d.Type().IsRegular():
			return nil
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, rel), b, 0o600)
	})
}
