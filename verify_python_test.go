package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
	"golang.org/x/mod/sumdb/note"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/client/demo"
	"github.com/lodd-rct/lodd/proto/invite"
	"github.com/lodd-rct/lodd/server"
	"github.com/lodd-rct/lodd/server/authn"
	"github.com/lodd-rct/lodd/server/replay"
)

// A verdict is what a verifier says of a file. The reason is words, of which
// each verifier has its own.
type verdict struct {
	OK       bool   `json:"ok"`
	List     string `json:"list"`
	Index    int64  `json:"index"`
	Reason   string `json:"reason"`
	Replayed bool   `json:"replayed"`
	Late     int64  `json:"late"`
}

// A second is the second verifier, written in Python from the documents alone,
// as a process that is asked file by file.
type second struct {
	file    string
	ask     io.Writer
	answers *json.Decoder
}

func needPython(t *testing.T) string {
	t.Helper()
	python, err := exec.LookPath("python3")
	if err != nil {
		reason := "python3 is missing: install it to run the second verifier"
		if os.Getenv("CI") == "true" {
			t.Fatal(reason)
		}
		t.Skip(reason)
	}
	return python
}

// newSecond starts the second verifier, which ends with the test. Without a key
// it takes that of each archive.
func newSecond(t *testing.T, key string) *second {
	t.Helper()
	args := []string{"docs/verify/lodd_verify.py", "--json", "-"}
	if key != "" {
		args = append(args, "--key", key)
	}
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), needPython(t), args...) // ends when its input does
	cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		err := errors.Join(in.Close(), cmd.Wait())
		if exit, ok := errors.AsType[*exec.ExitError](err); err != nil && (!ok || exit.ExitCode() != 1) || stderr.Len() > 0 {
			t.Errorf("%v: %s", err, &stderr) // 1 says that a file wasn't verified
		}
	})
	return &second{filepath.Join(t.TempDir(), "archive"), in, json.NewDecoder(out)}
}

// says returns its verdict on a file.
func (s *second) says(b []byte) (v verdict, err error) {
	if err := s.begin(b); err != nil {
		return v, err
	}
	return v, s.answers.Decode(&v)
}

// begin asks for its verdict on a file, which is the next that it gives.
func (s *second) begin(b []byte) error {
	if err := os.WriteFile(s.file, b, 0o600); err != nil {
		return err
	}
	_, err := fmt.Fprintln(s.ask, s.file)
	return err
}

// firstSays returns what this program says of an archive.
func firstSays(key string, b []byte) (verdict, error) {
	var verifiers note.Verifiers
	if key != "" {
		v, err := note.NewVerifier(key)
		if err != nil {
			return verdict{}, err
		}
		verifiers = note.VerifierList(v)
	}
	a, err := audit.ReadArchive(bytes.NewReader(b), int64(len(b)), verifiers)
	var replayed map[string]int64
	if err == nil {
		replayed, err = replay.Verify(a)
	}
	if wrong, ok := errors.AsType[*audit.ArchiveError](err); ok {
		return verdict{List: wrong.List, Index: wrong.Index, Reason: wrong.Reason}, nil
	}
	if err != nil || replayed == nil {
		return verdict{OK: err == nil, Index: -1}, err
	}
	late := int64(0)
	for _, l := range a.Lists {
		if l.List != "system" {
			late += l.Size - replayed[l.List]
		}
	}
	return verdict{OK: true, Index: -1, Replayed: late == 0, Late: late}, nil
}

// compare returns the verdict of both on an archive, or says that they disagree.
func (s *second) compare(key string, b []byte) (verdict, error) {
	if err := s.begin(b); err != nil {
		return verdict{}, err
	}
	ours, wrong := firstSays(key, b) // while the other one thinks
	var theirs verdict
	if err := errors.Join(s.answers.Decode(&theirs), wrong); err != nil {
		return verdict{}, err
	}
	if a, b := ours, theirs; a.place() != b.place() {
		return verdict{}, fmt.Errorf("Go says %+v, Python %+v", ours, theirs)
	}
	return theirs, nil
}

// place returns v without its words.
func (v verdict) place() verdict {
	v.Reason = ""
	return v
}

// mustAgree is compare in a test that ends with a disagreement.
func (s *second) mustAgree(t *testing.T, key string, b []byte) verdict {
	t.Helper()
	v, err := s.compare(key, b)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// The second verifier agrees with RFC 8032 and with worked examples, by its own
// signature check and by that of the library that it takes for speed.
func TestPythonVerifierTestsItself(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), needPython(t), "docs/verify/lodd_verify.py", "--self-test")
	cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1")
	if out, err := cmd.CombinedOutput(); err != nil || strings.Count(string(out), "ok  ") < 8 {
		t.Errorf("%v\n%s", err, out)
	}
}

