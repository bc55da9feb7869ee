package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"google.golang.org/protobuf/proto"

	"github.com/lodd-rct/lodd/client"
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

func (w *world) verifier() note.Verifier {
	w.t.Helper()
	v, err := note.NewVerifier(w.key)
	if err != nil {
		w.t.Fatal(err)
	}
	return v
}

func (w *world) open(name, text string) *os.File {
	w.t.Helper()
	f, err := os.Open(w.file(name, text))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { f.Close() })
	return f
}

const (
	designTxt       = "unsealed/design.txt"
	allocationsCSV  = "unsealed/allocations.csv"
	participantsCSV = "unsealed/participants.csv"
)

// A bundle of an unsealed trial is checked as anybody could by hand, against
// what was kept since day 0; whatever doesn't follow is named.
func TestVerifyUnsealed(t *testing.T) {
	const (
		match = "verified: 5 of 5 allocations follow from the commitment "
		own   = "the commitment came from the bundle itself"
		lost  = "the bundle says that 1 slot was lost in a restore and that nobody has it, which only the log can show"
	)
	for _, tt := range []struct {
		name           string
		without        bool // a contribution
		change         func(name, text string) string
		record         string // with the entropy that it names; none if empty
		code           int
		stdout, stderr string
	}{
		{name: "as it is", stdout: match, stderr: own},
		{name: "a lost slot is told", stdout: match, stderr: lost},
		{name: "with the record", record: withDice, stdout: "verified: the commitment is that of the sealing record\n", stderr: lost},
		{name: "with an older record", record: withAwaited, stdout: match, stderr: "older than the contribution to the seed, which came from the bundle itself: compare it, 34203220362036,"},
		{name: "with an older record and no contribution", without: true, record: withAwaited, code: 8, stderr: "the sealing record awaits a contribution to the seed, and the bundle has none"},
		{name: "no contribution", without: true, stdout: match, stderr: own},
		{name: "no contribution, with the record", without: true, record: withNone, stdout: "verified: the commitment is that of the sealing record\n", stderr: lost},
		{name: "no contribution, with a record of one", without: true, record: withDice, code: 8, stderr: "the contribution to the seed in the bundle isn't the one on the sealing record"},
		{name: "with a record of no contribution", record: withNone, code: 8, stderr: "the contribution to the seed in the bundle isn't the one on the sealing record"},
		{name: "an empty contribution", change: in(designTxt, "34203220362036", ""), record: withNone, code: 8, stderr: "the contribution to the seed in the bundle isn't"},
		{name: "with a record of another one", record: strings.Replace(withDice, "362036", "362035", 1), code: 8, stderr: "the contribution to the seed"},
		{name: "another contribution", change: in(designTxt, "34203220362036", "34203220362035"), record: withDice, code: 8, stderr: "the contribution to the seed"},
		{name: "another seed", change: in(designTxt, strings.Repeat("01", 32), strings.Repeat("03", 32)), code: 8, stderr: "isn't what was committed to"},
		{name: "another trial", change: in(designTxt, "trial: IPS", "trial: SPI"), code: 8, stderr: "the bundle is of the trial SPI, want IPS"},
		{name: "no design", change: in(designTxt, "format:", "fermat:"), code: 8, stderr: "design.txt, line 1"},
		{name: "another slot", change: in(allocationsCSV, "OSL,1,", "OSL,2,"), code: 8, stderr: "another one than in allocations.csv"},
		{name: "an arm that the design lacks", change: withArm("2"), code: 8, stderr: "allocation 0 has the arm 2, and the design has 2 arms, from 0"},
		{name: "a list of names as long as an arm's number", change: withArm("16000000"), code: 8, stderr: "allocation 0 has the arm 16000000"},
		{name: "no number of an entry", change: withoutEntry, code: 8, stderr: `participants.csv: allocation 0: strconv.ParseInt: parsing ""`},
		{name: "a row that is missing", change: in(participantsCSV, "\r\n0,", "\r\n"), code: 8, stderr: "participants.csv: "},
		{name: "another participant to analyse", change: in(participantsCSV, "OSL-2", "OSL-9"), code: 8, stderr: "participants.csv: allocation 1 is another one"},
		{name: "another arm to analyse", change: func(name, text string) string {
			if name != participantsCSV {
				return text
			}
			return strings.Replace(strings.Replace(strings.Replace(text, "ips", "x", 1), "tau", "ips", 1), "x", "tau", 1)
		}, code: 8, stderr: "participants.csv: allocation"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, nil)
			e := w.end(nil)
			if tt.without {
				if err := e.contribute(nil); err != nil {
					t.Fatal(err)
				}
			}
			args := []string{"verify", w.file("unsealed.zip", string(e.bundle(w, tt.change)))}
			if tt.record != "" {
				args = append(args, "--record", w.file("record.txt", e.record(tt.record)))
			}
			o := w.run(args...)
			if o.code != tt.code || !strings.Contains(o.stdout, tt.stdout) || !strings.Contains(o.stderr, tt.stderr) || (tt.stderr == "") != (o.stderr == "") {
				t.Errorf("exit %d, want %d\nstdout %q, want %q\nstderr %q, want %q", o.code, tt.code, o.stdout, tt.stdout, o.stderr, tt.stderr)
			}
			if (tt.code != 0) != (o.stdout == "") {
				t.Errorf("exit %d with the output %q", o.code, o.stdout)
			}
		})
	}
}

