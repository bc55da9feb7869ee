package main

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/lodd-rct/lodd/proto/invite"
	"github.com/lodd-rct/lodd/server"
	"github.com/lodd-rct/lodd/server/authn"
)

// fortyBlind are those who must not notice any arm. The auditor is one of them:
// what two people didn't open is sealed to auditors, too.
var fortyBlind = []string{"ada", "kari", "tove", "olav", "oda", "mona", "per", "stine", "dag", "aud"}

// A fortyView is what can be observed of the trial of 40 in one world.
type fortyView struct {
	worldView
	cli     map[string][]string // by account and language
	files   map[string][]string // what the command line keeps of each account
	metrics string
}

// playFortyWorld plays the story with the arms of a list.
func playFortyWorld(t *testing.T, arms map[string]string) fortyView {
	t.Helper()
	log := &bytes.Buffer{}
	rec := &recorder{teams: map[string][]string{}, users: map[string]string{}}
	clock := &clock{}
	clock.set(time.Date(2025, 1, 6, 8, 0, 0, 0, time.UTC))
	n, err := open(t.Context(), config{Data: t.TempDir(), Listen: "127.0.0.1:0", Name: "forty", SignIn: signInConfig{SecondFactor: factorOff}, Metrics: "127.0.0.1:0"}, world{
		now: clock.now, wall: wall, random: newEntropy(1, "random"), seeds: newEntropy(1, "seeds"), log: zerolog.New(log),
		passwords: authn.PasswordConfig{MemoryKiB: 64, Passes: 1}, stats: rec, address: everybody,
		limits: server.Limits{PerSecond: 1e6, Burst: 1e6, StrangersPerSecond: 1e6, StrangersBurst: 1e6},
	})
	if err != nil {
		t.Fatal(err)
	}
	view := fortyView{worldView: worldView{dir: t.TempDir(), notices: noticed{files: map[string]string{}}}, cli: map[string][]string{}, files: map[string][]string{}}
	err = n.during(t.Context(), func(ctx context.Context) error {
		text, _ := n.server.BootstrapInvite()
		in, err := invite.Parse(text)
		if err != nil {
			return err
		}
		s := playForty(ctx, in, clock, arms)
		for _, user := range fortyBlind {
			s.look(user)
			lookAt(ctx, s.as(user), fortyTrial, n.logged.Signer)
		}
		s.wait(0)
		for _, user := range fortyBlind {
			view.commands(t, commandLine{story: s, user: user, dir: filepath.Join(view.dir, user)})
		}
		clock.set(clock.now().Add(time.Hour))
		return n.outbox.Round(ctx)
	})
	if err != nil {
		t.Fatal(err)
	}
	view.metrics = counted(t, n)
	view.lists = lists(t, n)
	view.notices.look(t, filepath.Join(n.data, "notices"), clock.now())
	if err := n.close(); err != nil {
		t.Fatal(err)
	}
	view.log, view.seen, view.methods, view.teams = log.String(), rec.seen(), rec.methods(), rec.teams
	return view
}

// counted returns what the page of metrics tells, without what hangs on the
// machine: how long calls took, and the memory of the process.
func counted(t *testing.T, n *node) string {
	t.Helper()
	families, err := n.page.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for _, f := range families {
		name := f.GetName()
		if strings.Contains(name, "seconds") || strings.HasPrefix(name, "go_") || strings.HasPrefix(name, "process_") {
			fmt.Fprintf(&out, "%s of %d\n", name, len(f.GetMetric()))
			continue
		}
		for _, m := range f.GetMetric() {
			fmt.Fprintln(&out, name, m)
		}
	}
	return out.String()
}

// keeps returns the names and sizes of what lies below a folder: what is in the
// files is heads of the log, which are hiding, and secrets.
func keeps(t *testing.T, dir string) (out []string) {
	t.Helper()
	for path, content := range filesBelow(t, dir) {
		name, err := filepath.Rel(dir, path)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, fmt.Sprintf("%s %d", name, len(content)))
	}
	slices.Sort(out)
	return out
}

// sameForty compares what can be observed of two worlds.
func sameForty(t *testing.T, a, b fortyView) {
	t.Helper()
	for _, user := range fortyBlind {
		if len(a.seen[user]) < 40 || len(a.cli[user]) < 60 || len(a.files[user]) < 2 {
			t.Fatalf("%s saw %d answers and %d outputs, and keeps %q: the test has no power", user, len(a.seen[user]), len(a.cli[user]), a.files[user])
		}
		if diff := cmp.Diff(a.seen[user], b.seen[user]); diff != "" {
			t.Errorf("the worlds of %s differ:\n%s", user, diff)
		}
		if diff := cmp.Diff(a.cli[user], b.cli[user]); diff != "" {
			t.Errorf("the command lines of %s differ:\n%s", user, diff)
		}
		if diff := cmp.Diff(a.files[user], b.files[user]); diff != "" {
			t.Errorf("the folders of %s differ:\n%s", user, diff)
		}
	}
	for what, of := range map[string][2]string{"lines of the log": {a.log, b.log}, "metrics": {a.metrics, b.metrics}} {
		if diff := cmp.Diff(of[0], of[1]); diff != "" || len(of[0]) < 1000 {
			t.Errorf("%s differ:\n%s", what, diff)
		}
	}
	if diff := cmp.Diff(a.notices.files, b.notices.files); diff != "" || len(a.notices.files) < 20 {
		t.Errorf("%d notices; the worlds differ:\n%s", len(a.notices.files), diff)
	}
	for _, list := range slices.Sorted(maps.Keys(a.lists)) {
		for i := range a.lists[list] {
			if x, y := a.lists[list], b.lists[list]; len(x) != len(y) || len(x[i]) != len(y[i]) {
				t.Fatalf("%s: entry %d of %d and %d has another length", list, i, len(x), len(y))
			}
		}
	}
}

// The same trial of 40 participants in three worlds: one, one with the arms of all
// swapped, and one with the arm of one participant swapped, in a list of one more
// row that ends out of ratio by one either way. To the byte, or for what the schema
// declares hiding to the length, blinded people see the same: answers, headers,
// trailers and frames; what the command line prints in both languages and keeps;
// lines of the log, metrics, notices.
func TestTwinWorldsOfForty(t *testing.T) {
	if testing.Short() {
		t.Skip("three whole stories; run without -short")
	}
	base := playFortyWorld(t, fortyArms(false, ""))
	for name, tt := range map[string]struct {
		arms map[string]string
		move int // participants in another arm
	}{
		"all swapped": {fortyArms(true, ""), 40},
		"one swapped": {fortyArms(false, "OSL-07"), 1},
	} {
		t.Run(name, func(t *testing.T) {
			other := playFortyWorld(t, tt.arms)
			moved := 0
			for of, people := range base.teams {
				for _, p := range people {
					if !slices.Contains(other.teams[of], p) {
						moved++
					}
				}
			}
			if moved != tt.move {
				t.Errorf("%d participants are in another arm: the worlds are not twins", moved)
			}
			sameForty(t, base, other)
			if cmp.Diff(base.seen["ina"], other.seen["ina"]) == "" {
				t.Error("the treatment team's view is equal too: the comparison is blind itself")
			}
		})
	}
}