// A whole trial of the demo, as its server logged and signed it, and its
// exports.
func TestBothVerifiersTakeThePlayedTrial(t *testing.T) {
	needPython(t)
	n, dir := playedTrial(t)
	key, export := readKey(t, dir, "log.key"), readKey(t, dir, "export.key")
	b := archiveOf(t, n.log, audit.Archive{Origin: n.logged.Origin, Trial: "IPS", Key: key})
	for _, k := range []string{key, ""} {
		if got := newSecond(t, k).mustAgree(t, k, b); !got.OK || !got.Replayed {
			t.Errorf("with key %q: %+v", k, got)
		}
	}
	_, other := toldKeys(t)
	if got := newSecond(t, other).mustAgree(t, other, b); got.OK || got.List != "IPS/allocation" || got.Index != -1 {
		t.Errorf("with another key: %+v", got)
	}
	bundle, err := os.ReadFile(filepath.Join(dir, "IPS-lock2-pooled.zip"))
	if err != nil {
		t.Fatal(err)
	}
	bundles := [][]byte{bundle, slices.Concat(bundle, []byte{0}), bundle[:len(bundle)-1], {}}
	for i := 0; i < len(bundle); i += len(bundle)/150 + 1 {
		bundles = append(bundles, flipped(bundle, i))
	}
	verifier, err := note.NewVerifier(export)
	if err != nil {
		t.Fatal(err)
	}
	s := newSecond(t, export)
	for i, b := range bundles {
		_, ours := audit.VerifyBundle(bytes.NewReader(b), int64(len(b)), note.VerifierList(verifier))
		theirs, err := s.says(b)
		if err != nil || theirs.OK != (ours == nil) || theirs.OK != (i == 0) {
			t.Errorf("bundle %d: %+v, %v, %v", i, theirs, ours, err)
		}
	}
}

// playedTrial plays the demo and returns its server, and where it left its keys
// and exports.
func playedTrial(t *testing.T) (*node, string) {
	t.Helper()
	dir, clock := t.TempDir(), &clock{}
	if err := os.Mkdir(filepath.Join(dir, "checkpoints"), 0o700); err != nil {
		t.Fatal(err)
	}
	start := time.Date(2025, 1, 6, 8, 0, 0, 0, time.UTC)
	clock.set(start)
	n, err := open(t.Context(), config{Data: t.TempDir(), Listen: "127.0.0.1:0", Name: "second", SignIn: signInConfig{SecondFactor: factorOff}}, world{
		now: clock.now, wall: wall, random: newEntropy(2, "random"), seeds: newEntropy(2, "seeds"), log: zerolog.Nop(),
		passwords: authn.PasswordConfig{MemoryKiB: 64, Passes: 1}, limits: server.Limits{PerSecond: 1e6, Burst: 1e6},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.close(); err != nil {
			t.Error(err)
		}
	})
	err = n.during(t.Context(), func(ctx context.Context) error {
		text, _ := n.server.BootstrapInvite()
		i, err := invite.Parse(text)
		if err != nil {
			return err
		}
		_, err = demo.Play(ctx, demo.Config{Invite: i, Clock: clock.set, Start: start, Random: newEntropy(2, "story"), Out: io.Discard, Dir: dir})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n, dir
}

func readKey(t *testing.T, dir, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

func flipped(b []byte, at int) []byte {
	c := bytes.Clone(b)
	c[at] ^= 1 << (at % 8)
	return c
}

// Every kind of damage to an archive is found by both, at the same place.
func TestBothVerifiersFindTheSameDamage(t *testing.T) {
	_, key := toldKeys(t)
	s := newSecond(t, key)
	log := tellTrial(t, func(*teller) {}).log
	small := toldLog{"IPS/conduct": log["IPS/conduct"][5:9]}
	b := archived(t, small, func(_ string, i int) bool { return i > 0 })
	if got := s.mustAgree(t, key, b); !got.OK || got.Replayed {
		t.Fatalf("undamaged: %+v", got)
	}
	var damaged [][]byte
	for i := range b {
		damaged = append(damaged, flipped(b, i))
	}
	for i := 0; i < len(b); i += 97 {
		damaged = append(damaged, b[:i], slices.Concat(b[:i], []byte{0}, b[i:]), slices.Concat(b[:i], b[i+1:]))
	}
	located := 0
	for i, b := range damaged {
		v := s.mustAgree(t, key, b)
		if v.OK {
			t.Errorf("damage %d wasn't found", i)
		}
		if v.Index >= 0 {
			located++
		}
	}
	if located < 200 {
		t.Errorf("%d of %d damages were located in an entry: the test has no power", located, len(damaged))
	}
}

// Both read an archive that holds a part of the entries, and refuse a list that
// the trial does not have.
func TestBothVerifiersReadPartsOfATrial(t *testing.T) {
	_, key := toldKeys(t)
	s := newSecond(t, key)
	log := tellTrial(t, func(*teller) {}).log
	var got []verdict
	for _, has := range []func(string, int) bool{
		everything,
		func(list string, i int) bool { return list != "system" || i == 1 },
		func(list string, _ int) bool { return list != "IPS/delivery" },
		func(list string, i int) bool { return list == "IPS/conduct" || i%2 == 0 },
		func(string, int) bool { return false },
	} {
		got = append(got, s.mustAgree(t, key, archived(t, log, has)))
	}
	whole, part := verdict{OK: true, Index: -1, Replayed: true}, verdict{OK: true, Index: -1}
	if diff := cmp.Diff([]verdict{whole, whole, part, part, part}, got); diff != "" {
		t.Error(diff)
	}
	other := log.clone()
	other["IPS/other"], other["IPT/conduct"] = log["IPS/delivery"], log["IPS/conduct"]
	if v := s.mustAgree(t, key, archived(t, other, everything)); v.OK || v.List != "IPS/other" || v.Index != -1 {
		t.Errorf("a list of no trial: %+v", v)
	}
}
