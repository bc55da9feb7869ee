package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/note"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/client"
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/server/follower"
	"github.com/lodd-rct/lodd/server/trial/entry"
)

// A follower that starts with nothing, falls behind, or follows at once has in
// the end what the server has: every entry, and every value as it is now.
func TestFollowerIsACopy(t *testing.T) {
	r, copied := newFollowedRig(t)
	first := r.randomize(150) // several pieces
	f := r.follow(copied)
	f.reach(r.entries())
	r.randomize(3) // while it follows
	f.reach(r.entries())
	if err := f.stop(); err != nil {
		t.Fatal(err)
	}
	r.erase(first) // while it doesn't
	r.randomize(2)
	again := r.until(copied, "key/RIG/participant/"+string(first), "\x00")
	r.stop()
	if diff := cmp.Diff(contentOf(t, r.data), contentOf(t, copied)); diff != "" {
		t.Errorf("the copy differs:\n%s", diff)
	}
	if out := again.out.String(); !strings.Contains(out, "entries behind") || !strings.Contains(out, "verified up to") || strings.Contains(out, "OSL-") {
		t.Errorf("it says:\n%s", out)
	}
}

// A key that is destroyed while nothing else happens is destroyed in the copy,
// too, and so is one that is destroyed while the follower is away.
func TestFollowerForgetsWhatTheServerForgets(t *testing.T) {
	r, copied := newFollowedRig(t)
	p := r.randomize(1)
	r.must(r.n.values.Put(t.Context(), "gone", []byte("1")))
	f := r.follow(copied)
	f.reach(r.entries())
	r.must(f.stop())
	r.must(r.n.values.Delete(t.Context(), "gone"))
	f = r.follow(copied)
	r.erase(p)
	f.reach(r.entries())
	r.must(f.stop())
	r.until(copied, "key/RIG/participant/"+string(p), "\x00")
	r.stop()
	if diff := cmp.Diff(contentOf(t, r.data).Values, contentOf(t, copied).Values); diff != "" {
		t.Errorf("the map differs:\n%s", diff)
	}
}

// A server that destroys keys, or puts others in their place, and has no entry
// that says so, is refused with evidence; the copy keeps them.
func TestFollowerKeepsKeysThatNoEntryErases(t *testing.T) {
	for _, key := range []string{"key/RIG/participant/OSL-00001", "key/RIG/allocation", "key/server/other"} {
		for name, value := range map[string][]byte{"taken away": nil, "destroyed": {0}, "replaced": []byte("another")} {
			t.Run(strings.ReplaceAll(key, "OSL-", "")+" "+name, func(t *testing.T) {
				r, copied := newFollowedRig(t)
				r.must(r.n.values.Put(t.Context(), "key/server/other", []byte("1")))
				r.must(r.n.values.Put(t.Context(), "cred/tove", []byte("1")))
				r.erase(r.randomize(2)) // another participant
				f := r.follow(copied)
				f.reach(r.entries())
				r.must(f.stop())
				before := contentOf(t, copied).Values[key]
				r.must(r.n.values.Delete(t.Context(), "cred/tove"))
				if value == nil {
					r.must(r.n.values.Delete(t.Context(), key))
				} else {
					r.must(r.n.values.Put(t.Context(), key, value))
				}
				f = r.follow(copied)
				err := f.end()
				refusal, ok := errors.AsType[*follower.WipeError](err)
				if !ok || strings.Contains(err.Error(), "OSL-") {
					t.Fatalf("it ended with %v", err)
				}
				if strings.Contains(key, "participant") != (refusal.List == "RIG/conduct") {
					t.Errorf("the refusal: %+v", refusal)
				}
				values := contentOf(t, copied).Values
				if _, kept := values["cred/tove"]; kept || before == "" || values[key] != before {
					t.Errorf("the copy has changed, or a password was kept")
				}
				if left, err := filepath.Glob(filepath.Join(copied, "evidence", "*.json")); err != nil || len(left) != 1 {
					t.Errorf("evidence: %v, %v", left, err)
				}
			})
		}
	}
}

