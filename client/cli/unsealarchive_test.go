package cli

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/client"
	logv1 "github.com/lodd-rct/lodd/proto/lodd/log/v1"
	"github.com/lodd-rct/lodd/randomization"
	"github.com/lodd-rct/lodd/server/export"
	"github.com/lodd-rct/lodd/server/trial"
)

// lost changes an entry that gave up so many slots.
func lost(was int32, stratum string, slots int32) func(*logv1.Entry) {
	return func(e *logv1.Entry) {
		if l := e.GetReconciled().GetLost(); len(l) == 1 && l[0].Slots == was {
			l[0].Stratum, l[0].Slots = stratum, slots
		}
	}
}

// The log has the allocations of the bundle and no other, and was bound to what
// the bundle says.
func TestVerifyUnsealedAgainstTheLog(t *testing.T) {
	all := func(e *ended) int { return len(e.conduct) }
	for _, tt := range []struct {
		name    string
		log     func(*logv1.Entry) // what the log says
		bundle  func(*ended)       // what the bundle says
		entries func(*ended) int   // of conduct in the archive
		code    int
		stderr  string
	}{
		{name: "as it is"},
		{name: "an older log", entries: func(e *ended) int { return len(e.conduct) - 2 }, code: 8, stderr: "the first 11 entries of IPS/conduct"},
		{name: "another log", bundle: func(e *ended) { e.reveal.Heads[1].Root[0] ^= 1 }, code: 8, stderr: "entries of IPS/allocation"},
		{name: "a head of another size", bundle: func(e *ended) { e.reveal.Heads[1].Size++ }, code: 8, stderr: "the first 8 entries of IPS/allocation"},
		{name: "another entry that randomized", bundle: func(e *ended) { e.reveal.Allocations[1].Conduct.Leaf[0] ^= 1 }, code: 8, stderr: "allocation 1: entry 6 of conduct"},
		{name: "another entry with the arm", bundle: func(e *ended) { e.reveal.Allocations[1].Allocation.Leaf[0] ^= 1 }, code: 8, stderr: "entry 3 of allocation is no allocation of the bundle"},
		{name: "the log of another trial", bundle: func(e *ended) { e.logOf = "SPI" }, code: 8, stderr: "the archive is of the trial SPI, and the bundle of IPS"},
		{name: "no head", bundle: func(e *ended) { e.reveal.Heads = e.reveal.Heads[:1] }, code: 8, stderr: "IPS/allocation has no head in the bundle"},
		{name: "another commitment", log: func(e *logv1.Entry) {
			if s := e.GetDesignSealed(); s != nil {
				s.Commitment[0] ^= 1
			}
		}, code: 8, stderr: "the commitment in the log is "},
		{name: "no contribution", log: func(e *logv1.Entry) {
			if e.GetEntropyContributed() != nil {
				e.Kind = &logv1.Entry_EnrolmentOpened{EnrolmentOpened: &logv1.EnrolmentOpened{}}
			}
		}, code: 8, stderr: "the contribution to the seed"},
		{name: "arms by other names", log: func(e *logv1.Entry) {
			if a := e.GetTrialCreated().GetArms(); a != nil {
				a[0], a[1] = a[1], a[0]
			}
		}, code: 8, stderr: `arm 0 is called "ips"`},
		{name: "one who is left out", bundle: func(e *ended) {
			e.reveal.Allocations, e.reveal.Randomization.Allocations = e.reveal.Allocations[:5], e.reveal.Randomization.Allocations[:5]
		}, code: 8, stderr: "entry 10 of conduct randomized somebody else"},
		{name: "one too many", log: func(e *logv1.Entry) {
			if e.GetRandomized().GetParticipant() == "OSL-6" {
				e.Kind = &logv1.Entry_EnrolmentClosed{EnrolmentClosed: &logv1.EnrolmentClosed{}}
			}
		}, code: 8, stderr: "allocation 5 is not in the log"},
		{name: "a lost slot more", log: lost(1, "OSL", 2), code: 8, stderr: `allocation 4 is not the lost slot of "OSL" that the log gave up there`},
		{name: "a lost slot fewer", log: lost(1, "OSL", 0), code: 8, stderr: `allocation 3 is a lost slot of "OSL" that the log did not give up`},
		{name: "a lost slot of another stratum", log: lost(1, "BGO", 1), code: 8, stderr: `allocation 3 is not the lost slot of "BGO" that the log gave up there`},
		{name: "slots that were lost before the sealing was abandoned", log: func(e *logv1.Entry) {
			if e.GetDesignSealed() != nil && !e.GetDesignSealed().GetAwaitsEntropy() {
				e.Kind = &logv1.Entry_Reconciled{Reconciled: &logv1.Reconciled{Lost: []*logv1.LostSlots{{Stratum: "OSL", Slots: 3}}}}
			}
		}, code: 8, stderr: `allocation 0 is not the lost slot of "OSL" that the log gave up there`},
		{name: "a lost slot at the end", bundle: func(e *ended) {
			e.reveal.Allocations = append(e.reveal.Allocations, export.Allocation{})
			e.reveal.Randomization.Allocations = append(e.reveal.Randomization.Allocations, randomization.Allocation{
				Kind: randomization.Lost, Stratum: "OSL", Slot: 5, Arm: randomization.NoArm,
			})
		}, code: 8, stderr: `allocation 6 is a lost slot of "OSL" that the log did not give up`},
		{name: "a lost slot that is left out at the end", log: func(e *logv1.Entry) {
			if e.GetRandomized().GetParticipant() == "OSL-6" {
				e.Kind = &logv1.Entry_Reconciled{Reconciled: &logv1.Reconciled{Lost: []*logv1.LostSlots{{Stratum: "OSL", Slots: 1}}}}
			}
		}, code: 8, stderr: `allocation 5 is not the lost slot of "OSL" that the log gave up there`},
		{name: "an allocation without an entry of its own", log: func(e *logv1.Entry) {
			if e.GetAllocated().GetParticipant() == "OSL-6" {
				e.Kind = &logv1.Entry_DesignKept{DesignKept: &logv1.DesignKept{}}
			}
		}, code: 8, stderr: "it has 4 entries of allocation for 5 allocations"},
		{name: "an envelope", log: func(e *logv1.Entry) {
			if a := e.GetAllocated(); a != nil {
				a.Contingency = false
			}
		}, code: 8, stderr: "allocation 2: contingency slot 4, and the log has slot 4"},
		{name: "another stratum", log: func(e *logv1.Entry) {
			if a := e.GetAllocated(); a != nil {
				a.Stratum = "BGO"
			}
		}, code: 8, stderr: `allocation 0: stratum "OSL", and the log has "BGO"`},
		{name: "another slot", log: func(e *logv1.Entry) {
			if a := e.GetAllocated(); a.GetParticipant() == "OSL-2" {
				a.Slot = 0
			}
		}, code: 8, stderr: "allocation 1: drawn slot 1, and the log has slot 0"},
		{name: "another participant", log: func(e *logv1.Entry) {
			if a := e.GetAllocated(); a.GetParticipant() == "OSL-2" {
				a.Participant = "OSL-8"
			}
		}, code: 8, stderr: "allocation 1 is of another participant in the log"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, nil)
			w.saveProfile(client.Profile{LogKey: w.key, ExportKey: w.key})
			e := w.end(tt.log)
			if tt.bundle != nil {
				tt.bundle(e)
			}
			if tt.entries == nil {
				tt.entries = all
			}
			o := w.run("verify", w.file("unsealed.zip", string(e.bundle(w, nil))), "--record", w.file("record.txt", e.record(withDice)), "--archive", e.archive(w, tt.entries(e)))
			if o.code != tt.code || !strings.Contains(o.stderr, tt.stderr) ||
				(tt.code == 0) != strings.Contains(o.stdout, "the log holds these 5 allocations and no other") ||
				(tt.code == 0) != strings.Contains(o.stdout, "1 slot was lost in a restore, as the log says, and nobody has it") ||
				tt.code == 0 && o.stderr != "" {
				t.Errorf("exit %d, want %d\n%s\nstderr %q, want %q", o.code, tt.code, o.stdout, o.stderr, tt.stderr)
			}
		})
	}
}

