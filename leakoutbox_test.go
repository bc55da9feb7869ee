package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/lodd-rct/lodd/randomization"
	"github.com/lodd-rct/lodd/server/authn"
	"github.com/lodd-rct/lodd/server/ledger"
	"github.com/lodd-rct/lodd/server/people"
	"github.com/lodd-rct/lodd/server/trial"
)

// noticeSeeds returns two seeds with opposite arms for the first n people of the
// trial of a [rig].
func noticeSeeds(t *testing.T, n int) (a, b []byte) {
	t.Helper()
	design := randomization.Blocks{Ratio: []int{1, 1}, Sizes: []randomization.BlockSize{{Size: 4, Weight: 1}, {Size: 6, Weight: 1}}}
	known := map[string][]byte{}
	for i := range 10_000 {
		secret := fmt.Appendf(nil, "%032d", i)
		seed, err := randomization.SeedFromBytes(secret)
		if err != nil {
			t.Fatal(err)
		}
		q, err := randomization.NewSequence(seed, design, rigTrial, "OSL")
		if err != nil {
			t.Fatal(err)
		}
		arms, opposite := "", ""
		for _, arm := range q.First(n) {
			arms, opposite = arms+fmt.Sprint(int(arm)), opposite+fmt.Sprint(1-int(arm))
		}
		if twin, ok := known[opposite]; ok {
			return twin, secret
		}
		known[arms] = secret
	}
	t.Fatal("no twins among 10,000 seeds")
	return nil, nil
}

// A noticed is the content of each notice, and how long after the start it was
// there, by its name. The arms are those
// of the participants, in their order.
type noticed struct {
	files map[string]string
	arms  string
}

// noticeWorld lets six people be randomized in a world whose arms follow from a
// secret, of whom each in the arm "new" is met three times, and one is unblinded.
// It returns what lies in the folder of the notices. A server that leaks tells
// the team of the newest participant's arm only.
func noticeWorld(t *testing.T, start time.Time, secret []byte, leaks bool) noticed {
	t.Helper()
	clock := &clock{}
	clock.set(start)
	dir := filepath.Join(t.TempDir(), "notices")
	r := &rig{t: t}
	arm := trial.ArmID("")
	n, err := open(t.Context(), config{Data: t.TempDir(), Listen: "127.0.0.1:0", Name: "twin", SignIn: signInConfig{SecondFactor: factorOff}, Notices: noticesConfig{Folder: dir}}, world{
		now: clock.now, wall: wall, random: newEntropy(1, "random"), seeds: secrets(secret, nil), log: zerolog.Nop(),
		passwords: authn.PasswordConfig{MemoryKiB: 64, Passes: 1},
		address: func(ctx context.Context, user string) (string, bool, error) {
			address, _, err := everybody(ctx, user)
			return address, !leaks || user == string(arm), err
		},
	})
	r.must(err)
	r.n = n
	found := noticed{files: map[string]string{}}
	r.must(os.Mkdir(dir, 0o700))
	round := func(after time.Duration) {
		clock.set(clock.now().Add(after))
		r.must(n.outbox.Round(t.Context()))
		found.look(t, dir, clock.now())
	}
	r.must(n.during(t.Context(), func(ctx context.Context) error {
		r.setUp()
		noticePeople(ctx, r, start)
		for i := range 6 {
			p := r.randomize(1)
			arm = meet(ctx, r, p)
			found.arms += string(arm) + " "
			if i == 3 {
				_, err := r.trial().Unblind(ctx, ledger.Caller{Actor: "per", Role: trial.Investigator, Request: trial.RequestID{1}},
					trial.Unblinded{Participant: p, Reason: "other"}, "overdose", func() error { return nil })
				r.must(err)
			}
			for range 5 {
				round(4 * time.Minute)
			}
		}
		round(time.Hour)
		return nil
	}))
	r.must(n.close())
	return found
}

// everybody has an address.
func everybody(_ context.Context, user string) (string, bool, error) {
	return user + "@hospital.example", true, nil
}

