package server

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/audit/store"
	"github.com/lodd-rct/lodd/audit/store/storetest"
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// A fed follower notes what it is sent.
type fed struct {
	t      *testing.T
	log    *audit.Log
	values *audit.Values
	sent   []string
	bytes  int
}

func newFed(t *testing.T) *fed {
	t.Helper()
	private, public, err := note.GenerateKey(nil, "example.org/log")
	if err != nil {
		t.Fatal(err)
	}
	s := &storetest.Memory{}
	c := audit.Config{Store: s, Origin: "example.org"}
	if c.Signer, err = note.NewSigner(private); err != nil {
		t.Fatal(err)
	}
	if c.Verifier, err = note.NewVerifier(public); err != nil {
		t.Fatal(err)
	}
	f := &fed{t: t, values: audit.NewValues(s)}
	if f.log, err = audit.Open(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.log.Close() })
	return f
}

func (f *fed) grow(list string, n, size int) {
	f.t.Helper()
	var entries [][]byte
	for range n {
		entries = append(entries, make([]byte, size))
	}
	if _, err := f.log.Append(f.t.Context(), audit.Part{List: list, At: f.log.Len(list), Entries: entries}); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fed) put(key, value string) {
	f.t.Helper()
	if err := f.values.Put(f.t.Context(), key, []byte(value)); err != nil {
		f.t.Fatal(err)
	}
}

// feed returns the feed of a follower with this request.
func (f *fed) feed(req *loddv1.FollowRequest) *feed {
	return newFeed(Config{Log: f.log, Values: f.values, NotFound: store.ErrNotFound}, req, func(m *loddv1.FollowResponse) error {
		switch p := m.GetPiece().(type) {
		case *loddv1.FollowResponse_Entries:
			f.bytes = 0
			for _, e := range p.Entries.GetEntries() {
				f.bytes += len(e)
			}
			f.sent = append(f.sent, fmt.Sprintf("%s %d+%d", p.Entries.GetList(), p.Entries.GetAt(), len(p.Entries.GetEntries())))
		case *loddv1.FollowResponse_Checkpoint:
			size := strings.Split(p.Checkpoint.GetCheckpoint(), "\n")[1]
			f.sent = append(f.sent, fmt.Sprintf("%s =%s", p.Checkpoint.GetList(), size))
		case *loddv1.FollowResponse_Value:
			f.sent = append(f.sent, fmt.Sprintf("%s %q %v", p.Value.GetKey(), p.Value.GetValue(), p.Value.Value == nil))
		}
		return nil
	})
}

// want compares what was sent since the last call.
func (f *fed) want(what ...string) {
	f.t.Helper()
	if !slices.Equal(f.sent, what) {
		f.t.Errorf("sent:\n%s\nwant:\n%s", strings.Join(f.sent, "\n"), strings.Join(what, "\n"))
	}
	f.sent = nil
}

// Values come first and conduct comes last; lists take turns; each piece is
// followed by its signed head; what the follower has isn't sent again.
func TestFeedOrder(t *testing.T) {
	f := newFed(t)
	f.put("key/T/a", "1")
	f.put("empty", "")
	f.grow("T/conduct", 3, 10)
	f.grow("T/outcome", 300, 10)
	f.grow("system", 257, 10)
	feed := f.feed(&loddv1.FollowRequest{})
	f.round(feed)
	f.want(
		`empty "" false`, `key/T/a "1" false`,
		"T/outcome 0+256", "T/outcome =256", "system 0+256", "system =256",
		"T/outcome 256+44", "T/outcome =300", "system 256+1", "system =257",
		"T/conduct 0+3", "T/conduct =3",
	)
	f.round(feed)
	f.want()
	f.put("cred/a", "2")
	f.grow("T/conduct", 1, 10)
	f.round(feed)
	f.want(`cred/a "2" false`, "T/conduct 3+1", "T/conduct =4")
	if err := f.values.Delete(t.Context(), "cred/a"); err != nil {
		t.Fatal(err)
	}
	f.round(feed)
	f.want(`cred/a "" true`)
}

