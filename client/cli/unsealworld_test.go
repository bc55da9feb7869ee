package cli

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/audit/audittest"
	logv1 "github.com/lodd-rct/lodd/proto/lodd/log/v1"
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/randomization"
	"github.com/lodd-rct/lodd/server/export"
	"github.com/lodd-rct/lodd/server/export/csv"
	"github.com/lodd-rct/lodd/server/trial"
)

// ended is an unsealed trial: five participants, of whom the third has an
// envelope and the last withdrew from the data, and a slot that was lost. Three
// others were lost before, of a sealing that was abandoned.
type ended struct {
	reveal              export.Reveal
	conduct, allocation [][]byte
	outcome, delivery   [][]byte // empty unless a test adds some; nil is left out of the archive
	logOf               string   // the trial that the archive names
}

// end makes such a trial. What the log says goes through change, which may be
// nil.
func (w *world) end(change func(*logv1.Entry)) *ended {
	w.t.Helper()
	must := func(err error) {
		w.t.Helper()
		if err != nil {
			w.t.Fatal(err)
		}
	}
	design := randomization.Blocks{Ratio: []int{1, 1}, Sizes: []randomization.BlockSize{{Size: 4, Weight: 1}, {Size: 6, Weight: 1}}}
	seed, err := randomization.SeedFromBytes(bytes.Repeat([]byte{1}, 32))
	must(err)
	salt, err := randomization.SaltFromBytes(bytes.Repeat([]byte{2}, 32))
	must(err)
	dice := []byte("4 2 6 6")
	if w.replay == nil {
		w.replay = replaysAll
	}
	e := &ended{logOf: "IPS", outcome: [][]byte{}, delivery: [][]byte{}, reveal: export.Reveal{
		Trial: "IPS", At: t0, Lock: trial.Lock{Number: 2, At: t0}, Key: [32]byte{1}, SealingRecord: "SEALING RECORD\n",
		Arms: []trial.Arm{{ID: "ips", Ratio: 1}, {ID: "tau", Ratio: 1}},
		Randomization: randomization.Reveal{
			Trial: "IPS", Design: design, Drawn: seed, Salt: salt,
			Commitment: randomization.Commit("IPS", design, seed, salt),
		},
	}}
	add := func(to *[][]byte, entry *logv1.Entry) export.Entry {
		if entry = proto.CloneOf(entry); change != nil {
			change(entry)
		}
		b, err := proto.Marshal(entry)
		must(err)
		*to = append(*to, b)
		return export.Entry{Index: int64(len(*to) - 1), Leaf: audit.Leaf(b)}
	}
	add(&e.conduct, &logv1.Entry{Kind: &logv1.Entry_TrialCreated{TrialCreated: &logv1.TrialCreated{Arms: []*logv1.TrialCreated_Arm{{Id: "ips"}, {Id: "tau"}}}}})
	lose := func(slots int32) {
		add(&e.conduct, &logv1.Entry{Kind: &logv1.Entry_Reconciled{Reconciled: &logv1.Reconciled{Lost: []*logv1.LostSlots{{Stratum: "OSL", Slots: slots}}}}})
	}
	add(&e.conduct, &logv1.Entry{Kind: &logv1.Entry_DesignSealed{DesignSealed: &logv1.DesignSealed{Commitment: make([]byte, 32)}}})
	add(&e.allocation, &logv1.Entry{Kind: &logv1.Entry_DesignKept{DesignKept: &logv1.DesignKept{}}})
	add(&e.conduct, &logv1.Entry{Kind: &logv1.Entry_SealingAbandoned{SealingAbandoned: &logv1.SealingAbandoned{Reason: "other"}}})
	add(&e.conduct, &logv1.Entry{Kind: &logv1.Entry_DesignSealed{DesignSealed: &logv1.DesignSealed{Commitment: e.reveal.Randomization.Commitment[:], AwaitsEntropy: true}}})
	add(&e.allocation, &logv1.Entry{Kind: &logv1.Entry_DesignKept{DesignKept: &logv1.DesignKept{}}})
	add(&e.conduct, &logv1.Entry{Kind: &logv1.Entry_EntropyContributed{EntropyContributed: &logv1.EntropyContributed{Entropy: dice}}})
	for i, slot := range []int{0, 1, 4, 2, 3, 4} {
		p := fmt.Sprintf("OSL-%d", i+1)
		drawn := randomization.Allocation{Kind: randomization.Drawn, Stratum: "OSL", Slot: slot}
		a := export.Allocation{Participant: trial.ParticipantID(p), Site: "OSL", Gone: i == 5}
		switch i {
		case 3:
			drawn.Kind, a = randomization.Lost, export.Allocation{}
			lose(1)
		case 2:
			drawn.Kind = randomization.Contingency
			a.Conduct = add(&e.conduct, &logv1.Entry{Kind: &logv1.Entry_ContingencyUsed{ContingencyUsed: &logv1.ContingencyUsed{Participant: p}}})
		default:
			a.Conduct = add(&e.conduct, &logv1.Entry{Kind: &logv1.Entry_Randomized{Randomized: &logv1.Randomized{Participant: p}}})
		}
		if i != 3 {
			a.Allocation = add(&e.allocation, &logv1.Entry{Kind: &logv1.Entry_Allocated{Allocated: &logv1.Allocated{
				Participant: p, Stratum: "OSL", Slot: int64(slot), Contingency: i == 2,
			}}})
		}
		e.reveal.Randomization.Allocations = append(e.reveal.Randomization.Allocations, drawn)
		e.reveal.Allocations = append(e.reveal.Allocations, a)
	}
	must(e.contribute(dice))
	e.reveal.Heads = []export.Head{e.head(trial.Conduct, e.conduct), e.head(trial.Allocation, e.allocation)}
	add(&e.conduct, &logv1.Entry{Kind: &logv1.Entry_Revealed{Revealed: &logv1.Revealed{}}}) // comes later
	return e
}

