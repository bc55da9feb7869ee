package main

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
	"golang.org/x/mod/sumdb/note"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/client"
	"github.com/lodd-rct/lodd/client/demo"
	"github.com/lodd-rct/lodd/proto/invite"
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/server"
	"github.com/lodd-rct/lodd/server/authn"
)

// Twin worlds: the same story is played twice with the same clock and entropy,
// and every participant in the other arm. Whatever a blinded role can observe
// must be equal to the byte: answers, sizes, status codes, trailers, exports,
// log lines, and what the store holds outside the sealed compartment. Hashes
// over sealed bytes are declared hiding in the schema, and only their presence
// and length are compared.
func TestTwinWorldsLookTheSameToBlindedRoles(t *testing.T) {
	if testing.Short() {
		t.Skip("two whole stories; run without -short")
	}
	seedA, seedB := twinSeeds(t)
	secondA, secondB := secondSeeds(t)
	a, b := playWorld(t, secrets(seedA, secondA)), playWorld(t, secrets(seedB, secondB))

	t.Run("the arms are swapped", func(t *testing.T) {
		for _, site := range []string{"OSL", "BGO", "TRD"} {
			if len(a.teams["ips "+site]) == 0 || cmp.Diff(a.teams["ips "+site], b.teams["tau "+site]) != "" || cmp.Diff(a.teams["tau "+site], b.teams["ips "+site]) != "" {
				t.Errorf("%s: IPS %v / %v, TAU %v / %v: the worlds are not twins", site,
					a.teams["ips "+site], b.teams["ips "+site], a.teams["tau "+site], b.teams["tau "+site])
			}
		}
	})
	t.Run("the arms of the second trial are swapped", func(t *testing.T) {
		one, two := a.teams["one OSL"], a.teams["two OSL"]
		if len(one)+len(two) != 5 || cmp.Diff(one, b.teams["two OSL"]) != "" || cmp.Diff(two, b.teams["one OSL"]) != "" {
			t.Errorf("%v and %v, %v and %v: the worlds are not twins", one, two, b.teams["one OSL"], b.teams["two OSL"])
		}
	})
	t.Run("every method", func(t *testing.T) {
		for _, name := range inFirstStories {
			if !a.methods[name] {
				t.Errorf("%s is answered in neither story", name)
			}
		}
	})
	for _, user := range []string{"tove", "olav", "mona", "per", "stine", "aud"} {
		t.Run(user, func(t *testing.T) {
			if len(a.seen[user]) < 5 {
				t.Fatalf("%s saw %d answers only: the test has no power", user, len(a.seen[user]))
			}
			if diff := cmp.Diff(a.seen[user], b.seen[user]); diff != "" {
				t.Errorf("the worlds differ:\n%s", diff)
			}
		})
	}
	t.Run("a treatment team sees the difference", func(t *testing.T) {
		if cmp.Diff(a.seen["ina"], b.seen["ina"]) == "" {
			t.Error("the treatment team's view is equal too: the comparison is blind itself")
		}
	})
	t.Run("log lines", func(t *testing.T) {
		if diff := cmp.Diff(a.log, b.log); diff != "" || a.log == "" {
			t.Errorf("the worlds differ:\n%s", diff)
		}
	})
	t.Run("exports", func(t *testing.T) { compareExports(t, a, b) })
	t.Run("archives", func(t *testing.T) { compareArchives(t, a, b) })
	t.Run("store", func(t *testing.T) { compareStores(t, a, b) })
	t.Run("notices", func(t *testing.T) {
		if diff := cmp.Diff(a.notices.files, b.notices.files); diff != "" || len(a.notices.files) < 20 {
			t.Errorf("%d notices; the worlds differ:\n%s", len(a.notices.files), diff)
		}
	})
}

// A worldView is what can be observed of one world.
type worldView struct {
	seen    map[string][]string // by account
	teams   map[string][]string // participants by "arm site"
	methods map[string]bool
	log     string
	dir     string // of the exports
	lists   map[string][][]byte
	notices noticed
}

