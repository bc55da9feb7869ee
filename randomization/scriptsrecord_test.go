package randomization_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lodd-rct/lodd/randomization"
)

// played is a trial at 1:1 without lost slots, of n participants in one stratum.
func played(t *testing.T, n int, entropy []byte) randomization.Reveal {
	t.Helper()
	design := equalChances([]int{1, 1}, 4, 6)
	r := randomization.Reveal{
		Trial: "ips", Design: design, Drawn: testSeed(t), Salt: testSalt(t), Contributed: entropy != nil, Entropy: entropy,
		Commitment: randomization.Commit("ips", design, testSeed(t), testSalt(t)),
	}
	for slot, arm := range armsWith(t, r, entropy, n) {
		r.Allocations = append(r.Allocations, randomization.Allocation{Kind: randomization.Drawn, Participant: fmt.Sprintf("OSL-%d", slot), Stratum: "oslo", Slot: slot, Arm: arm})
	}
	return r
}

// armsWith returns the first n arms with a contribution, if it isn't nil.
func armsWith(t *testing.T, r randomization.Reveal, entropy []byte, n int) []randomization.Arm {
	t.Helper()
	seed := r.Drawn
	if entropy != nil {
		seed = seed.Contribute(entropy)
	}
	s, err := randomization.NewSequence(seed, r.Design, r.Trial, "oslo")
	if err != nil {
		t.Fatal(err)
	}
	return s.First(n)
}

// forged is a trial in which the first participant swapped arms with another
// one, with a contribution that was searched for until it gives that.
func forged(t *testing.T, honest randomization.Reveal) randomization.Reveal {
	t.Helper()
	r, arms := honest, []randomization.Arm{}
	r.Allocations = slices.Clone(honest.Allocations)
	for i, a := range r.Allocations {
		if a.Arm != r.Allocations[0].Arm {
			r.Allocations[0].Arm, r.Allocations[i].Arm = a.Arm, r.Allocations[0].Arm
			break
		}
	}
	for _, a := range r.Allocations {
		arms = append(arms, a.Arm)
	}
	for try := range uint64(10000) {
		r.Entropy = binary.BigEndian.AppendUint64([]byte("dice: "), try)
		if slices.Equal(armsWith(t, r, r.Entropy, len(arms)), arms) {
			return r
		}
	}
	t.Fatal("no contribution gives other arms")
	return r
}

// What a sealing record says of the entropy, as the server writes it.
const (
	recordAwaits = "32 bytes of the server's; the trial statistician's are awaited\n"
	recordAlone  = "32 bytes of the server's; no second party contributed entropy\n"
)

// recordOf is what it says of a contribution.
func recordOf(entropy []byte) string {
	text := fmt.Sprintf("32 bytes of the server's, and these %d bytes of tor's:\n", len(entropy))
	for chunk := range slices.Chunk(entropy, 32) {
		text += fmt.Sprintf("%-22s %x\n", "", chunk)
	}
	return text
}

// record is the part of a sealing record that matters, in a file.
func record(t *testing.T, commitment, entropy string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "record.txt")
	text := fmt.Sprintf("SEALING RECORD\n\nTrial:                 ips\nCommitment:            %s\nLog entry:             7 of ips/conduct\nEntropy:               %sAbandoned before:      no sealing\n\nThe commitment binds it.\n", commitment, entropy)
	write(t, path, text)
	return path
}

// Only what is on the sealing record shows that a contribution wasn't chosen to
// fit the arms: the commitment doesn't bind it.
func recordQuestions(t *testing.T) (all []question) {
	dice := bytes.Repeat([]byte("4 2 6 6 "), 5) // two lines of the record
	r, alone := played(t, 8, dice), played(t, 8, nil)
	sealed, entropy := r.Commitment.String(), entropyText(r)
	dir, aloneDir := writeReveal(t, r), writeReveal(t, alone)
	lie := forged(t, r)
	if err := randomization.Verify(lie); err != nil {
		t.Fatalf("it is no good forgery: %v", err)
	}
	forgedDir, other, zeros := writeReveal(t, lie), entropyText(lie), strings.Repeat("0", 64)
	good, awaits, none := record(t, sealed, recordOf(dice)), record(t, sealed, recordAwaits), record(t, sealed, recordAlone)
	windows, cut := record(t, sealed, strings.ReplaceAll(recordOf(dice), "\n", "\r\n")), record(t, sealed, strings.TrimSuffix(recordOf(dice), "20\n")+"\n")
	twice, silent := record(t, sealed+"\nCommitment: "+sealed, recordAlone), record(t, sealed, "\n")
	const (
		well      = "8 allocations match, 0 lost"
		ownAll    = "NOT CHECKED against a sealing record: the commitment and the contribution to the seed are the folder's own; with that, " + well
		ownPart   = "NOT CHECKED against a sealing record: the contribution to the seed is the folder's own; with that, " + well
		older     = "NOT CHECKED against a sealing record: the contribution to the seed is the folder's own, because the record is older; with that, " + well
		allIsWell = "the sealing record and " + well
	)
	isNone := func(path, name string) string {
		return path + ": want the text of a sealing record, with one line " + name
	}
	return []question{
		ask(allIsWell, "verify", dir, good),
		ask(allIsWell, "verify", dir, windows),
		ask(allIsWell, "verify", dir, strings.ToUpper(sealed), strings.ToUpper(entropy)),
		ask(allIsWell, "verify", aloneDir, none),
		ask(allIsWell, "verify", aloneDir, sealed, "none"),
		ask(ownAll, "verify", dir),
		ask(ownAll, "verify", forgedDir),
		ask(ownPart, "verify", dir, sealed),
		ask(ownPart, "verify", forgedDir, sealed),
		ask(ownPart, "verify", aloneDir, sealed),
		ask(older, "verify", dir, awaits),
		ask(otherEntropy(other, entropy), "verify", forgedDir, good),
		ask(otherEntropy(other, entropy), "verify", forgedDir, sealed, entropy),
		ask(otherEntropy(other, "none"), "verify", forgedDir, none),
		ask(otherEntropy(entropy, "none"), "verify", dir, sealed, "none"),
		ask(otherEntropy("none", entropy), "verify", aloneDir, good),
		ask(otherEntropy("none", "awaited"), "verify", aloneDir, awaits),
		ask("commitment "+sealed+", want "+zeros+": the trial, the design, the seed or the salt isn't what was committed to", "verify", dir, zeros),
		ask("commitment "+sealed+", want "+zeros+": the trial, the design, the seed or the salt isn't what was committed to", "verify", dir, record(t, zeros, recordOf(dice))),
		ask(cut+": 78 digits of entropy, want two for each of 40 bytes", "verify", dir, cut),
		ask(isNone(twice, "Commitment"), "verify", aloneDir, twice),
		ask(isNone(silent, "Entropy"), "verify", aloneDir, silent),
	}
}
