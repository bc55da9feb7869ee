package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"google.golang.org/protobuf/proto"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/audit/audittest"
	"github.com/lodd-rct/lodd/client"
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// entryOfLog is an entry of the log that the fake serves: three in conduct, two
// of which the user may read, and one in system.
func entryOfLog(list string, i int) []byte { return fmt.Appendf(nil, "entry %d of %s", i, list) }

var sizesOfLog = map[string]int{"IPS/conduct": 3, "system": 1}

// headOfLog returns the signed head of a list and the hashes of its entries.
func (w *world) headOfLog(list string, signers ...note.Signer) (signed, hashes []byte) {
	w.t.Helper()
	var tree audit.Tree
	for i := range sizesOfLog[list] {
		leaf := audit.Leaf(entryOfLog(list, i))
		tree.Add(leaf)
		hashes = append(hashes, leaf[:]...)
	}
	signed, err := audit.Checkpoint{Origin: "lodd/" + list, Size: int64(sizesOfLog[list]), Root: tree.Root()}.Sign(signers...)
	if err != nil {
		w.t.Fatal(err)
	}
	return signed, hashes
}

// serveLog lets the fake serve the log.
func (w *world) serveLog() {
	listOf := func(req proto.Message) string { return req.(interface{ GetList() string }).GetList() }
	w.fake.answers = map[string]any{
		"ListCompartments": &loddv1.ListCompartmentsResponse{Lists: []string{"system", "IPS/conduct"}},
		"GetCheckpoint": func(req proto.Message) any {
			signed, _ := w.headOfLog(listOf(req), w.signer)
			return &loddv1.GetCheckpointResponse{Checkpoint: string(signed)}
		},
		"ListLeaves": func(req proto.Message) any {
			_, hashes := w.headOfLog(listOf(req), w.signer)
			return &loddv1.ListLeavesResponse{Hashes: hashes}
		},
		"ListEntries": func(req proto.Message) any {
			var out []proto.Message
			for i := 0; i < sizesOfLog[listOf(req)]; i += 2 {
				out = append(out, &loddv1.ListEntriesResponse{List: listOf(req), Index: int64(i), Entry: entryOfLog(listOf(req), i)})
			}
			return out
		},
	}
	w.saveProfile(client.Profile{Server: "lodd.test:443", Pin: w.pin, User: "kari", Trial: "IPS", LogKey: w.key})
}

// witnessOfLog returns the key pair of who has co-signed the log.
func witnessOfLog(t *testing.T) (private, public string) {
	t.Helper()
	private, public, err := audit.GenerateCosigner(strings.NewReader(strings.Repeat("w", 64)), "witness")
	if err != nil {
		t.Fatal(err)
	}
	return private, public
}

// archiveOfLog writes the log into a file, co-signed by a witness.
func (w *world) archiveOfLog() string {
	w.t.Helper()
	private, _ := witnessOfLog(w.t)
	witness, err := audit.NewCosigner(private, t0)
	if err != nil {
		w.t.Fatal(err)
	}
	var copies []audit.Copy
	for _, list := range []string{"IPS/conduct", "system"} {
		signed, hashes := w.headOfLog(list, w.signer, witness)
		var records []byte
		n := int64(0)
		for i := 0; i < sizesOfLog[list]; i += 2 {
			records = audit.AppendRecord(records, int64(i), entryOfLog(list, i))
			n++
		}
		copies = append(copies, audit.Copy{
			ArchivedList: audit.ArchivedList{List: list, Size: int64(sizesOfLog[list]), Entries: n},
			Checkpoint:   signed, Leaves: audit.Bytes(hashes), Records: audit.Bytes(records),
		})
	}
	var b bytes.Buffer
	if err := audit.WriteArchive(&b, audit.Archive{Origin: "lodd", Trial: "IPS", Key: w.key}, copies); err != nil {
		w.t.Fatal(err)
	}
	audittest.Keep(w.t, b.Bytes())
	return w.file("log.zip", b.String())
}

// replays returns a check that finds n entries of conduct to be in order; -1 is
// that it didn't apply the rules.
func replays(n int64) func(*audit.ArchiveReader) (map[string]int64, error) {
	return func(*audit.ArchiveReader) (map[string]int64, error) {
		if n < 0 {
			return nil, nil
		}
		return map[string]int64{"IPS/conduct": n}, nil
	}
}

// fails returns a check that finds something wrong.
func fails(wrong error) func(*audit.ArchiveReader) (map[string]int64, error) {
	return func(*audit.ArchiveReader) (map[string]int64, error) { return nil, wrong }
}