// playWorld plays both stories with the given seeds of the allocations, and lets
// the blinded roles look at everything they can ask for.
func playWorld(t *testing.T, seeds io.Reader) worldView {
	t.Helper()
	dir, log := t.TempDir(), &bytes.Buffer{}
	if err := os.Mkdir(filepath.Join(dir, "checkpoints"), 0o700); err != nil {
		t.Fatal(err)
	}
	rec := &recorder{teams: map[string][]string{}, users: map[string]string{}}
	clock := &clock{}
	w := world{
		now: clock.now, wall: wall, random: newEntropy(1, "random"),
		seeds:     seeds,
		log:       zerolog.New(log),
		passwords: authn.PasswordConfig{MemoryKiB: 64, Passes: 1},
		limits:    server.Limits{PerSecond: 1e6, Burst: 1e6},
		stats:     rec,
		address:   everybody,
	}
	start := time.Date(2025, 1, 6, 8, 0, 0, 0, time.UTC)
	clock.set(start)
	_, public := twinWitness()
	n, err := open(t.Context(), config{Data: t.TempDir(), Listen: "127.0.0.1:0", Name: "twin", SignIn: signInConfig{SecondFactor: factorOff}, Witnesses: []string{public}}, w)
	if err != nil {
		t.Fatal(err)
	}
	view := worldView{teams: rec.teams, dir: dir, notices: noticed{files: map[string]string{}}}
	err = n.during(t.Context(), func(ctx context.Context) error {
		text, _ := n.server.BootstrapInvite()
		i, err := invite.Parse(text)
		if err != nil {
			return err
		}
		if _, err := demo.Play(ctx, demo.Config{
			Invite: i, Clock: clock.set, Start: start, Random: newEntropy(1, "story"), Out: io.Discard, Dir: dir,
			Restored: func(ctx context.Context) error { return n.ledger.MarkRestored(ctx, lostInTheStory) },
		}); err != nil {
			return err
		}
		playSecond(ctx, i, clock.now())
		if err := lookAround(ctx, i, dir, n.logged.Signer); err != nil {
			return err
		}
		clock.set(clock.now().Add(time.Hour))
		return n.outbox.Round(ctx) // what is due by then, and wasn't before
	})
	if err != nil {
		t.Fatal(err)
	}
	view.lists = lists(t, n)
	view.notices.look(t, filepath.Join(n.data, "notices"), clock.now())
	if err := n.close(); err != nil {
		t.Fatal(err)
	}
	view.log, view.seen, view.methods = log.String(), rec.seen(), rec.methods()
	return view
}

// lostInTheStory is what a restore lost: one randomization, and readings of a
// team, whose number may hang on an arm.
func lostInTheStory(list string) int64 {
	return map[string]int64{"IPS/conduct": 2, "IPS/allocation": 1, "IPS/delivery": 3}[list]
}

// lookAround lets the blinded roles call every method that takes no more than
// a trial and a participant, also those that they may not call: a refusal must
// not depend on the arm either. The archive of each lands in dir.
func lookAround(ctx context.Context, i invite.Invite, dir string, log note.Signer) error {
	for _, user := range []string{"tove", "olav", "mona", "per", "aud"} {
		token := ""
		c, err := client.New(client.Config{Address: i.Addresses[0], Pin: i.Pin, Token: func() (string, error) { return token, nil }})
		if err != nil {
			return err
		}
		defer c.Close()
		in, err := c.Session().Login(ctx, &loddv1.LoginRequest{User: user, Password: twinPassword})
		if err != nil {
			return err
		}
		token = in.GetToken()
		for _, id := range []string{"IPS", secondTrial} {
			lookAt(ctx, c, id, log)
		}
		if err := takeArchive(ctx, i, token, filepath.Join(dir, "log-"+user+".zip")); err != nil {
			return err
		}
		if _, err := c.Session().Logout(ctx, &loddv1.LogoutRequest{}); err != nil {
			return err
		}
	}
	return nil
}