// That a key is destroyed is sent after the entry that says so, also if the entry
// came while the values were looked at.
func TestFeedSendsDestroyedKeysLast(t *testing.T) {
	f := newFed(t)
	f.put("key/T/a", "1")
	f.grow("T/conduct", 1, 10)
	feed := f.feed(&loddv1.FollowRequest{})
	f.round(feed)
	f.want(`key/T/a "1" false`, "T/conduct 0+1", "T/conduct =1")
	f.grow("T/conduct", 1, 10)
	f.put("key/T/a", "\x00")
	f.round(feed)
	f.want("T/conduct 1+1", "T/conduct =2", `key/T/a "\x00" false`)

	f.put("cred/b", "x")
	f.put("key/T/a", "")
	if err := f.values.Delete(t.Context(), "key/T/a"); err != nil {
		t.Fatal(err)
	}
	send := feed.send
	feed.send = func(m *loddv1.FollowResponse) error {
		if m.GetValue().GetKey() == "cred/b" {
			f.grow("T/conduct", 1, 10)
		}
		return send(m)
	}
	f.round(feed)
	f.want(`cred/b "x" false`)
	f.round(feed)
	f.want("T/conduct 2+1", "T/conduct =3", `key/T/a "" true`)
}

func (f *fed) round(feed *feed) {
	f.t.Helper()
	if err := feed.round(f.t.Context()); err != nil {
		f.t.Fatal(err)
	}
}

// A follower that comes back is shown its own heads first, and is told what
// changed and what is gone in the meantime.
func TestFeedResumes(t *testing.T) {
	f := newFed(t)
	f.put("same", "1")
	f.put("changed", "new")
	f.grow("T/conduct", 3, 10)
	f.grow("system", 2, 10)
	digest := func(s string) []byte { sum := sha256.Sum256([]byte(s)); return sum[:] }
	feed := f.feed(&loddv1.FollowRequest{
		Heads:  []*loddv1.ListHead{{List: "T/conduct", Size: 1}, {List: "system", Size: 2}},
		Values: []*loddv1.ValueDigest{{Key: "same", Digest: digest("1")}, {Key: "changed", Digest: digest("old")}, {Key: "gone", Digest: digest("")}},
	})
	if longer, err := feed.meet(t.Context()); longer || err != nil {
		t.Fatal(longer, err)
	}
	f.want("T/conduct =1", "system =2")
	f.round(feed)
	f.want(`changed "new" false`, `gone "" true`, "T/conduct 1+2", "T/conduct =3")
}

// A follower that has more is shown how little there is.
func TestFeedMeetsALongerFollower(t *testing.T) {
	f := newFed(t)
	f.grow("system", 2, 10)
	feed := f.feed(&loddv1.FollowRequest{Heads: []*loddv1.ListHead{{List: "T/conduct", Size: 7}, {List: "system", Size: 3}}})
	if longer, err := feed.meet(t.Context()); !longer || err != nil {
		t.Error(longer, err)
	}
	f.want("T/conduct =0", "system =2")
}

// However large entries are, a piece stays far below what a message may have.
func TestFeedPiecesAreBounded(t *testing.T) {
	f := newFed(t)
	for range 4 {
		f.grow("system", 15, store.MaxRecord)
	}
	feed := f.feed(&loddv1.FollowRequest{})
	f.round(feed)
	if f.bytes > pieceBytes || len(f.sent) < 16 {
		t.Errorf("%d bytes in the last of %d messages", f.bytes, len(f.sent))
	}
}

// An error of the connection ends the feed, and so does the end of the call.
func TestFeedEndsWithTheCall(t *testing.T) {
	f := newFed(t)
	f.grow("system", 1, 10)
	feed := f.feed(&loddv1.FollowRequest{})
	broken := errors.New("broken")
	feed.send = func(*loddv1.FollowResponse) error { return broken }
	if err := feed.round(t.Context()); !errors.Is(err, broken) {
		t.Errorf("round = %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := pause(ctx, followPause); !errors.Is(err, context.Canceled) {
		t.Errorf("pause = %v", err)
	}
}