// contribute sets the contribution to the seed, nil for none, and all arms.
func (e *ended) contribute(dice []byte) error {
	r := &e.reveal.Randomization
	seed := r.Drawn
	if r.Contributed, r.Entropy = dice != nil, dice; r.Contributed {
		seed = seed.Contribute(dice)
	}
	sequence, err := randomization.NewSequence(seed, r.Design, r.Trial, "OSL")
	if err != nil {
		return err
	}
	envelopes, err := randomization.NewContingency(seed, r.Design, r.Trial, "OSL")
	if err != nil {
		return err
	}
	for i, a := range r.Allocations {
		r.Allocations[i].Arm = map[randomization.Kind]randomization.Arm{
			randomization.Drawn: sequence.At(a.Slot), randomization.Contingency: envelopes.At(a.Slot), randomization.Lost: randomization.NoArm,
		}[a.Kind]
	}
	return nil
}

func (e *ended) head(in trial.Compartment, entries [][]byte) export.Head {
	var tree audit.Tree
	for _, b := range entries {
		tree.Add(audit.Leaf(b))
	}
	list := "IPS/" + string(in)
	return export.Head{Compartment: in, List: list, Checkpoint: audit.Checkpoint{Origin: "lodd/" + list, Size: tree.Size(), Root: tree.Root()}}
}