// noticePeople makes an account for each team, a custodian and an investigator.
func noticePeople(ctx context.Context, r *rig, start time.Time) {
	_, err := r.n.ledger.People().Do(ctx, ledger.Caller{Actor: "kari"}, func(*people.State, time.Time) ([]people.Event, error) {
		events := []people.Event{people.Created{User: "kari", FullName: "Kari"}}
		for i, user := range []string{"new", "usual", "per"} { // teams are called like their arms
			name := fmt.Sprintf("%016d", i)
			events = append(events, people.Invited{Invite: name, CodeHash: [32]byte{byte(i + 1)}, Expires: start.Add(time.Hour)},
				people.Created{User: user, FullName: user, Invite: name})
		}
		for _, g := range []people.Grant{
			{User: "kari", Role: "custodian"},
			{User: "per", Role: "investigator"},
			{User: "new", Role: "treatment-team", Site: "OSL", Team: "new"},
			{User: "usual", Role: "treatment-team", Site: "OSL", Team: "usual"},
		} {
			g.Trial = rigTrial
			events = append(events, people.Granted{Grant: g})
		}
		return events, nil
	})
	r.must(err)
}

// meet returns the arm of the newest participant, whom the team of one arm meets
// three times.
func meet(ctx context.Context, r *rig, p trial.ParticipantID) trial.ArmID {
	for _, arm := range []trial.ArmID{"new", "usual"} {
		by := ledger.Caller{Actor: string(arm), Role: trial.TreatmentTeam}
		members, err := r.trial().Members(ctx, by, []ledger.Team{{Site: "OSL", Arm: arm}})
		r.must(err)
		if len(members) == 0 || members[len(members)-1].Participant != p {
			continue
		}
		for range 3 {
			if arm == "new" {
				_, err := r.trial().Members(ctx, by, []ledger.Team{{Site: "OSL", Arm: arm}})
				r.must(err)
			}
		}
		return arm
	}
	r.t.Fatal("nobody's list has the participant")
	return ""
}

// look notes the files that are new.
func (n noticed) look(t *testing.T, dir string, at time.Time) {
	t.Helper()
	for path, content := range filesBelow(t, dir) {
		name := filepath.Base(path)
		if _, known := n.files[name]; known || strings.HasPrefix(name, ".") { // which is being written
			continue
		}
		about, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		n.files[name] = fmt.Sprintf("there at %s, %s, %d bytes\n%s", at.Format(time.TimeOnly), about.Mode(), about.Size(), content)
	}
}

// L16: whatever the arms are, the same notices come to the same people at the same
// times, with the same sizes, subjects and texts. A server that told only the team
// whose list has changed would be caught.
func TestLeakL16NoticesAreTheSameWhateverTheArms(t *testing.T) {
	start := wall().UTC().Truncate(time.Hour).Add(4 * time.Minute)
	secretA, secretB := noticeSeeds(t, 6)
	a, b := noticeWorld(t, start, secretA, false), noticeWorld(t, start, secretB, false)
	if swapped := strings.NewReplacer("new", "usual", "usual", "new").Replace(a.arms); swapped != b.arms {
		t.Fatalf("%s and %s: the worlds are no twins", a.arms, b.arms)
	}
	if diff := cmp.Diff(a.files, b.files); diff != "" {
		t.Errorf("the worlds differ:\n%s", diff)
	}
	// Each randomization is told to two teams, and one unblinding to two people.
	if len(a.files) != 6*2+2 {
		t.Errorf("%d notices", len(a.files))
	}
	for name, text := range a.files {
		if strings.Contains(text, "OSL-0000") || strings.Count(text, "\nSubject: Lodd "+rigTrial+"\r\n") != 1 {
			t.Errorf("%s tells too much:\n%s", name, text)
		}
	}
	a, b = noticeWorld(t, start, secretA, true), noticeWorld(t, start, secretB, true)
	if cmp.Diff(a.files, b.files) == "" || len(a.files) == 0 {
		t.Error("a server that tells one team only isn't caught")
	}
}
