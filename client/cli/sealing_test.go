package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

func sealed() map[string]any {
	return map[string]any{
		"GetSealingRecord":  &loddv1.GetSealingRecordResponse{Commitment: "c0ffee", AwaitsEntropy: true, Text: "SEALING\x1b RECORD\n", Svg: "<svg/>\n"},
		"ContributeEntropy": &loddv1.ContributeEntropyResponse{},
		"AbandonSealing":    &loddv1.AbandonSealingResponse{},
		"SealDesign":        &loddv1.SealDesignResponse{Commitment: "c0ffee", Record: "SEALING RECORD\n"},
	}
}

// The statistician adds nothing before the commitment is compared with the one
// on paper.
func TestContributionNeedsTheCommitment(t *testing.T) {
	for _, tt := range []struct {
		name    string
		args    []string
		answers []string // at the terminal; nil for none
		stdin   string
		code    int
		sent    string // the entropy, empty if nothing was
	}{
		{"as on paper", []string{"--commitment", "C0FFEE", "--entropy", "dice"}, nil, "", exitDone, "dice"},
		{"not as on paper", []string{"--commitment", "beef", "--entropy", "dice", "--yes"}, nil, "", exitNotVerified, ""},
		{"compared at the terminal", []string{"--entropy", "dice"}, []string{"yes"}, "", exitDone, "dice"},
		{"found different at the terminal", []string{"--entropy", "dice"}, []string{"no"}, "", exitInterrupted, ""},
		{"nobody compares", []string{"--entropy", "dice"}, nil, "", exitUsage, ""},
		{"typed", []string{"--commitment", "c0ffee"}, []string{"4 2 6"}, "", exitDone, "4 2 6"},
		{"nothing typed", []string{"--commitment", "c0ffee"}, []string{""}, "", exitInvalid, ""},
		{"standard input", []string{"--commitment", "c0ffee"}, nil, "beacon\n", exitDone, "beacon\n"},
		{"standard input by its name", []string{"--commitment", "c0ffee", "--entropy-file", "-"}, []string{}, "beacon\n", exitDone, "beacon\n"},
		{"empty standard input", []string{"--commitment", "c0ffee"}, nil, "", exitInvalid, ""},
		{"too much", []string{"--commitment", "c0ffee"}, nil, strings.Repeat("x", 1025), exitInvalid, ""},
		{"all there may be", []string{"--commitment", "c0ffee"}, nil, strings.Repeat("x", 1024), exitDone, strings.Repeat("x", 1024)},
		{"two sources", []string{"--commitment", "c0ffee", "--entropy", "x", "--entropy-file", "-"}, nil, "", exitUsage, ""},
		{"no file", []string{"--commitment", "c0ffee", "--entropy-file", "nowhere"}, nil, "", exitUsage, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, sealed())
			w.stdin = tt.stdin
			if tt.answers != nil {
				w.console = &script{answers: tt.answers}
			}
			o := w.run(append([]string{"trial", "contribute"}, tt.args...)...)
			sent := ""
			for _, c := range w.fake.calls {
				if req, ok := c.req.(*loddv1.ContributeEntropyRequest); ok {
					sent = string(req.GetEntropy())
					if req.GetCommitment() != "c0ffee" {
						t.Errorf("commitment %q", req.GetCommitment())
					}
				}
			}
			if o.code != tt.code || sent != tt.sent {
				t.Errorf("exit %d, sent %q\n%s", o.code, sent, o.stderr)
			}
		})
	}
}

// A contribution may be bytes that are no text.
func TestContributionOfAFileIsItsBytes(t *testing.T) {
	w := newWorld(t, sealed())
	o := w.mustRun("trial", "contribute", "--commitment", "c0ffee", "--entropy-file", w.file("beacon", "\xff\x00\n"))
	if got := w.fake.calls[1].req.(*loddv1.ContributeEntropyRequest).GetEntropy(); string(got) != "\xff\x00\n" || !strings.Contains(o.stdout, `"entropy":"ff000a"`) {
		t.Errorf("%x, %s", got, o.stdout)
	}
}

