package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/note"
	"pgregory.net/rapid"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/audit/store/bolt"
	"github.com/lodd-rct/lodd/client"
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/server/ledger"
	"github.com/lodd-rct/lodd/server/trial"
	"github.com/lodd-rct/lodd/server/trial/entry"
)

// newFollowedRig returns a server that lists the follower whose folder is copied.
func newFollowedRig(t *testing.T) (r *rig, copied string) {
	t.Helper()
	r, copied = newRig(t), filepath.Join(t.TempDir(), "copy")
	r.must(os.MkdirAll(copied, 0o700))
	_, pin, err := followerKey(filepath.Join(copied, "follow.key"), rand.Reader, wall())
	r.must(err)
	r.stop()
	r.config.Followers = []string{pin}
	r.start(r.data)
	return r, copied
}

// A copying is a follower on its way.
type copying struct {
	rig  *rig
	stop func() error // ends it and returns its error
	out  *lockedBuffer
	size chan int64 // entries that it has verified

	ended chan struct{} // closed when it has ended
}

type lockedBuffer struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// follow starts a follower of the running server.
func (r *rig) follow(copied string) *copying {
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.t.Context()))
	f := &copying{rig: r, out: &lockedBuffer{}, size: make(chan int64, 1), ended: make(chan struct{})}
	o := followOptions{
		server: r.n.address(), pin: r.n.pin, data: copied, out: f.out, now: wall, random: rand.Reader, wait: 10 * time.Millisecond,
		verified: func(n int64) {
			select {
			case <-f.size: // the newest alone is of interest
			default:
			}
			f.size <- n
		},
	}
	var err error
	go func() {
		defer close(f.ended)
		err = followLog(ctx, o)
	}()
	f.stop = func() error {
		cancel()
		<-f.ended
		return err
	}
	r.t.Cleanup(func() { f.stop() })
	return f
}

// reach waits until the follower has n entries.
func (f *copying) reach(n int64) {
	f.rig.t.Helper()
	for timeout := time.After(60 * time.Second); ; {
		select {
		case have := <-f.size:
			if have >= n {
				return
			}
		case <-timeout:
			f.rig.t.Fatalf("the follower doesn't reach %d entries; it says:\n%s", n, f.out)
		}
	}
}

func (r *rig) entries() (n int64) {
	for _, size := range r.n.log.Sizes() {
		n += size
	}
	return n
}

// A content is all that a store holds: lists and map.
type content struct {
	Lists  map[string][]string
	Values map[string]string
}

