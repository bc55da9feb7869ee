package cli

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/lodd-rct/lodd/audit"
	logv1 "github.com/lodd-rct/lodd/proto/lodd/log/v1"
	"github.com/lodd-rct/lodd/server/export"
	"github.com/lodd-rct/lodd/server/trial"
)

// guessed is an unsealed trial whose assessors guessed the arms: olav of the
// first two participants, oda of the others, at two moments. The third is guessed
// wrong at first, the fifth right, and of the others nobody knew; at the end all
// but the second are guessed right. One more guess is of somebody who is gone.
type guessed struct {
	*ended
	rows map[string][]string // of the export, by form
	lock audit.Manifest
}

// guess makes such a trial.
func (w *world) guess() *guessed {
	w.t.Helper()
	g := &guessed{ended: w.end(nil), rows: map[string][]string{}}
	keys, arms := g.participants(w)
	other := map[string]string{"ips": "tau", "tau": "ips"}
	say := func(form, participant, guess, assessor string) {
		g.rows[form] = append(g.rows[form], keys[participant]+",month-6,"+guess)
		b, err := proto.Marshal(&logv1.Entry{Actor: assessor, Kind: &logv1.Entry_FormSubmitted{
			FormSubmitted: &logv1.FormSubmitted{Participant: participant, Visit: "month-6", Form: form},
		}})
		if err != nil {
			w.t.Fatal(err)
		}
		g.outcome = append(g.outcome, b)
	}
	for i, p := range []string{"OSL-1", "OSL-2", "OSL-3", "OSL-5"} {
		assessor := []string{"olav", "olav", "oda", "oda"}[i]
		say("guess-before", p, []string{"unknown", "unknown", other[arms[p]], arms[p]}[i], assessor)
		say("guess-after", p, []string{arms[p], "", arms[p], arms[p]}[i], assessor)
	}
	say("guess-after", "OSL-6", "ips", "oda")
	g.reveal.Heads = append(g.reveal.Heads, g.head(trial.Outcome, g.outcome))
	g.lock = audit.Manifest{
		Study: "IPS", View: pooledView, Blinded: true, Lock: audit.Lock{Number: 2, ID: "IPS/lock2"}, CreatedAt: "2026-11-21T22:41:07Z",
		Compartments: []audit.Compartment{{List: "IPS/outcome", Size: int64(len(g.outcome)), Root: g.reveal.Heads[2].Root.String()}},
	}
	return g
}

// participants returns the row keys and the arms of the unsealed bundle.
func (g *guessed) participants(w *world) (keys, arms map[string]string) {
	w.t.Helper()
	var text string
	g.bundle(w, func(name, content string) string {
		if name == participantsCSV {
			text = content
		}
		return content
	})
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		w.t.Fatal(err)
	}
	keys, arms = map[string]string{"OSL-6": "RGONE"}, map[string]string{}
	for _, row := range rows[1:] {
		if row[1] != "" {
			keys[row[2]], arms[row[2]] = row[1], row[7]
		}
	}
	return keys, arms
}

// export returns the pooled bundle, after a change of its dictionary that may be
// nil.
func (g *guessed) export(w *world, change func(string) string) string {
	w.t.Helper()
	dictionary := "file,column,options_en\r\n"
	var members []audit.Member
	add := func(name, text string) {
		members = append(members, audit.Member{Name: name, Format: "csv", Open: audit.Bytes([]byte(text))})
	}
	for _, form := range []string{"guess-before", "guess-after"} {
		file := "revealing/forms/" + form + ".csv"
		dictionary += file + ",visit,month-6=6 months\r\n" + file + ",arm,ips=IPS | tau=TAU | unknown=Don't know\r\n"
		add(file, "row_key,visit,arm\r\n"+strings.Join(g.rows[form], "\r\n")+"\r\n")
	}
	if change != nil {
		dictionary = change(dictionary)
	}
	add("dictionary.csv", dictionary)
	var b bytes.Buffer
	if err := audit.WriteBundle(&b, g.lock, members, w.signer); err != nil {
		w.t.Fatal(err)
	}
	return w.file("pooled.zip", b.String())
}

func (g *guessed) unsealed(w *world) string {
	w.t.Helper()
	return w.file("unsealed.zip", string(g.bundle(w, nil)))
}

// The indices of every visit, moment and assessor, as people read them in both
// languages, as programs do, and in a file.
func TestUnsealBlinding(t *testing.T) {
	var b strings.Builder
	for _, tt := range []struct{ lang, output, archive string }{
		{"en", "table", ""}, {"nb", "table", "log"}, {"en", "csv", "log"}, {"en", "json", "log"},
	} {
		w := newWorld(t, nil)
		g := w.guess()
		w.env["LODD_LANG"] = tt.lang
		args := []string{"unseal", "blinding", g.unsealed(w), g.export(w, nil), "--output", tt.output, "--record", w.file("record.txt", g.record(withDice))}
		if tt.archive != "" {
			args = append(args, "--archive", g.archive(w, len(g.conduct)))
		}
		out := filepath.Join(t.TempDir(), "blinding.csv")
		o := w.mustRun(append(args, "--out", out)...)
		fmt.Fprintf(&b, "$ lodd unseal blinding, %s, %s, archive: %q\n%s%s\n", tt.lang, tt.output, tt.archive, o.stdout, strings.ReplaceAll(o.stderr, w.key, "KEY"))
		file, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		if tt.output == "csv" && string(file) != o.stdout {
			t.Errorf("the file holds\n%s\nand the output\n%s", file, o.stdout)
		}
		if again := w.run(append(args, "--out", out)...); again.code != exitUsage || !strings.Contains(again.stderr, "blinding.csv") {
			t.Errorf("a second time: exit %d, %q", again.code, again.stderr)
		}
	}
	golden(t, "unseal-blinding", b.String())
}

