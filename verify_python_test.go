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
}

// A second is the second verifier, written in Python from the documents alone.
type second struct {
	python, dir string
}

func newSecond(t *testing.T) second {
	t.Helper()
	python, err := exec.LookPath("python3")
	if err != nil {
		reason := "python3 is missing: install it to run the second verifier"
		if os.Getenv("CI") == "true" {
			t.Fatal(reason)
		}
		t.Skip(reason)
	}
	return second{python, t.TempDir()}
}

// says returns its verdicts on files, in their order.
func (s second) says(ctx context.Context, key string, files [][]byte) ([]verdict, error) {
	args := []string{"docs/verify/lodd_verify.py", "--json"}
	if key != "" {
		args = append(args, "--key", key)
	}
	for i, b := range files {
		name := filepath.Join(s.dir, fmt.Sprint(i))
		if err := os.WriteFile(name, b, 0o600); err != nil {
			return nil, err
		}
		args = append(args, name)
	}
	cmd := exec.CommandContext(ctx, s.python, args...)
	cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.ExitCode() == 1 && stderr.Len() == 0 {
		err = nil // not verified, which the verdicts say
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, &stderr)
	}
	var verdicts []verdict
	for d := json.NewDecoder(&stdout); d.More(); {
		var v verdict
		if err := d.Decode(&v); err != nil {
			return nil, err
		}
		verdicts = append(verdicts, v)
	}
	if len(verdicts) != len(files) {
		return nil, fmt.Errorf("%d verdicts on %d files", len(verdicts), len(files))
	}
	return verdicts, nil
}

// first returns what this program says of an archive.
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
	replayed := int64(0)
	if err == nil {
		replayed, err = replay.Verify(a)
	}
	if wrong, ok := errors.AsType[*audit.ArchiveError](err); ok {
		return verdict{List: wrong.List, Index: wrong.Index, Reason: wrong.Reason}, nil
	}
	return verdict{OK: err == nil, Index: -1, Replayed: replayed > 0}, err
}

// disagreement compares the verdicts of both on archives and returns them, or
// the first on which they disagree.
func (s second) disagreement(ctx context.Context, key string, archives [][]byte) ([]verdict, error) {
	theirs, err := s.says(ctx, key, archives)
	if err != nil {
		return nil, err
	}
	for i, b := range archives {
		ours, err := firstSays(key, b)
		if err != nil {
			return nil, err
		}
		ours.Reason, theirs[i].Reason = "", ours.Reason+" / "+theirs[i].Reason
		if want := (verdict{theirs[i].OK, theirs[i].List, theirs[i].Index, "", theirs[i].Replayed}); ours != want {
			return nil, fmt.Errorf("archive %d: Go says %+v, Python %+v", i, ours, theirs[i])
		}
	}
	return theirs, nil
}

// mustAgree is disagreement in a test that ends with one.
func (s second) mustAgree(t *testing.T, key string, archives ...[]byte) []verdict {
	t.Helper()
	verdicts, err := s.disagreement(t.Context(), key, archives)
	if err != nil {
		t.Fatal(err)
	}
	return verdicts
}

// The second verifier agrees with RFC 8032 and with worked examples, with and
// without the library that it takes for speed.
func TestPythonVerifierTestsItself(t *testing.T) {
	s := newSecond(t)
	for _, flags := range [][]string{nil, {"-I"}} {
		cmd := exec.CommandContext(t.Context(), s.python, append(flags, "docs/verify/lodd_verify.py", "--self-test")...)
		cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1")
		if out, err := cmd.CombinedOutput(); err != nil || strings.Count(string(out), "ok  ") < 7 {
			t.Errorf("%v: %v\n%s", flags, err, out)
		}
	}
}