func lookAt(ctx context.Context, c *client.Client, id string, log note.Signer) {
	// The recorder sees answers and refusals; there is nothing to do with them here.
	_, _ = c.Session().WhoAmI(ctx, &loddv1.WhoAmIRequest{})
	_, _ = c.People().ListRoles(ctx, &loddv1.ListRolesRequest{TrialId: id})
	_, _ = c.Trials().GetTrial(ctx, &loddv1.GetTrialRequest{TrialId: id})
	_, _ = c.Delivery().ListTeam(ctx, &loddv1.ListTeamRequest{TrialId: id})
	_, _ = c.Assessments().ListDue(ctx, &loddv1.ListDueRequest{TrialId: id, Days: 400})
	_, _ = c.Exports().ListLocks(ctx, &loddv1.ListLocksRequest{TrialId: id})
	participants, _ := c.Screening().ListParticipants(ctx, &loddv1.ListParticipantsRequest{TrialId: id})
	for _, p := range participants.GetParticipants() {
		_, _ = c.Randomization().GetRandomization(ctx, &loddv1.GetRandomizationRequest{TrialId: id, Participant: p.GetParticipant()})
		_, _ = c.Assessments().ReadForm(ctx, &loddv1.ReadFormRequest{TrialId: id, Participant: p.GetParticipant(), Visit: "month-6", Form: "eq5d"})
		_, _ = c.Participants().EraseParticipant(ctx, &loddv1.EraseParticipantRequest{
			TrialId: id, RequestId: "00000000-0000-4000-8000-000000000001", Participant: p.GetParticipant(), Confirm: p.GetParticipant(),
		})
	}
	_, _ = c.Trials().Reconcile(ctx, &loddv1.ReconcileRequest{TrialId: id, RequestId: "00000000-0000-4000-8000-000000000002", Confirm: id})
	all, _ := c.Audit().ListCompartments(ctx, &loddv1.ListCompartmentsRequest{TrialId: id})
	lookAtChanges(ctx, c, id, participants.GetParticipants())
	for _, list := range append(all.GetLists(), id+"/allocation", id+"/delivery", "system") {
		head, _ := c.Audit().GetCheckpoint(ctx, &loddv1.GetCheckpointRequest{TrialId: id, List: list})
		for _, index := range []int64{0, 3, 1 << 20} {
			_, _ = c.Audit().ProveInclusion(ctx, &loddv1.ProveInclusionRequest{TrialId: id, List: list, Index: index, OldSize: 2})
		}
		_, _ = c.Audit().AddCosignature(ctx, &loddv1.AddCosignatureRequest{TrialId: id, List: list, Checkpoint: cosigned(head.GetCheckpoint())})
		_, _ = c.Audit().GetCheckpoint(ctx, &loddv1.GetCheckpointRequest{TrialId: id, List: list}) // with the signature, if it was taken
		_, _ = c.Audit().ReportCheckpoint(ctx, &loddv1.ReportCheckpointRequest{TrialId: id, Checkpoint: head.GetCheckpoint()})
		_, _ = c.Audit().ReportCheckpoint(ctx, &loddv1.ReportCheckpointRequest{TrialId: id, Checkpoint: ahead(log, list)})
		for _, raw := range []bool{false, true} {
			if s, err := c.Audit().ListEntries(ctx, &loddv1.ListEntriesRequest{TrialId: id, List: list, Raw: raw}); err == nil {
				drain(s.Recv)
			}
		}
		if s, err := c.Audit().ListLeaves(ctx, &loddv1.ListLeavesRequest{TrialId: id, List: list, Size: 10}); err == nil {
			drain(s.Recv)
		}
	}
}

// ahead returns a head of a list that the server has signed and, as if it had been
// brought back from an older copy, doesn't hold.
func ahead(log note.Signer, list string) string {
	return string(must(audit.Checkpoint{Origin: strings.TrimSuffix(log.Name(), "/log") + "/" + list, Size: 1 << 20}.Sign(log)))
}

// twinPassword is that of everybody in the demo.
const twinPassword = "a demo is not a trial"