// The record is written as its name ends, never over a file, and nothing is left
// if there is none.
func TestSealingRecordFiles(t *testing.T) {
	w := newWorld(t, sealed())
	dir := t.TempDir()
	for name, want := range map[string]string{"record.txt": "SEALING\x1b RECORD\n", "record.SVG": "<svg/>\n"} {
		path := filepath.Join(dir, name)
		w.mustRun("trial", "sealing-record", "--out", path)
		if b, err := os.ReadFile(path); err != nil || string(b) != want {
			t.Errorf("%s holds %q, %v", name, b, err)
		}
		if o := w.run("trial", "sealing-record", "--out", path); o.code != exitUsage || !strings.Contains(o.stderr, "exists") {
			t.Errorf("over %s: exit %d, %s", name, o.code, o.stderr)
		}
	}
	if o := w.mustRun("trial", "sealing-record", "-o", "table"); o.stdout != "SEALING\ufffd RECORD\n" {
		t.Errorf("on the screen: %q", o.stdout)
	}
	w.fake.calls = nil
	if o := w.run("trial", "sealing-record", "--out", filepath.Join(dir, "record.pdf")); o.code != exitUsage || len(w.fake.calls) != 0 {
		t.Errorf("as PDF: exit %d, %s", o.code, o.stderr)
	}
	w.fake.answers["GetSealingRecord"] = status.Error(codes.FailedPrecondition, "not sealed")
	none := filepath.Join(dir, "none.txt")
	if o := w.run("trial", "sealing-record", "--out", none); o.code != exitConflict {
		t.Errorf("exit %d, %s", o.code, o.stderr)
	}
	if _, err := os.Stat(none); err == nil {
		t.Error("a record was left of nothing")
	}
}

// A sealing is not given up by a slip of the finger.
func TestAbandonIsConfirmed(t *testing.T) {
	w := newWorld(t, sealed())
	if o := w.run("trial", "abandon", "--reason", "other", "--yes"); o.code != exitUsage || len(w.fake.calls) != 0 {
		t.Errorf("exit %d, %v", o.code, w.fake.calls)
	}
	w.console = &script{answers: []string{"IPS"}}
	w.mustRun("trial", "abandon", "--reason", "other")
	if req := w.fake.calls[0].req.(*loddv1.AbandonSealingRequest); req.GetConfirm() != "IPS" || req.GetReason() != "other" {
		t.Errorf("%v", req)
	}
}

// A statistician's own list goes with the file; what can't be meant is refused
// before anything is sealed.
func TestSealWithAList(t *testing.T) {
	design := "design: list\n"
	table := "stratum,arm\nOSL,ips\n"
	for _, tt := range []struct {
		args   string
		stdin  string
		code   int
		format string
	}{
		{"-f FILE --list TABLE", "", exitDone, "csv"},
		{"-f FILE --list TABLE --list-format redcap", "", exitDone, "redcap"},
		{"-f - --list TABLE", design, exitDone, "csv"},
		{"-f FILE --list -", table, exitDone, "csv"},
		{"-f - --list -", table, exitUsage, ""},
		{"-f FILE --list-format csv", "", exitUsage, ""},
		{"-f FILE --list nowhere", "", exitUsage, ""},
	} {
		w := newWorld(t, sealed())
		w.stdin = tt.stdin
		line := strings.NewReplacer("FILE", w.file("r.yaml", design), "TABLE", w.file("list.csv", table)).Replace(tt.args)
		o := w.run(append([]string{"trial", "seal", "-y"}, strings.Fields(line)...)...)
		if o.code != tt.code || len(w.fake.calls) > 0 != (tt.format != "") {
			t.Fatalf("%s: exit %d, %s", tt.args, o.code, o.stderr)
		}
		if len(w.fake.calls) == 0 {
			continue
		}
		if req := w.fake.calls[0].req.(*loddv1.SealDesignRequest); string(req.GetDesign()) != design || string(req.GetList()) != table || req.GetListFormat() != tt.format {
			t.Errorf("%s: %v", tt.args, req)
		}
	}
}