// bundle returns the bundle of the trial. What its files say goes through
// change, which may be nil, before it is signed.
func (e *ended) bundle(w *world, change func(name, text string) string) []byte {
	w.t.Helper()
	var b bytes.Buffer
	if err := export.BundleReveal(w.t.Context(), &b, e.reveal, export.Output{Format: csv.Format{}, Signer: w.signer, Log: w.signer}); err != nil {
		w.t.Fatal(err)
	}
	if change == nil {
		return b.Bytes()
	}
	m, err := verifyBundle(w.open("unsealed.zip", b.String()), w.verifier())
	if err != nil {
		w.t.Fatal(err)
	}
	z, err := zip.NewReader(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		w.t.Fatal(err)
	}
	var members []audit.Member
	for _, f := range m.Files {
		r, err := z.Open(f.Name)
		if err != nil {
			w.t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			w.t.Fatal(err)
		}
		members = append(members, audit.Member{Name: f.Name, Format: f.Format, Records: f.Records, Open: audit.Bytes([]byte(change(f.Name, string(text))))})
	}
	b.Reset()
	if err := audit.WriteBundle(&b, m, members, w.signer); err != nil {
		w.t.Fatal(err)
	}
	return b.Bytes()
}

// archive returns the log of the trial, the first n entries of conduct.
func (e *ended) archive(w *world, n int) string {
	w.t.Helper()
	var copies []audit.Copy
	for _, list := range []struct {
		in      trial.Compartment
		entries [][]byte
	}{{trial.Allocation, e.allocation}, {trial.Conduct, e.conduct[:n]}, {trial.Delivery, e.delivery}, {trial.Outcome, e.outcome}} {
		if list.entries == nil {
			continue
		}
		head := e.head(list.in, list.entries)
		signed, err := head.Sign(w.signer)
		if err != nil {
			w.t.Fatal(err)
		}
		var hashes, records []byte
		for i, b := range list.entries {
			leaf := audit.Leaf(b)
			hashes, records = append(hashes, leaf[:]...), audit.AppendRecord(records, int64(i), b)
		}
		copies = append(copies, audit.Copy{
			ArchivedList: audit.ArchivedList{List: head.List, Size: head.Size, Entries: head.Size},
			Checkpoint:   signed, Leaves: audit.Bytes(hashes), Records: audit.Bytes(records),
		})
	}
	var b bytes.Buffer
	if err := audit.WriteArchive(&b, audit.Archive{Origin: "lodd", Trial: e.logOf, Key: w.key}, copies); err != nil {
		w.t.Fatal(err)
	}
	audittest.Keep(w.t, b.Bytes())
	return w.file("log.zip", b.String())
}

// record returns the lines of the sealing record that matter.
func (e *ended) record(entropy string) string {
	return fmt.Sprintf("SEALING RECORD\n\nTrial:                 IPS\nCommitment:            %s\nEntropy:               %s\nAbandoned before:      no sealing\n",
		e.reveal.Randomization.Commitment, entropy)
}

// What sealing records say of the entropy.
const (
	withAwaited = "32 bytes of the server's; the trial statistician's are awaited"
	withNone    = "32 bytes of the server's; no second party contributed entropy"
	withDice    = "32 bytes of the server's, and these 7 bytes of tor's:\n                       34203220\n                       362036"
)

// revealPieces returns a bundle as the server sends it.
func revealPieces(bundle []byte) []proto.Message {
	half := len(bundle) / 2
	return []proto.Message{
		&loddv1.DownloadRevealResponse{FileName: "IPS-lock2-unsealed.zip", SizeBytes: int64(len(bundle)), Chunk: bundle[:half]},
		&loddv1.DownloadRevealResponse{Chunk: bundle[half:]},
	}
}

// withoutEntry leaves out where the log has the first arm.
func withoutEntry(name, text string) string {
	if name != participantsCSV {
		return text
	}
	lines := strings.SplitAfter(text, "\n")
	fields := strings.Split(lines[1], ",")
	fields[len(fields)-2] = ""
	lines[1] = strings.Join(fields, ",")
	return strings.Join(lines, "")
}

// in returns a change of one file.
func in(file, old, replacement string) func(name, text string) string {
	return func(name, text string) string {
		if name != file {
			return text
		}
		if !strings.Contains(text, old) {
			panic(file + " has no " + old)
		}
		return strings.Replace(text, old, replacement, 1)
	}
}
