package follower

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/client"
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

const (
	// mostListed is how many values a request names; a server takes 4 MiB. With
	// more it names none, and is sent all of them.
	mostListed = 20_000

	// tellEvery is how long a follower that takes entries says nothing.
	tellEvery = time.Minute
)

// A session is one call to the server.
type session struct {
	*follower
	announced int64           // how many entries the server had when it began
	unmet     map[string]bool // our lists whose heads the server hasn't confirmed yet
	pending   audit.Part      // entries that no checkpoint covers yet
	sent      map[string]bool // the values that the server sent; nil if it knows which we have
	took      bool            // whether anything was verified
	told      int64           // how many entries were told last
}

// session follows until the connection breaks, and reports whether it took
// anything.
func (f *follower) session(ctx context.Context, c *client.Follower) (took bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	req, full, err := f.request(ctx)
	if err != nil {
		return false, err
	}
	feed, err := c.Follow(ctx, req)
	if err != nil {
		return false, &cutOff{err}
	}
	if err := f.learn(ctx, feed.LogKey); err != nil {
		return false, err
	}
	s := &session{follower: f, announced: feed.Entries, told: -1, unmet: map[string]bool{}}
	for _, h := range req.GetHeads() {
		s.unmet[h.GetList()] = true
	}
	if full {
		s.sent = map[string]bool{}
	}
	f.say("connected to %s, %d entries behind", f.config.Server, max(0, feed.Entries-f.entries()))
	err = s.take(ctx, feed)
	if fields, ask := f.evidenceOf(err); fields != nil {
		err = f.evidence(err, fields, ask)
	}
	return s.took, err
}

// request says what the copy has. Full means that it names no values.
func (f *follower) request(ctx context.Context) (req *loddv1.FollowRequest, full bool, err error) {
	req = &loddv1.FollowRequest{}
	if f.replica == nil {
		return req, false, nil
	}
	sizes := f.replica.Sizes()
	signed, err := f.guard().Load() // from which an older server learns that it is
	if err != nil {
		return nil, false, err
	}
	for _, list := range slices.Sorted(maps.Keys(sizes)) {
		req.Heads = append(req.Heads, &loddv1.ListHead{List: list, Size: sizes[list], Checkpoint: string(signed[list])})
	}
	keys, err := f.store.Keys(ctx, "")
	if err != nil || len(keys) > mostListed {
		return req, true, err
	}
	for _, key := range keys {
		value, err := f.store.Get(ctx, key)
		if err != nil {
			return nil, false, err
		}
		digest := sha256.Sum256(value)
		req.Values = append(req.Values, &loddv1.ValueDigest{Key: key, Digest: digest[:]})
	}
	return req, false, nil
}

// take takes pieces until the connection breaks.
func (s *session) take(ctx context.Context, feed *client.Feed) error {
	ticker := time.NewTicker(tellEvery)
	defer ticker.Stop()
	for {
		piece, err := feed.Next()
		if errors.Is(err, io.EOF) {
			err = errors.New("the server has ended the connection")
		}
		if err != nil {
			return &cutOff{err}
		}
		if err := s.piece(ctx, piece); err != nil {
			return err
		}
		s.tell(ticker.C)
	}
}

// piece takes one piece. Before anything else the server shows that it has the
// log which was followed before: a server that was restored from an older copy
// doesn't know keys that are needed here.
func (s *session) piece(ctx context.Context, piece *loddv1.FollowResponse) error {
	p, ok := piece.GetPiece().(*loddv1.FollowResponse_Checkpoint)
	if len(s.unmet) > 0 {
		if !ok || !s.unmet[p.Checkpoint.GetList()] {
			return errors.New("the server doesn't show first that it has the log which was followed before")
		}
		delete(s.unmet, p.Checkpoint.GetList())
		return s.checkpoint(ctx, p.Checkpoint)
	}
	if err := s.valuesEnd(ctx, piece); err != nil {
		return err
	}
	switch p := piece.GetPiece().(type) {
	case *loddv1.FollowResponse_Entries:
		return s.entriesPiece(p.Entries)
	case *loddv1.FollowResponse_Checkpoint:
		return s.checkpoint(ctx, p.Checkpoint)
	case *loddv1.FollowResponse_Value:
		return s.value(ctx, p.Value)
	default:
		return errors.New("the server sent a piece of a kind that this version doesn't know: update the follower")
	}
}

// tell says how far the copy is: when it has all that there was at the
// beginning, and then once a minute while it grows.
func (s *session) tell(tick <-chan time.Time) {
	n := s.entries()
	due := false
	select {
	case <-tick:
		due = true
	default:
		due = s.told < 0 && n >= s.announced
	}
	if !due || n == s.told || len(s.pending.Entries) > 0 {
		return
	}
	if s.told = n; n < s.announced {
		s.say("verified up to %s, %d entries behind", s.holds(), s.announced-n)
		s.told = -1 // the next line that is due is still to come
		return
	}
	s.say("verified up to %s", s.holds())
}

// entriesPiece keeps entries until their checkpoint comes.
func (s *session) entriesPiece(p *loddv1.ListEntriesPiece) error {
	next := s.pending.At + int64(len(s.pending.Entries))
	switch {
	case s.pending.List == "":
		s.pending = audit.Part{List: p.GetList(), At: p.GetAt()}
	case s.pending.List != p.GetList() || next != p.GetAt():
		return fmt.Errorf("the server sent entries %d of %s before a signed head of those that came before", p.GetAt(), p.GetList())
	}
	s.pending.Entries = append(s.pending.Entries, p.GetEntries()...)
	size := 0
	for _, e := range s.pending.Entries {
		size += len(e)
	}
	if len(s.pending.Entries) > audit.MaxEntries || size > audit.MaxBytes {
		return fmt.Errorf("the server sent more than %d entries or %d bytes of %s without a signed head", audit.MaxEntries, audit.MaxBytes, p.GetList())
	}
	return nil
}

// checkpoint adds the pending entries, if they add up to the signed head.
func (s *session) checkpoint(ctx context.Context, p *loddv1.ListCheckpoint) error {
	part := s.pending
	switch part.List {
	case "":
		part = audit.Part{List: p.GetList(), At: s.replica.Len(p.GetList())}
	case p.GetList():
	default:
		return fmt.Errorf("the server sent a head of %s where one of %s was due", p.GetList(), part.List)
	}
	if err := s.replica.Extend(ctx, part, []byte(p.GetCheckpoint())); err != nil {
		return err
	}
	s.pending, s.took = audit.Part{}, true
	if s.config.Verified != nil {
		s.config.Verified(s.entries())
	}
	return nil
}
