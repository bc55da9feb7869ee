package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/lodd-rct/lodd/proto/invite"
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/server"
	"github.com/lodd-rct/lodd/server/authn"
	"github.com/lodd-rct/lodd/server/telemetry"
)

// fortyBlind are those who must not notice any arm. The auditor is one of them:
// what two people didn't open is sealed to auditors, too.
var fortyBlind = []string{"ada", "kari", "tove", "olav", "mona", "per", "stine", "dag", "aud"}

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
	n, err := open(t.Context(), config{Data: t.TempDir(), Listen: "127.0.0.1:0", Name: "forty", Addresses: []string{"lodd.example:8443"}, SignIn: signInConfig{SecondFactor: factorOff}, Metrics: "127.0.0.1:0"}, world{
		now: clock.now, wall: wall, random: newEntropy(1, "random"), seeds: newEntropy(1, "seeds"), log: zerolog.New(log),
		passwords: authn.PasswordConfig{MemoryKiB: 64, Passes: 1}, stats: rec, address: everybody,
		limits: server.Limits{PerSecond: 1e6, Burst: 1e6, StrangersPerSecond: 1e6, StrangersBurst: 1e6},
	})
	if err != nil {
		t.Fatal(err)
	}
	view := fortyView{worldView: worldView{dir: t.TempDir(), notices: noticed{files: map[string]string{}}}, cli: map[string][]string{}, files: map[string][]string{}}
	until, logged := 0, 0 // when the command line began
	err = n.during(t.Context(), func(ctx context.Context) error {
		text, _ := n.server.BootstrapInvite()
		in, err := invite.Parse(text)
		if err != nil {
			return err
		}
		in.Addresses = []string{n.address()}
		s := playForty(ctx, in, clock, arms)
		for _, user := range fortyBlind {
			s.look(user)
			lookAt(ctx, s.as(user), fortyTrial, n.logged.Signer)
		}
		s.wait(0)
		until, logged = rec.len(), log.Len()
		for _, user := range append([]string{"ada", "kari", "stine", "dag"}, fortyReaders...) {
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
	view.seen, view.methods, view.teams = rec.seenBetween(0, until), rec.methods(), rec.teams
	for user, sent := range rec.seenBetween(until, rec.len()) { // of which some are sent at a time
		slices.Sort(sent)
		view.seen[user] = append(view.seen[user], sent...)
	}
	lines := strings.SplitAfter(log.String()[logged:], "\n")
	slices.Sort(lines)
	view.log = log.String()[:logged] + strings.Join(lines, "")
	return view
}

// inFirstStories are the methods that the story of 40 leaves to those of
// [TestTwinWorldsLookTheSameToBlindedRoles], which end their trials.
var inFirstStories = []string{
	loddv1.AssessmentService_CheckForm_FullMethodName, loddv1.AuditService_ProveConsistency_FullMethodName, loddv1.AuditService_AddCosignature_FullMethodName,
	loddv1.ParticipantService_EraseParticipant_FullMethodName, loddv1.ParticipantService_RecordDeath_FullMethodName,
	loddv1.ParticipantService_RecordError_FullMethodName, loddv1.ParticipantService_CorrectLevels_FullMethodName,
	loddv1.ParticipantService_RecordReplacement_FullMethodName, loddv1.RandomizationService_RecordContingencyAllocation_FullMethodName,
	loddv1.ScreeningService_Exclude_FullMethodName, loddv1.SealingService_ContributeEntropy_FullMethodName,
	loddv1.SealingService_AbandonSealing_FullMethodName, loddv1.TrialService_CloseEnrolment_FullMethodName,
	loddv1.TrialService_Reconcile_FullMethodName, loddv1.TrialService_GetBuiltinProtocol_FullMethodName,
	loddv1.UnsealingService_FreezeAnalysisPlan_FullMethodName, loddv1.UnsealingService_ProposeUnsealing_FullMethodName,
	loddv1.UnsealingService_ApproveUnsealing_FullMethodName, loddv1.UnsealingService_DownloadReveal_FullMethodName,
}

// inNoStory are those that need what no story has: an identity provider, for which
// package server has tests of its own, and a follower, which holds no more than
// what lies in the store.
var inNoStory = []string{
	loddv1.SessionService_BeginOIDC_FullMethodName, loddv1.SessionService_LoginOIDC_FullMethodName, loddv1.FollowService_Follow_FullMethodName,
}

// answeredAll wants every method of the API to be called and answered in a story,
// so that none that comes later is forgotten.
func answeredAll(t *testing.T, here map[string]bool) {
	t.Helper()
	protoregistry.GlobalFiles.RangeFilesByPackage("lodd.v1", func(f protoreflect.FileDescriptor) bool {
		for i := range f.Services().Len() {
			for j := range f.Services().Get(i).Methods().Len() {
				m := f.Services().Get(i).Methods().Get(j)
				name := fmt.Sprintf("/%s/%s", m.Parent().FullName(), m.Name())
				if !here[name] && !slices.Contains(inFirstStories, name) && !slices.Contains(inNoStory, name) {
					t.Errorf("%s is answered in no story", name)
				}
			}
		}
		return true
	})
}

// counted returns what the page of metrics tells, without what hangs on the
// machine: how long calls took, and the memory of the process.
func counted(t *testing.T, n *node) string {
	t.Helper()
	page := httptest.NewRecorder()
	telemetry.Page(n.page.registry).ServeHTTP(page, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	var out strings.Builder
	for line := range strings.Lines(page.Body.String()) {
		if !strings.Contains(line, "_seconds_") && !strings.HasPrefix(line, "go_") && !strings.HasPrefix(line, "lodd_memory") {
			out.WriteString(line)
		}
	}
	return out.String()
}

// Treatment teams act on their own participants, and who acted is told to whoever
// runs the server, by the lines of the log, and to auditors, by the entries of
// delivery. In both, the accounts of teams are struck out here: see the threat
// model for what that tells.
var (
	teamLine  = regexp.MustCompile(`"subject":"(ina|tom|eva|jon|ida)"`)
	teamEntry = regexp.MustCompile(`FORTY/delivery|` + hex.EncodeToString([]byte("FORTY/delivery")))
	teamName  = regexp.MustCompile(`\b(ina|tom|eva|jon|ida)\b|696e61|746f6d|657661|6a6f6e|696461`)
)

// struck returns what an auditor sees, line by line, without the accounts of teams
// in entries of what they did.
func struck(seen []string) (out []string) {
	for _, text := range seen {
		lines := strings.Split(text, "\n")
		for i, line := range lines {
			if teamEntry.MatchString(line) {
				lines[i] = teamName.ReplaceAllString(line, "xxx")
			}
		}
		out = append(out, strings.Join(lines, "\n"))
	}
	return out
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
		if len(a.seen[user]) < 40 || len(a.cli[user]) < 4 || len(a.files[user]) == 0 {
			t.Fatalf("%s saw %d answers and %d outputs, and keeps %q: the test has no power", user, len(a.seen[user]), len(a.cli[user]), a.files[user])
		}
		if user == "aud" {
			for _, of := range []map[string][]string{a.seen, b.seen, a.cli, b.cli} {
				of[user] = struck(of[user])
			}
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
	for what, of := range map[string][2]string{"lines of the log": {teamLine.ReplaceAllString(a.log, "team"), teamLine.ReplaceAllString(b.log, "team")}, "metrics": {a.metrics, b.metrics}} {
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
	worlds := []struct {
		name string
		arms map[string]string
		move int // participants in another arm than in the first world
	}{{"base", fortyArms(false, ""), 0}, {"all swapped", fortyArms(true, ""), 40}, {"one swapped", fortyArms(false, "OSL-07"), 1}}
	views := make([]fortyView, len(worlds))
	t.Run("play", func(t *testing.T) {
		for i, world := range worlds {
			t.Run(world.name, func(t *testing.T) {
				t.Parallel()
				views[i] = playFortyWorld(t, world.arms)
			})
		}
	})
	if t.Failed() {
		return
	}
	t.Run("every method", func(t *testing.T) { answeredAll(t, views[0].methods) })
	base := views[0]
	for i, world := range worlds[1:] {
		t.Run(world.name, func(t *testing.T) {
			other, moved := views[i+1], 0
			for of, people := range base.teams {
				for _, p := range people {
					if !slices.Contains(other.teams[of], p) {
						moved++
					}
				}
			}
			if moved != world.move {
				t.Errorf("%d participants are in another arm: the worlds are not twins", moved)
			}
			sameForty(t, base, other)
			if cmp.Diff(base.seen["ina"], other.seen["ina"]) == "" {
				t.Error("the treatment team's view is equal too: the comparison is blind itself")
			}
		})
	}
}
