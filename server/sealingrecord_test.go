package server

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lodd-rct/lodd/randomization"
	"github.com/lodd-rct/lodd/randomization/table"
	"github.com/lodd-rct/lodd/server/trial"
)

// The second implementations read the record that the server writes: who keeps
// one on day 0 needs no program of ours to hold the trial to it.
func TestScriptsReadTheSealingRecord(t *testing.T) {
	dice := bytes.Repeat([]byte("4 2 6 6 "), 9)
	alone, contributed := sealedAs(t, nil), sealedAs(t, dice)
	const well, ownEntropy = "0 allocations match, 0 lost", "NOT CHECKED against a sealing record: the contribution to the seed is the folder's own, because the record is older; with that, "
	var questions, wants []string
	for _, tt := range []struct {
		record trial.Sealing
		reveal randomization.Reveal
		want   string
	}{
		{trial.Sealing{}, alone, "the sealing record and " + well},
		{trial.Sealing{Entropy: dice, Contributor: "tor"}, contributed, "the sealing record and " + well},
		{
			trial.Sealing{
				Entropy: dice, Contributor: "tor", Printed: []trial.ContingencyPrinted{{Envelopes: 3, Recipients: [2][32]byte{{1}, {2}}}},
				Spoiled: []trial.SpoiledEnvelopes{{Stratum: "OSL", Envelopes: 1}},
			}, contributed, "the sealing record and " + well,
		},
		{trial.Sealing{Awaits: true}, contributed, ownEntropy + well},
		{trial.Sealing{}, contributed, fmt.Sprintf("entropy %x, want none: the contribution to the seed isn't that of the sealing record", dice)},
	} {
		dir := t.TempDir()
		var design, allocations strings.Builder
		if err := table.WriteReveal(&design, &allocations, tt.reveal); err != nil {
			t.Fatal(err)
		}
		for name, text := range map[string]string{
			table.DesignFile: design.String(), table.AllocationsFile: allocations.String(), "record.txt": recordOf(tt.record, tt.reveal),
		} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		questions = append(questions, "verify\t"+dir+"\t"+filepath.Join(dir, "record.txt"))
		wants = append(wants, tt.want)
	}
	for _, script := range [][2]string{{"Rscript", "randomization.R"}, {"python3", "randomization.py"}} {
		program, err := exec.LookPath(script[0])
		if err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatal(err)
			}
			t.Skip(script[0] + " is missing: install it to run the second implementation")
		}
		cmd := exec.CommandContext(t.Context(), program, filepath.Join("../docs", script[1]), "batch")
		cmd.Stdin = strings.NewReader(strings.Join(questions, "\n") + "\n")
		out, err := cmd.CombinedOutput()
		if strings.Contains(string(out), "no package called") && os.Getenv("CI") != "true" {
			t.Skip("the R package digest is missing: install r-cran-digest")
		}
		if want := strings.Join(wants, "\n") + "\n"; err != nil || string(out) != want {
			t.Errorf("%s: %v, it says\n%s\nwant\n%s", script[0], err, out, want)
		}
	}
}

// recordOf returns the record of a sealing of what was revealed.
func recordOf(s trial.Sealing, r randomization.Reveal) string {
	s.Commitment, s.By = r.Commitment, "kari"
	return sealing{Sealing: s, trial: trial.ID(r.Trial)}.String()
}

// sealedAs is what is revealed of a trial without participants.
func sealedAs(t *testing.T, entropy []byte) randomization.Reveal {
	t.Helper()
	seed, err := randomization.SeedFromBytes(bytes.Repeat([]byte{1}, randomization.SecretSize))
	if err != nil {
		t.Fatal(err)
	}
	salt, err := randomization.SaltFromBytes(bytes.Repeat([]byte{2}, randomization.SecretSize))
	if err != nil {
		t.Fatal(err)
	}
	design := randomization.BigStick{Tolerance: 2}
	return randomization.Reveal{
		Trial: "IPS", Design: design, Drawn: seed, Salt: salt, Contributed: entropy != nil, Entropy: entropy,
		Commitment: randomization.Commit("IPS", design, seed, salt),
	}
}
