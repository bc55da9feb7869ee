package cli

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"filippo.io/age"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/server/envelope"
	"github.com/lodd-rct/lodd/server/trial"
)

// person returns an age recipient and the file of the key.
func (w *world) person(name string) (recipient, file string) {
	w.t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		w.t.Fatal(err)
	}
	return id.Recipient().String(), w.file(name+".key", "# public key: "+id.Recipient().String()+"\n"+id.String()+"\n")
}

// sheets returns the sealed sheets of a trial with one stratum, whose first
// envelopes have the arms 1, 0, 1, as the server makes them.
func (w *world) sheets(recipients ...string) *loddv1.PrintContingencyResponse {
	w.t.Helper()
	p := &trial.Protocol{
		ID: "IPS", Sites: []trial.Site{{ID: "OSL", Name: "Oslo"}},
		Arms: []trial.Arm{
			{ID: "ips", Label: trial.Text{NB: "Støtte", EN: "Support"}, Ratio: 1},
			{ID: "tau", Label: trial.Text{NB: "Vanlig", EN: "Usual"}, Ratio: 1},
		},
	}
	to, err := envelope.ParseRecipients(recipients)
	if err != nil {
		w.t.Fatal(err)
	}
	sealed, err := envelope.NewPrinter(p, 3).Seal(to, "OSL", []int{1, 0, 1})
	if err != nil {
		w.t.Fatal(err)
	}
	return &loddv1.PrintContingencyResponse{
		Sheets:  []*loddv1.ContingencySheet{{Stratum: "OSL", FileName: "contingency-IPS-001-OSL.txt.age.age", Sealed: sealed}},
		Receipt: &loddv1.Receipt{List: "IPS/conduct", Index: 9},
	}
}

// sealedTo seals a text to one person.
func sealedTo(t *testing.T, recipient, text string) string {
	t.Helper()
	to, err := age.ParseX25519Recipient(recipient)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	sealed, err := age.Encrypt(&b, to)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(sealed, text); err != nil {
		t.Fatal(err)
	}
	if err := sealed.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// From the server to the slip: two people open together what neither opens
// alone, and the arms are nowhere but in what they open.
func TestContingencySheets(t *testing.T) {
	w := newWorld(t, map[string]any{})
	kari, kariKey := w.person("kari")
	ola, olaKey := w.person("ola")
	_, perKey := w.person("per")
	w.fake.answers["PrintContingency"] = w.sheets(kari, ola)
	dir := filepath.Join(t.TempDir(), "envelopes")
	line := []string{"contingency", "print", "--envelopes", "3", "--recipient", kari, "--recipient", ola, "--out", dir}
	o := w.mustRun(line...)
	if req := w.fake.calls[0].req.(*loddv1.PrintContingencyRequest); req.GetEnvelopes() != 3 || !slices.Equal(req.GetRecipients(), []string{kari, ola}) {
		t.Errorf("asked for %v", req)
	}
	if !strings.Contains(o.stdout, `"files":["contingency-IPS-001-OSL.txt.age.age","contingency-IPS-001-OSL-register.txt"]`) {
		t.Error(o.stdout)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) != 2 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(f); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", f, info, err)
		}
		for _, arm := range []string{"ips", "tau", "Support", "Usual", "Støtte", "Vanlig"} {
			if strings.Contains(string(b), arm) {
				t.Errorf("%s tells the arm %s", f, arm)
			}
		}
	}
	register, err := os.ReadFile(filepath.Join(dir, "contingency-IPS-001-OSL-register.txt"))
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "contingency-register", string(register))
	if o := w.run(line...); o.code != exitUsage || len(w.fake.calls) != 1 {
		t.Errorf("into the same folder: exit %d, %s", o.code, o.stderr)
	}

	sheet := filepath.Join(dir, "contingency-IPS-001-OSL.txt.age.age")
	for _, keys := range [][]string{{kariKey, olaKey}, {olaKey, kariKey}} {
		w.fake.calls = nil
		o := w.mustRun("contingency", "open", sheet, "--identity", keys[0], "--identity", keys[1], "--envelope", "2")
		if !strings.Contains(o.stdout, "Envelope:           2 av / of 3") || !strings.Contains(o.stdout, "Support") || strings.Contains(o.stdout, "Usual") || len(w.fake.calls) != 0 {
			t.Errorf("slip 2:\n%s", o.stdout)
		}
	}
	o = w.mustRun("contingency", "open", sheet, "--identity", kariKey, "--identity", olaKey)
	if strings.Count(o.stdout, "BACKUP ENVELOPE") != 3 || strings.Count(o.stdout, "\f") != 2 || strings.Count(o.stdout, "Usual") != 2 {
		t.Errorf("all slips:\n%s", o.stdout)
	}
	b, err := os.ReadFile(sheet)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)-1] ^= 1
	changed := w.file("changed.age", string(b))
	binary := w.file("binary.age", sealedTo(t, ola, sealedTo(t, kari, "\xff")))
	for _, tt := range []struct {
		name string
		args []string
		code int
		says string
	}{
		{"one key", []string{sheet, "--identity", kariKey}, exitUsage, "two people open a sheet together"},
		{"one key twice", []string{sheet, "--identity", kariKey, "--identity", kariKey}, exitNotVerified, "these keys don't open"},
		{"the outer key twice", []string{sheet, "--identity", olaKey, "--identity", olaKey}, exitNotVerified, "both are needed"},
		{"one key and a stranger's", []string{sheet, "--identity", olaKey, "--identity", perKey}, exitNotVerified, filepath.Base(perKey) + " is not the other person's"},
		{"no age key", []string{sheet, "--identity", olaKey, "--identity", sheet}, exitUsage, "holds no age key"},
		{"a changed sheet", []string{changed, "--identity", kariKey, "--identity", olaKey}, exitNotVerified, "was changed"},
		{"something else", []string{binary, "--identity", kariKey, "--identity", olaKey}, exitNotVerified, "was changed: what is inside is no text"},
		{"no sheet", []string{kariKey, "--identity", kariKey, "--identity", olaKey}, exitNotVerified, "is no sealed sheet"},
		{"no file", []string{sheet + "x", "--identity", kariKey, "--identity", olaKey}, exitUsage, "no such file"},
		{"a slip too far", []string{sheet, "--identity", kariKey, "--identity", olaKey, "--envelope", "4"}, exitUsage, "there is no envelope 4: the sheet has 3"},
	} {
		o := w.run(append([]string{"contingency", "open"}, tt.args...)...)
		if o.code != tt.code || !strings.Contains(o.stderr, tt.says) || o.stdout != "" {
			t.Errorf("%s: exit %d\n%s%s", tt.name, o.code, o.stderr, o.stdout)
		}
	}
}