// Whoever writes the log can enter another contribution when the arms are known, and
// reveal the arms that follow from it. The rules refuse that, and so does this check
// by itself.
func TestVerifyUnsealedTakesOneContribution(t *testing.T) {
	w := newWorld(t, nil)
	w.saveProfile(client.Profile{LogKey: w.key, ExportKey: w.key})
	e := w.end(nil)
	other := []byte("what pleases")
	if err := e.contribute(other); err != nil {
		t.Fatal(err)
	}
	b, err := proto.Marshal(&logv1.Entry{Kind: &logv1.Entry_EntropyContributed{EntropyContributed: &logv1.EntropyContributed{Entropy: other}}})
	if err != nil {
		t.Fatal(err)
	}
	e.conduct = append(e.conduct, b)
	e.reveal.Heads[0] = e.head(trial.Conduct, e.conduct)
	o := w.run("verify", w.file("unsealed.zip", string(e.bundle(w, nil))), "--record", w.file("record.txt", e.record(withAwaited)), "--archive", e.archive(w, len(e.conduct)))
	if o.code != exitNotVerified || o.stdout != "" || !strings.Contains(o.stderr, "entry 12 of conduct is another contribution to the seed") {
		t.Errorf("exit %d\n%s\n%s", o.code, o.stdout, o.stderr)
	}
}