// twinWitness returns the key pair of the witness in both worlds.
func twinWitness() (private, public string) {
	private, public, err := audit.GenerateCosigner(newEntropy(1, "witness"), "witness.example.org")
	if err != nil {
		panic(err) // the entropy doesn't end
	}
	return private, public
}

// cosigned returns a checkpoint with the signature of the witness; what is none
// stays as it is.
func cosigned(checkpoint string) string {
	private, _ := twinWitness()
	w, err := audit.NewCosigner(private, time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC))
	if err != nil {
		panic(err) // the key was just made
	}
	n, err := note.Open([]byte(checkpoint), nil)
	if unknown, ok := errors.AsType[*note.UnverifiedNoteError](err); ok {
		n = unknown.Note
	}
	if n == nil {
		return checkpoint
	}
	signed, err := note.Sign(n, w)
	if err != nil {
		panic(err) // it was a note
	}
	return string(signed)
}

func drain[T any](recv func() (T, error)) {
	for {
		if _, err := recv(); err != nil {
			return
		}
	}
}

// compareExports wants bundles of one size whose data are equal to the byte.
func compareExports(t *testing.T, a, b worldView) {
	t.Helper()
	for _, name := range []string{"IPS-lock1-pooled.zip", "IPS-lock2-pooled.zip"} {
		x, y := members(t, filepath.Join(a.dir, name)), members(t, filepath.Join(b.dir, name))
		if !slices.Equal(slices.Sorted(maps.Keys(x)), slices.Sorted(maps.Keys(y))) {
			t.Fatalf("%s: members %v and %v", name, slices.Sorted(maps.Keys(x)), slices.Sorted(maps.Keys(y)))
		}
		for member := range x {
			if len(x[member]) != len(y[member]) {
				t.Errorf("%s: %s has %d and %d bytes", name, member, len(x[member]), len(y[member]))
			}
			// Signed heads of conduct, which holds the commitment, and what hashes them.
			if hiding := strings.HasPrefix(member, "checkpoints/") || strings.HasPrefix(member, "manifest."); !hiding && x[member] != y[member] {
				t.Errorf("%s: %s differs", name, member)
			}
		}
	}
}

func members(t *testing.T, file string) map[string]string {
	t.Helper()
	z, err := zip.OpenReader(file)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	out := map[string]string{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		out[f.Name] = string(b)
	}
	return out
}

// lists returns every entry of the log as it is stored.
func lists(t *testing.T, n *node) map[string][][]byte {
	t.Helper()
	out := map[string][][]byte{}
	for _, list := range n.log.Lists("") {
		records, err := n.log.Read(t.Context(), list, 0, n.log.Len(list))
		if err != nil {
			t.Fatal(err)
		}
		out[list] = records
	}
	return out
}

// compareStores wants equal entries in every compartment but the sealed one,
// where they have equal lengths; the one entry with the commitment may differ.
func compareStores(t *testing.T, a, b worldView) {
	t.Helper()
	if len(a.lists) < 8 || len(a.lists) != len(b.lists) {
		t.Fatalf("%d and %d lists, want system and the compartments of two trials", len(a.lists), len(b.lists))
	}
	different := map[string]int{}
	for list, x := range a.lists {
		y := b.lists[list]
		if len(x) != len(y) {
			t.Fatalf("%s: %d and %d entries", list, len(x), len(y))
		}
		for i := range x {
			if len(x[i]) != len(y[i]) {
				t.Errorf("%s: entry %d has %d and %d bytes", list, i, len(x[i]), len(y[i]))
			}
			if !bytes.Equal(x[i], y[i]) {
				different[list]++
			}
		}
	}
	// 25 allocations and the design; the commitment. In the second trial five
	// allocations and a design, and the commitment, since the abandoned sealing is
	// the same; and the digests of envelopes, which are sealed with keys that no
	// world knows before.
	want := map[string]int{"IPS/allocation": 26, "IPS/conduct": 1, secondTrial + "/allocation": 6, secondTrial + "/conduct": 2}
	if diff := cmp.Diff(want, different); diff != "" {
		t.Errorf("entries that differ:\n%s", diff)
	}
}