// The key of whom no entry names opens nothing, and may go: a refused screening
// leaves such a one.
func TestFollowerDropsAKeyOfNobody(t *testing.T) {
	r, copied := newFollowedRig(t)
	r.must(r.n.values.Put(t.Context(), "key/RIG/participant/OSL-77777", []byte("1")))
	f := r.follow(copied)
	f.reach(r.entries())
	r.must(f.stop())
	r.must(r.n.values.Delete(t.Context(), "key/RIG/participant/OSL-77777"))
	r.randomize(1)
	r.until(copied, "key/RIG/participant/OSL-77777", "")
	r.stop()
	if diff := cmp.Diff(contentOf(t, r.data), contentOf(t, copied)); diff != "" {
		t.Errorf("the copy differs:\n%s", diff)
	}
}

// A machine that the configuration doesn't list is told nothing, whatever key it
// has; neither is one without a certificate.
func TestUnlistedFollowerIsDenied(t *testing.T) {
	r, _ := newFollowedRig(t)
	stranger := t.TempDir()
	f := r.follow(stranger)
	// What is said to people of another role is of no use here.
	err := f.end()
	if _, forPeople := errors.AsType[*client.Error](err); forPeople || err == nil || !strings.Contains(err.Error(), "list its pin") || strings.Contains(f.out.String(), "list its pin") {
		t.Errorf("it ended with %v and says:\n%s", err, f.out)
	}
	if left, err := filepath.Glob(filepath.Join(stranger, "log.pub")); err != nil || len(left) != 0 {
		t.Errorf("it learnt the key of the log: %v", err)
	}
	c, err := client.New(client.Config{Address: r.n.address(), Pin: r.n.pin})
	r.must(err)
	defer c.Close()
	if _, err := c.Session().WhoAmI(t.Context(), &loddv1.WhoAmIRequest{}); err == nil {
		t.Error("a caller without a session is somebody")
	}
}

// A server that was restored from an older copy, and went on, is refused for ever
// by a follower that saw more, with evidence; the copy stays as it is.
func TestFollowerRefusesAFork(t *testing.T) {
	r, copied := newFollowedRig(t)
	b := r.backUp()
	r.randomize(2)
	f := r.follow(copied)
	f.reach(r.entries())
	r.must(f.stop())
	r.stop()
	before := contentOf(t, copied)
	data, _, err := r.restore(b, nil)
	r.must(err)
	r.start(data)
	for _, longer := range []bool{false, true} {
		if longer { // than what the follower saw
			r.reconcile(2) // as many as the follower has shown to be lost
			r.randomize(9)
		}
		f := r.follow(copied)
		err := f.end()
		if _, ok := errors.AsType[*audit.ForkError](err); !ok {
			t.Fatalf("longer %v: it ended with %v", longer, err)
		}
		_, path, _ := strings.Cut(err.Error(), "the evidence is in ")
		path, _, _ = strings.Cut(path, ". ")
		text, err := os.ReadFile(path)
		r.must(err)
		var evidence struct{ List, Remembered, Given string }
		r.must(json.Unmarshal(text, &evidence))
		verifier, err := note.NewVerifier(strings.TrimSpace(string(must(os.ReadFile(filepath.Join(copied, "log.pub"))))))
		r.must(err)
		for _, signed := range []string{evidence.Remembered, evidence.Given} {
			if _, err := audit.OpenCheckpoint([]byte(signed), note.VerifierList(verifier)); err != nil {
				t.Errorf("evidence %q: %v", signed, err)
			}
		}
	}
	r.stop()
	if diff := cmp.Diff(before, contentOf(t, copied)); diff != "" {
		t.Errorf("the copy was changed:\n%s", diff)
	}
	if left, err := filepath.Glob(filepath.Join(copied, "evidence", "*.json")); err != nil || len(left) != 2 {
		t.Errorf("evidence: %v, %v", left, err)
	}
}