// contentOf returns the content of a stopped server or follower.
func contentOf(t *testing.T, dir string) content {
	t.Helper()
	db, err := bolt.Open(filepath.Join(dir, "lodd.db"), bolt.Options{MustExist: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	c := content{map[string][]string{}, map[string]string{}}
	names, err := db.Lists(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	for _, list := range names {
		n, err := db.Len(t.Context(), list)
		if err != nil {
			t.Fatal(err)
		}
		records, err := db.Read(t.Context(), list, 0, n)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range records {
			c.Lists[list] = append(c.Lists[list], string(r))
		}
	}
	keys, err := db.Keys(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		value, err := db.Get(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		c.Values[key] = string(value)
	}
	return c
}

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
	again := r.follow(copied)
	again.reach(r.entries())
	r.must(again.stop())
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
	r.randomize(1) // values come before the entries that come after them
	f.reach(r.entries())
	r.must(f.stop())
	r.stop()
	if diff := cmp.Diff(contentOf(t, r.data).Values, contentOf(t, copied).Values); diff != "" {
		t.Errorf("the map differs:\n%s", diff)
	}
}

// A copy with more values than a request may name is compared all the same.
func TestFollowerWithManyValuesDropsWhatDidNotCome(t *testing.T) {
	db, err := bolt.Open(filepath.Join(t.TempDir(), "lodd.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, key := range []string{"a", "b"} {
		if err := db.Put(t.Context(), key, []byte(key)); err != nil {
			t.Fatal(err)
		}
	}
	s := &session{follower: &follower{store: db}, sent: map[string]bool{}}
	for _, v := range []*loddv1.ValueChange{{Key: "b", Value: []byte("b")}, {Key: "c", Value: []byte{}}} {
		if err := s.value(t.Context(), v); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.valuesEnd(t.Context(), &loddv1.FollowResponse{}); err != nil {
		t.Fatal(err)
	}
	keys, err := db.Keys(t.Context(), "")
	if err != nil || !slices.Equal(keys, []string{"b", "c"}) {
		t.Errorf("keys %v, %v", keys, err)
	}
}

// A machine that the configuration doesn't list is told nothing, whatever key it
// has; neither is one without a certificate.
func TestUnlistedFollowerIsDenied(t *testing.T) {
	r, _ := newFollowedRig(t)
	stranger := t.TempDir()
	f := r.follow(stranger)
	refusal, ok := errors.AsType[*client.Error](f.end())
	if !ok || !isDenied(refusal) || !strings.Contains(f.out.String(), "list its pin") {
		t.Errorf("it ended with %v and says:\n%s", f.end(), f.out)
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
			_, err := r.trial().Do(t.Context(), ledger.Caller{Actor: "kari"}, trial.Reconciled{})
			r.must(err)
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

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// end waits until the follower ends by itself.
func (f *copying) end() error {
	f.rig.t.Helper()
	select {
	case <-f.ended:
		return f.stop()
	case <-time.After(60 * time.Second):
		f.rig.t.Fatalf("the follower goes on; it says:\n%s", f.out)
		return nil
	}
}

// A follower that takes nothing costs the server nothing: commits go on.
func TestSlowFollowerHoldsNothingUp(t *testing.T) {
	r, copied := newFollowedRig(t)
	certificate, _, err := followerKey(filepath.Join(copied, "follow.key"), rand.Reader, wall())
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
	b := r.backUp()
	r.randomize(12)
	all := r.lists()
	config := r.n.logged
	r.stop()
	values := contentOf(t, r.data).Values
	conduct := all["RIG/conduct"]
	rapid.Check(t, func(rt *rapid.T) {
		// As the server sends them: conduct comes last.
		cut := map[string]int{"RIG/conduct": rapid.IntRange(1, len(conduct)).Draw(rt, "conduct")}
		for list, entries := range all {
			if list == "RIG/conduct" {
				continue
			}
			least := 0
			for _, e := range entries {
				if must(entry.Unmarshal(e)).ConductSize <= int64(cut["RIG/conduct"]) {
					least++
				}
			}
			cut[list] = rapid.IntRange(least, len(entries)).Draw(rt, list)
		}
		copied := t.TempDir()
		makeCopy(t, copied, config, all, cut, values)
		_, out, err := r.restore(b, func(o *restoreOptions) { o.log = copied })
		if err != nil {
			rt.Fatalf("%v: %v\n%s", cut, err, out)
		}
	})
}

// makeCopy makes the folder of a follower that holds the first entries of lists.
func makeCopy(t *testing.T, dir string, c audit.Config, lists map[string][][]byte, cut map[string]int, values map[string]string) {
	t.Helper()
	guard := audit.FileGuard{Dir: filepath.Join(dir, "checkpoints")}
	db := must(bolt.Open(filepath.Join(dir, "lodd.db"), bolt.Options{}))
	defer db.Close()
	if err := os.MkdirAll(guard.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for key, value := range values {
		if err := db.Put(t.Context(), key, []byte(value)); err != nil {
			t.Fatal(err)
		}
	}
	c.Store, c.Guard = db, guard
	log := must(audit.Open(t.Context(), c))
	defer log.Close()
	for _, list := range slices.Sorted(maps.Keys(cut)) {
		if _, err := log.Append(t.Context(), audit.Part{List: list, Entries: lists[list][:cut[list]]}); err != nil {
			t.Fatal(err)
		}
	}
	if err := log.SaveGuard(t.Context()); err != nil {
		t.Fatal(err)
	}
}