// A log is verified with the key that is given, that of the profile, or its own,
// which is said; and whether the rules were applied is said too.
func TestVerifyLog(t *testing.T) {
	_, stranger, err := note.GenerateKey(strings.NewReader(strings.Repeat("s", 64)), "stranger")
	if err != nil {
		t.Fatal(err)
	}
	broken := &audit.ArchiveError{List: "IPS/conduct", Index: 1234, Reason: "it is against the rules"}
	for _, tt := range []struct {
		name           string
		profile, given string // keys
		lang           string
		replay         func(*audit.ArchiveReader) (map[string]int64, error)
		change         func([]byte) []byte
		code           int
		stdout, stderr string
	}{
		{name: "key of the profile", profile: "own", replay: replays(2), stdout: "verified: log.zip, trial IPS, 3 entries; the rules of the trial hold\n"},
		{name: "an entry after the head of conduct", profile: "own", replay: replays(1), stdout: "verified in part: log.zip, trial IPS, 3 entries; 1 entry that came after the head of conduct was not replayed\n"},
		{name: "two of them in Norwegian", profile: "own", lang: "nb", replay: replays(0), stdout: "kontrollert delvis: log.zip, studie IPS, 3 oppføringer; 2 oppføringer som kom etter hodet til conduct, er ikke prøvd mot reglene\n"},
		{name: "not the whole trial", profile: "own", replay: replays(-1), stdout: "3 entries; the rules were not applied"},
		{name: "nobody to apply the rules", profile: "own", stdout: "3 entries; the rules were not applied"},
		{name: "lists", profile: "own", stdout: "IPS/conduct: 2 of 3 entries\nsystem: 1 of 1 entries\n"},
		{name: "its own key", stdout: "verified: ", stderr: "came from the archive itself"},
		{name: "the key given", given: "own", stdout: "verified: "},
		{name: "a stranger's key", given: stranger, code: 8, stderr: "another server wrote this log: it is signed with lodd/export+"},
		{name: "a stranger's profile", profile: stranger, code: 8, stderr: "and you verify with stranger+"},
		{name: "no key", given: "nonsense", code: 2, stderr: "neither a key nor a file"},
		{name: "a broken rule", profile: "own", replay: fails(broken), code: 8, stderr: "entry 1234 of IPS/conduct: it is against the rules"},
		{name: "a broken rule in Norwegian", profile: "own", lang: "nb", replay: fails(broken), code: 8, stderr: "oppføring 1234 i IPS/conduct: it is against the rules"},
		{name: "a failure to read", profile: "own", replay: fails(errors.New("the disk is gone")), code: 1, stderr: "the disk is gone"},
		{name: "an altered entry", profile: "own", change: swap("entry 2 of", "entry 7 of"), code: 8, stderr: "entry 2 of IPS/conduct: it isn't the entry"},
		{name: "an altered entry, and no key", change: swap("entry 2 of", "entry 7 of"), code: 8, stderr: "entry 2 of IPS/conduct: it isn't the entry"},
		{name: "an altered head", profile: "own", change: swap("lodd/system", "lodd/sistem"), code: 8, stderr: "list system: its checkpoint"},
		{name: "cut", profile: "own", change: func(b []byte) []byte { return b[:len(b)-1] }, code: 8, stderr: "the archive of the log is not in order: its end"},
		{name: "cut in Norwegian", lang: "nb", change: func(b []byte) []byte { return b[:len(b)-1] }, code: 8, stderr: "arkivet av loggen er ikke i orden: its end"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, nil)
			own := func(key string) string { return strings.Replace(key, "own", w.key, 1) }
			w.saveProfile(client.Profile{LogKey: own(tt.profile)})
			w.env["LODD_LANG"], w.replay = tt.lang, tt.replay
			path := w.archiveOfLog()
			if tt.change != nil {
				b, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				path = w.file("log.zip", string(tt.change(b)))
			}
			args := []string{"verify", path}
			if tt.given != "" {
				args = append(args, "--key", own(tt.given))
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

func swap(old, new string) func([]byte) []byte {
	return func(b []byte) []byte { return altered(b, old, new) }
}

// Only co-signatures of witnesses whom the user trusts are listed: anybody can
// write a line below a checkpoint.
func TestVerifyLogAsData(t *testing.T) {
	_, public := witnessOfLog(t)
	for _, tt := range []struct {
		replayed  int64
		witnesses []string
		want      string
	}{
		{2, []string{public}, `"replayed":true,"late":0,"cosigners":["witness 2026-11-21T22:41:07Z"],"unknown_signatures":0}`},
		{1, nil, `"replayed":false,"late":1,"cosigners":[],"unknown_signatures":1}`},
		{-1, nil, `"replayed":false,"late":0,"cosigners":[],"unknown_signatures":1}`},
	} {
		w := newWorld(t, nil)
		w.saveProfile(client.Profile{LogKey: w.key, Witnesses: tt.witnesses})
		w.replay = replays(tt.replayed)
		o := w.mustRun("verify", w.archiveOfLog(), "-o", "jsonl")
		want := `{"schema":"lodd.archive-verification/1","list":"IPS/conduct","size":3,"entries":2,` + tt.want + "\n"
		if !strings.HasPrefix(o.stdout, want) || !strings.Contains(o.stdout, `"list":"system","size":1,"entries":1,"replayed":false,"late":0,`) {
			t.Errorf("%s, want %s", o.stdout, want)
		}
	}
}

// The verification of a long file can be interrupted.
func TestVerifyLogStops(t *testing.T) {
	w := newWorld(t, nil)
	path := w.archiveOfLog()
	ctx, cancel := context.WithCancel(t.Context())
	w.replay = func(a *audit.ArchiveReader) (map[string]int64, error) {
		cancel()
		for _, err := range a.Entries("IPS/conduct") {
			return nil, err
		}
		return nil, nil
	}
	if o := w.runContext(ctx, "verify", path); o.code != exitInterrupted || o.stdout != "" {
		t.Errorf("exit %d, stdout %q, stderr %q", o.code, o.stdout, o.stderr)
	}
}