// What fails in the copy's own folder passes with no connection: the follower ends
// and says what it is. While the server is away it goes on trying.
func TestFollowerEndsWithItsOwnFault(t *testing.T) {
	r, copied := newFollowedRig(t)
	r.config.Listen = r.n.address() // in its next life, too
	heads, key := filepath.Join(copied, "checkpoints"), filepath.Join(copied, "log.pub")
	inTheWay := func(path string) {
		r.must(os.Rename(path, path+".away"))
		r.must(os.MkdirAll(filepath.Join(path, "folder"), 0o700))
	}
	f := r.follow(copied)
	f.reach(r.entries())
	r.stop()
	f.says("not connected")
	inTheWay(key)
	r.start(r.data)
	if err := f.end(); err == nil || !strings.Contains(err.Error(), "log.pub") {
		t.Errorf("without the log's key it ends with %v", err)
	}
	r.must(os.RemoveAll(key))
	r.must(os.Rename(key+".away", key))

	f = r.follow(copied)
	f.reach(r.entries())
	r.must(os.RemoveAll(heads))
	r.must(os.WriteFile(heads, nil, 0o600))
	r.randomize(1)
	if err := f.end(); err == nil || !strings.Contains(err.Error(), "save guard") || strings.Contains(f.out.String(), "not connected") {
		t.Errorf("without a folder of signed heads it ends with %v and says:\n%s", err, f.out)
	}
}

// A follower that takes nothing costs the server nothing: commits go on.
func TestSlowFollowerHoldsNothingUp(t *testing.T) {
	r, copied := newFollowedRig(t)
	certificate, _, err := follower.Key(filepath.Join(copied, "follow.key"), rand.Reader, wall())
	r.must(err)
	c, err := client.NewFollower(client.FollowConfig{Address: r.n.address(), Pin: r.n.pin, Certificate: certificate})
	r.must(err)
	defer c.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	feed, err := c.Follow(ctx, &loddv1.FollowRequest{})
	r.must(err)
	before := r.entries()
	r.randomize(600) // far more than a connection holds
	if n := r.entries() - before; n < 1800 {
		t.Errorf("%d entries", n)
	}
	sent := int64(0)
	for sent < r.entries() { // and then it is sent everything
		p, err := feed.Next()
		r.must(err)
		sent += int64(len(p.GetEntries().GetEntries()))
	}
}

// A copy that was cut off anywhere while it was made can be restored from: what
// belongs to no whole moment of the trial is counted as lost.
func TestRestoreWithACopyThatWasCutOff(t *testing.T) {
	r := newRig(t)
	b, before := r.backUp(), len(r.lists()["RIG/conduct"])
	r.randomize(8)
	all := r.lists()
	config := r.n.logged
	r.stop()
	values := contentOf(t, r.data).Values
	conduct := all["RIG/conduct"]
	for c := range conduct {
		// As the server sends them: conduct comes last.
		cut := map[string]int{"RIG/conduct": c + 1}
		for list, entries := range all {
			if list == "RIG/conduct" {
				continue
			}
			for cut[list] < len(entries) && (c%2 == 0 || must(entry.Unmarshal(entries[cut[list]])).ConductSize <= int64(c+1)) {
				cut[list]++
			}
		}
		copied := t.TempDir()
		makeCopy(t, copied, config, all, cut, values)
		data, out, err := r.restore(b, func(o *restoreOptions) { o.log = copied })
		if err != nil {
			t.Fatalf("%v: %v\n%s", cut, err, out)
		}
		if got := len(contentOf(t, data).Lists["RIG/conduct"]); got != max(c+1, before)+1 { // and the restore itself
			t.Errorf("%v: %d entries of conduct were restored", cut, got)
		}
	}
}