// withArm gives the first allocation another arm.
func withArm(arm string) func(name, text string) string {
	return func(name, text string) string {
		if name == allocationsCSV {
			rows := strings.Split(text, "\n")
			fields := strings.Split(rows[1], ",")
			fields[5] = arm
			rows[1] = strings.Join(fields, ",")
			text = strings.Join(rows, "\n")
		}
		return text
	}
}

// Another arm or order is found where it is, in both languages.
func TestVerifyUnsealedNamesThePlace(t *testing.T) {
	for lang, want := range map[string]string{
		"en": "allocation 2 (backup envelope, stratum OSL, slot 4) does not follow from what was sealed: arm ",
		"nb": "tildeling 2 (reservekonvolutt, stratum OSL, plass 4) følger ikke av det som ble forseglet: gruppe ",
	} {
		w := newWorld(t, nil)
		w.env["LODD_LANG"] = lang
		e := w.end(nil)
		e.reveal.Randomization.Allocations[2].Arm = 1 - e.reveal.Randomization.Allocations[2].Arm
		o := w.run("verify", w.file("unsealed.zip", string(e.bundle(w, nil))))
		if o.code != exitNotVerified || !strings.Contains(o.stderr, want) {
			t.Errorf("exit %d, %q, want %q", o.code, o.stderr, want)
		}
	}
}

// A record of another trial or sealing, a file that is no record, a log that
// isn't whole, and an export that tells no arm are refused for what they are.
func TestVerifyUnsealedRefusesWhatIsSomethingElse(t *testing.T) {
	w := newWorld(t, nil)
	w.saveProfile(client.Profile{LogKey: w.key, ExportKey: w.key})
	e := w.end(nil)
	bundle, record := w.file("unsealed.zip", string(e.bundle(w, nil))), e.record(withDice)
	commitment := e.reveal.Randomization.Commitment.String()
	other := strings.Repeat("0", 64)
	for _, tt := range []struct {
		args   []string
		code   int
		stderr string
	}{
		{[]string{bundle, "--record", w.file("r.txt", strings.Replace(record, "IPS", "SPI", 1))}, 8, "the sealing record is of the trial SPI, and the bundle of IPS"},
		{[]string{bundle, "--record", w.file("r.txt", strings.Replace(record, commitment, other, 1))}, 8, "they give the commitment " + commitment + ", want " + other},
		{[]string{bundle, "--record", w.file("r.txt", "Commitment: "+other)}, 2, "is no sealing record"},
		{[]string{bundle, "--record", "nowhere"}, 2, "nowhere"},
		{[]string{bundle, "--archive", w.archiveOfLog()}, 2, "the archive doesn't hold all of IPS/conduct"},
		{[]string{w.file("pooled.zip", string(w.bundle("a\n1\n2\n"))), "--record", w.file("r.txt", record)}, 2, "is no bundle of an unsealed trial"},
		{[]string{w.file("pooled.zip", string(w.bundle("a\n1\n2\n"))), "--archive", "x"}, 2, "is no bundle of an unsealed trial"},
		{[]string{e.archive(w, len(e.conduct)), "--record", w.file("r.txt", record)}, 2, "is no bundle of an unsealed trial"},
	} {
		o := w.run(append([]string{"verify"}, tt.args...)...)
		if o.code != tt.code || !strings.Contains(o.stderr, tt.stderr) || o.stdout != "" {
			t.Errorf("%q: exit %d, %q, %q; want %d and %q", tt.args, o.code, o.stdout, o.stderr, tt.code, tt.stderr)
		}
	}
}