// Files that don't belong together, are something else or were altered are
// refused for what they are, and no index is told.
func TestUnsealBlindingRefuses(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*guessed)
		lock   func(string) string // what the dictionary says
		args   func(w *world, g *guessed, unsealed, lock string) []string
		code   int
		stderr string
	}{
		{name: "the files in the other order", args: func(_ *world, _ *guessed, u, l string) []string { return []string{l, u} }, code: 2, stderr: "is no bundle of an unsealed trial: give that of lodd unseal download first"},
		{name: "the unsealed file twice", args: func(_ *world, _ *guessed, u, _ string) []string { return []string{u, u} }, code: 2, stderr: "is the view unsealed of lock 2 of the trial IPS: give the pooled view of lock 2 of IPS"},
		{name: "another lock", change: func(g *guessed) { g.lock.Lock.Number = 1 }, code: 2, stderr: "is the view pooled of lock 1 of the trial IPS: give the pooled view of lock 2 of IPS, that of lodd export download 2"},
		{name: "another trial", change: func(g *guessed) { g.lock.Study = "SPI" }, code: 2, stderr: "of the trial SPI"},
		{name: "another outcome", change: func(g *guessed) { g.lock.Compartments[0].Size-- }, code: 8, stderr: "was made of another log"},
		{name: "no file", args: func(_ *world, _ *guessed, u, _ string) []string { return []string{u, "nowhere.zip"} }, code: 2, stderr: "nowhere.zip"},
		{name: "a log", args: func(w *world, g *guessed, u, _ string) []string { return []string{u, g.archive(w, len(g.conduct))} }, code: 7, stderr: "is no file of lodd unseal download or lodd export download"},
		{name: "an altered file", args: func(w *world, _ *guessed, u, l string) []string {
			b, err := os.ReadFile(l)
			if err != nil {
				w.t.Fatal(err)
			}
			b[len(b)/3] ^= 1
			return []string{u, w.file("altered.zip", string(b))}
		}, code: 8, stderr: "this export is not what was signed"},
		{name: "an arm that doesn't follow", change: func(g *guessed) {
			a := g.reveal.Randomization.Allocations
			a[0].Arm = 1 - a[0].Arm
		}, code: 8, stderr: "does not follow from what was sealed"},
		{name: "another key", args: func(w *world, _ *guessed, u, l string) []string { return []string{u, l, "--key", strangersKey(w.t)} }, code: 8, stderr: "another server's export, or the wrong key"},
		{name: "no question", lock: func(d string) string { return strings.ReplaceAll(d, "tau=", "usual=") }, code: 2, stderr: "no form in "},
		{name: "a dictionary that lacks a guess", lock: func(d string) string { return strings.ReplaceAll(d, "unknown=", "dunno=") }, code: 8, stderr: `guess "unknown" is none of the dictionary`},
		{name: "the log of another trial", change: func(g *guessed) { g.logOf = "SPI" }, args: withLog, code: 8, stderr: "the archive is of the trial SPI"},
		{name: "a log without outcomes", change: func(g *guessed) { g.outcome = nil }, args: withLog, code: 2, stderr: "the archive doesn't hold all of IPS/outcome"},
		{name: "a log with other outcomes", change: func(g *guessed) { g.outcome[0][len(g.outcome[0])-1] ^= 1 }, args: withLog, code: 8, stderr: "the first 9 entries of IPS/outcome"},
		{name: "an older log", change: func(g *guessed) { g.outcome = g.outcome[:3] }, args: withLog, code: 8, stderr: "the first 9 entries of IPS/outcome"},
		{name: "a guess that the log lacks", change: func(g *guessed) {
			g.outcome = g.outcome[2:]
			g.reveal.Heads[2] = g.head(trial.Outcome, g.outcome)
			g.lock.Compartments = nil
		}, args: withLog, code: 8, stderr: "it has no entry of a guess in the form guess-before at month-6"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, nil)
			g := w.guess()
			if tt.change != nil {
				tt.change(g)
			}
			args := []string{g.unsealed(w), g.export(w, tt.lock)}
			if tt.args != nil {
				args = tt.args(w, g, args[0], args[1])
			}
			o := w.run(append([]string{"unseal", "blinding"}, args...)...)
			if o.code != tt.code || !strings.Contains(o.stderr, tt.stderr) || o.stdout != "" {
				t.Errorf("exit %d, want %d\nstdout %q\nstderr %q, want %q", o.code, tt.code, o.stdout, o.stderr, tt.stderr)
			}
		})
	}
}

func withLog(w *world, g *guessed, unsealed, lock string) []string {
	return []string{unsealed, lock, "--archive", g.archive(w, len(g.conduct))}
}

// The view that the command wants is the one that the server makes.
func TestPooledViewHasItsName(t *testing.T) {
	if pooledView != string(export.Pooled) {
		t.Errorf("%q, and the server says %q", pooledView, export.Pooled)
	}
}