// replaysAll is a check that finds every entry to be in order.
func replaysAll(a *audit.ArchiveReader) (map[string]int64, error) {
	replayed := map[string]int64{}
	for _, l := range a.Lists {
		replayed[l.List] = l.Entries
	}
	return replayed, nil
}

// What isn't in the archive, or wasn't put to the rules, could explain any arms: who
// writes the log may add a second contribution to the seed when the arms are known.
func TestVerifyUnsealedAgainstAllOfTheLog(t *testing.T) {
	again := &audit.ArchiveError{List: "IPS/conduct", Index: 12, Reason: "it is against the rules"}
	all := replaysAll
	for _, tt := range []struct {
		name   string
		change func(*ended)
		replay func(*audit.ArchiveReader) (map[string]int64, error)
		code   int
		stderr string
	}{
		{"as it is", nil, all, 0, ""},
		{"no delivery", func(e *ended) { e.delivery = nil }, all, 2, "doesn't hold all of IPS/delivery"},
		{"no outcome", func(e *ended) { e.outcome = nil }, all, 2, "doesn't hold all of IPS/outcome"},
		{"against the rules", nil, fails(again), 8, "entry 12 of IPS/conduct: it is against the rules"},
		{"two entries that are late", func(e *ended) { e.delivery = [][]byte{{1}, {2}} }, func(a *audit.ArchiveReader) (map[string]int64, error) {
			replayed, err := all(a)
			replayed["IPS/delivery"] = 0
			return replayed, err
		}, 2, "2 entries of the archive came after the head of conduct"},
		{"no rules", nil, replays(-1), 2, "the rules of the trial were not applied"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, nil)
			w.replay = tt.replay
			w.saveProfile(client.Profile{LogKey: w.key, ExportKey: w.key})
			e := w.end(nil)
			if tt.change != nil {
				tt.change(e)
			}
			o := w.run("verify", w.file("unsealed.zip", string(e.bundle(w, nil))), "--record", w.file("record.txt", e.record(withAwaited)), "--archive", e.archive(w, len(e.conduct)))
			if o.code != tt.code || !strings.Contains(o.stderr, tt.stderr) || (tt.code == 0) != (o.stdout != "") {
				t.Errorf("exit %d, want %d\n%s\nstderr %q, want %q", o.code, tt.code, o.stdout, o.stderr, tt.stderr)
			}
		})
	}
}