// A whole trial of the demo, as its server logged and signed it, and its
// exports.
func TestBothVerifiersTakeThePlayedTrial(t *testing.T) {
	s := newSecond(t)
	n, dir := playedTrial(t)
	key, export := readKey(t, dir, "log.key"), readKey(t, dir, "export.key")
	b := archiveOf(t, n.log, audit.Archive{Origin: n.logged.Origin, Trial: "IPS", Key: key})
	for _, k := range []string{key, ""} {
		if got := s.mustAgree(t, k, b)[0]; !got.OK || !got.Replayed {
			t.Errorf("with key %q: %+v", k, got)
		}
	}
	_, other := toldKeys(t)
	if got := s.mustAgree(t, other, b)[0]; got.OK || got.List != "IPS/allocation" || got.Index != -1 {
		t.Errorf("with another key: %+v", got)
	}
	bundle, err := os.ReadFile(filepath.Join(dir, "IPS-lock2-pooled.zip"))
	if err != nil {
		t.Fatal(err)
	}
	bundles := [][]byte{bundle, slices.Concat(bundle, []byte{0}), bundle[:len(bundle)-1]}
	for i := 0; i < len(bundle); i += len(bundle)/150 + 1 {
		bundles = append(bundles, flipped(bundle, i))
	}
	verdicts, err := s.says(t.Context(), export, bundles)
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := note.NewVerifier(export)
	if err != nil {
		t.Fatal(err)
	}
	for i, b := range bundles {
		_, err := audit.VerifyBundle(bytes.NewReader(b), int64(len(b)), note.VerifierList(verifier))
		if verdicts[i].OK != (err == nil) || verdicts[i].OK != (i == 0) {
			t.Errorf("bundle %d: %+v, %v", i, verdicts[i], err)
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
	n, err := open(t.Context(), config{Data: t.TempDir(), Listen: "127.0.0.1:0", Name: "second"}, world{
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
	s := newSecond(t)
	log := tellTrial(t, func(*teller) {}).log
	_, key := toldKeys(t)
	small := toldLog{"IPS/conduct": log["IPS/conduct"][5:9], "IPS/outcome": log["IPS/outcome"][:2]}
	b := archived(t, small, func(_ string, i int) bool { return i > 0 })
	if got := s.mustAgree(t, key, b)[0]; !got.OK || got.Replayed {
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
	for _, v := range s.mustAgree(t, key, damaged...) {
		if v.OK {
			t.Errorf("damage wasn't found: %+v", v)
		}
		if v.Index >= 0 {
			located++
		}
	}
	if located < 200 {
		t.Errorf("%d of %d damages were located in an entry: the test has no power", located, len(damaged))
	}
}

// Both read an archive that holds a part of the entries, and both refuse what no
// archive says of itself although its writer meant to.
func TestBothVerifiersReadPartsOfATrial(t *testing.T) {
	s := newSecond(t)
	log := tellTrial(t, func(*teller) {}).log
	_, key := toldKeys(t)
	var archives [][]byte
	for _, has := range []func(string, int) bool{
		everything,
		func(list string, i int) bool { return list != "system" || i == 1 },
		func(list string, i int) bool { return list != "IPS/delivery" },
		func(list string, i int) bool { return list == "IPS/conduct" || i%2 == 0 },
		func(string, int) bool { return false },
	} {
		archives = append(archives, archived(t, log, has))
	}
	var got []verdict
	for _, v := range s.mustAgree(t, key, archives...) {
		got = append(got, verdict{OK: v.OK, Replayed: v.Replayed})
	}
	if diff := cmp.Diff([]verdict{{OK: true, Replayed: true}, {OK: true, Replayed: true}, {OK: true}, {OK: true}, {OK: true}}, got); diff != "" {
		t.Error(diff)
	}
	other := log.clone()
	other["IPS/other"], other["IPT/conduct"] = log["IPS/delivery"], log["IPS/conduct"]
	if v := s.mustAgree(t, key, archived(t, other, everything))[0]; v.OK || v.List != "IPS/other" || v.Index != -1 {
		t.Errorf("a list of no trial: %+v", v)
	}
}