// Arms in clear are never written to a file, not even by way of the shell.
func TestContingencyOpenWritesNoFile(t *testing.T) {
	w := newWorld(t, nil)
	kari, kariKey := w.person("kari")
	ola, olaKey := w.person("ola")
	sheet := w.file("sheet.age", string(w.sheets(kari, ola).GetSheets()[0].GetSealed()))
	out, err := os.Create(filepath.Join(t.TempDir(), "clear.txt"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	var stderr strings.Builder
	d := w.deps()
	d.Stdout, d.Stderr = out, &stderr
	if code := Run(t.Context(), []string{"contingency", "open", sheet, "--identity", kariKey, "--identity", olaKey}, d); code != exitUsage || !strings.Contains(stderr.String(), "never written") {
		t.Errorf("exit %d, %s", code, stderr.String())
	}
	if info, err := out.Stat(); err != nil || info.Size() != 0 {
		t.Errorf("the file: %v, %v", info, err)
	}
}

// Nothing is asked of the server before it is clear that the answer can be kept,
// and no name of the server's leads out of the folder.
func TestContingencyPrintRefuses(t *testing.T) {
	w := newWorld(t, map[string]any{})
	kari, _ := w.person("kari")
	ola, _ := w.person("ola")
	full := filepath.Dir(w.file("old.age", "old"))
	fresh, empty := filepath.Join(t.TempDir(), "fresh"), t.TempDir()
	for _, tt := range []struct {
		name string
		args []string
		says string
	}{
		{"one recipient", []string{"--recipient", kari, "--out", fresh}, "--recipient is needed twice"},
		{"one person twice", []string{"--recipient", kari, "--recipient", kari, "--out", fresh}, "two different people"},
		{"no recipient", []string{"--recipient", kari, "--recipient", "age1x", "--out", fresh}, "age1x is no age recipient"},
		{"a folder with something in it", []string{"--recipient", kari, "--recipient", ola, "--out", full}, "exists already"},
		{"an empty folder", []string{"--recipient", kari, "--recipient", ola, "--out", empty}, "exists already"},
		{"a folder in none", []string{"--recipient", kari, "--recipient", ola, "--out", filepath.Join(fresh, "in")}, "no such file"},
	} {
		o := w.run(append([]string{"contingency", "print", "--envelopes", "3"}, tt.args...)...)
		if o.code != exitUsage || !strings.Contains(o.stderr, tt.says) || len(w.fake.calls) != 0 {
			t.Errorf("%s: exit %d, %s, %v", tt.name, o.code, o.stderr, w.fake.calls)
		}
	}
	if _, err := os.Stat(empty); err != nil {
		t.Errorf("the empty folder: %v", err)
	}
	w.fake.answers["PrintContingency"] = status.Error(codes.FailedPrecondition, "no")
	w.run("contingency", "print", "--envelopes", "3", "--recipient", kari, "--recipient", ola, "--out", fresh)
	if _, err := os.Stat(fresh); len(w.fake.calls) != 1 || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after a refusal the new folder is left: %v, %v", w.fake.calls, err)
	}
	for _, name := range []string{"../a.txt.age.age", "/etc/a.txt.age.age", ".a.txt.age.age", "a.txt", `a\b.txt.age.age`, ""} {
		answer := w.sheets(kari, ola)
		answer.Sheets[0].FileName = name
		w.fake.answers["PrintContingency"] = answer
		o := w.run("contingency", "print", "--envelopes", "3", "--recipient", kari, "--recipient", ola, "--out", filepath.Join(t.TempDir(), "x"))
		if o.code != exitOther || !strings.Contains(o.stderr, "not one of ours") || !strings.Contains(o.stderr, "another folder") {
			t.Errorf("%q: exit %d, %s", name, o.code, o.stderr)
		}
	}
}

// The number is typed from the consent form, also for an envelope.
func TestContingencyRecordIsConfirmed(t *testing.T) {
	w := newWorld(t, map[string]any{"RecordContingencyAllocation": &loddv1.RecordContingencyAllocationResponse{Participant: "OSL-7"}})
	line := []string{"contingency", "record", "OSL-7", "--stratum", "OSL", "--envelope", "1", "--witness", "tove", "--reason", "server-down", "--yes"}
	if o := w.run(line...); o.code != exitUsage || len(w.fake.calls) != 0 {
		t.Errorf("exit %d, %v", o.code, w.fake.calls)
	}
	console := &script{answers: []string{" OSL-7 "}}
	w.console = console
	w.mustRun(line...)
	if req := w.fake.calls[0].req.(*loddv1.RecordContingencyAllocationRequest); req.GetConfirm() != "OSL-7" || req.GetParticipant() != "OSL-7" || len(console.asked) != 1 {
		t.Errorf("%v, asked %q", req, console.asked)
	}
}

// What is no number of an envelope isn't sent; who spoils one twice is told so.
func TestContingencySpoilRefuses(t *testing.T) {
	refusal, err := status.New(codes.AlreadyExists, "it exists already").WithDetails(&errdetails.ErrorInfo{Domain: "lodd.v1", Reason: "EXISTS"})
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, map[string]any{"SpoilEnvelope": refusal.Err()})
	for _, number := range []string{"one", "", "1.5", "9999999999"} {
		o := w.run("contingency", "spoil", "OSL", number, "--reason", "lost")
		if o.code != exitUsage || !strings.Contains(o.stderr, "is no number of an envelope") || len(w.fake.calls) != 0 {
			t.Errorf("%q: exit %d, %s", number, o.code, o.stderr)
		}
	}
	if o := w.run("contingency", "spoil", "OSL", "1", "--reason", "lost"); o.code != exitConflict || !strings.Contains(o.stderr, "out of use already") {
		t.Errorf("twice: exit %d, %s", o.code, o.stderr)
	}
	if req := w.fake.calls[0].req.(*loddv1.SpoilEnvelopeRequest); req.GetStratum() != "OSL" || req.GetEnvelope() != 1 || req.GetReason() != "lost" {
		t.Errorf("asked for %v", req)
	}
}