// A reveal has its name only if it verifies; otherwise nothing stays.
func TestUnsealDownload(t *testing.T) {
	for _, tt := range []struct {
		name   string
		send   func(w *world, e *ended) []proto.Message
		before string // what stands under the name already
		code   int
		want   string
		kept   bool
	}{
		{"right", func(w *world, e *ended) []proto.Message { return revealPieces(e.bundle(w, nil)) }, "", 0, "verified", true},
		{"the same again", func(w *world, e *ended) []proto.Message { return revealPieces(e.bundle(w, nil)) }, "same", 0, "verified", true},
		{"another one is there", func(w *world, e *ended) []proto.Message { return revealPieces(e.bundle(w, nil)) }, "other", exitUsage, "exists", true},
		{"another arm", func(w *world, e *ended) []proto.Message {
			e.reveal.Randomization.Allocations[0].Arm = 1 - e.reveal.Randomization.Allocations[0].Arm
			return revealPieces(e.bundle(w, nil))
		}, "", exitNotVerified, "allocation 0 (drawn, stratum OSL, slot 0)", false},
		{"altered", func(w *world, e *ended) []proto.Message {
			return revealPieces(altered(e.bundle(w, nil), "OSL-1", "OSL-8"))
		}, "", exitNotVerified, "allocations.csv", false},
		{"cut off", func(w *world, e *ended) []proto.Message { return revealPieces(e.bundle(w, nil))[:1] }, "", exitOther, "cut off", false},
		{"a blinded export", func(w *world, _ *ended) []proto.Message { return revealPieces(w.bundle("a\n1\n2\n")) }, "", exitNotVerified, "the view pooled", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, map[string]any{})
			e := w.end(nil)
			w.fake.answers["DownloadReveal"] = tt.send(w, e)
			dir := t.TempDir()
			path := filepath.Join(dir, "x.zip")
			if tt.before != "" {
				content := []byte(tt.before)
				if tt.before == "same" {
					content = e.bundle(w, nil)
				}
				if err := os.WriteFile(path, content, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			o := w.run("unseal", "download", "--out", path, "--record", w.file("record.txt", e.record(withDice)))
			if o.code != tt.code || !strings.Contains(o.stderr, tt.want) {
				t.Errorf("exit %d, %s; want %d and %q", o.code, o.stderr, tt.code, tt.want)
			}
			left, err := filepath.Glob(dir + "/*")
			if err != nil || (len(left) == 1) != tt.kept || len(left) > 1 {
				t.Errorf("left %v, %v", left, err)
			}
			if hidden, _ := filepath.Glob(dir + "/.lodd*"); len(hidden) > 0 {
				t.Errorf("left %v", hidden)
			}
		})
	}
}

// What cannot be undone asks for the trial once more.
func TestUnsealApproveAsks(t *testing.T) {
	w := newWorld(t, map[string]any{
		"StepUp":           &loddv1.StepUpResponse{Token: "proof"},
		"ApproveUnsealing": &loddv1.ApproveUnsealingResponse{},
	})
	if o := w.run("unseal", "approve", "--yes"); o.code != exitUsage || !strings.Contains(o.stderr, "--confirm") {
		t.Errorf("exit %d, %s", o.code, o.stderr)
	}
	person := &script{answers: []string{"IPS", "seven green bottles stand"}}
	w.console = person
	w.run("unseal", "approve")
	if len(w.fake.calls) != 2 {
		t.Fatalf("sent %v", w.fake.calls)
	}
	step, sent := w.fake.calls[0].req.(*loddv1.StepUpRequest), w.fake.calls[1].req.(*loddv1.ApproveUnsealingRequest)
	if step.GetAct() != loddv1.UnsealingService_ApproveUnsealing_FullMethodName || step.GetTrial() != "IPS" || step.GetSubject() != "IPS" {
		t.Errorf("proved for %v", step)
	}
	if sent.GetConfirm() != "IPS" || sent.GetStepUp() != "proof" {
		t.Errorf("sent %v", sent)
	}
	if len(person.asked) != 2 || person.secrets != 1 || !strings.Contains(person.asked[0], "cannot be undone") {
		t.Errorf("asked %q", person.asked)
	}
}
