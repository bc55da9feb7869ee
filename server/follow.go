package server

import (
	"context"
	"crypto/sha256"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/lodd-rct/lodd/audit"
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/server/trial"
	"github.com/lodd-rct/lodd/server/vault"
)

// What a follower is told in the header of the answer.
const (
	// followLogKey is the public key of the log, as [note.NewVerifier] reads it.
	followLogKey = "lodd-log-key"
	// followEntries is how many entries there were when the call began.
	followEntries = "lodd-log-entries"
)

// The bounds of what a follower costs.
const (
	followPause  = 100 * time.Millisecond // between two looks at what is new
	followRescan = 10 * time.Minute       // between two comparisons of the whole map
	pieceEntries = 256
	pieceBytes   = 512 << 10
)

// followService implements lodd.v1.FollowService.
type followService struct {
	loddv1.UnimplementedFollowServiceServer
	*core
}

// Follow sends what the follower lacks until one of the two ends. It reads what
// is durable as any reader does, and holds no lock while it sends: a follower
// that is slow only falls behind.
func (s *followService) Follow(req *loddv1.FollowRequest, out grpc.ServerStreamingServer[loddv1.FollowResponse]) error {
	f := newFeed(s.config, req, out.Send)
	total := int64(0)
	for _, n := range s.config.Log.Sizes() {
		total += n
	}
	header := metadata.Pairs(followLogKey, s.config.Keys.LogVerifier, followEntries, strconv.FormatInt(total, 10))
	if err := out.SendHeader(header); err != nil {
		return err
	}
	fenced := s.compare(out.Context(), req.GetHeads()) // and the follower is answered all the same
	if longer, err := f.meet(out.Context()); longer || err != nil || fenced != nil {
		return errors.Join(err, fenced)
	}
	rescan := time.NewTicker(followRescan)
	defer rescan.Stop()
	for {
		grown, changed := s.config.Log.Grown(), s.config.Values.Changed()
		if err := f.round(out.Context()); err != nil {
			return err
		}
		if len(f.held) > 0 {
			continue
		}
		select {
		case <-grown:
		case <-changed:
		case <-rescan.C: // another server of the same store may have changed the map
			f.since = -1
		case <-s.stopping:
			return nil
		case <-out.Context().Done():
			return out.Context().Err()
		}
		if err := pause(out.Context(), followPause); err != nil {
			return err
		}
	}
}

// compare looks whether the follower has entries that this server was brought
// back without. A head that this server hasn't signed proves nothing.
func (s *followService) compare(ctx context.Context, heads []*loddv1.ListHead) error {
	var errs []error
	for _, h := range heads {
		shown, list, err := s.fence.open(h.GetCheckpoint())
		if err != nil || list != h.GetList() {
			continue
		}
		_, err = s.fence.behind(ctx, list, shown)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// pause waits, so that a busy log costs a follower a few signatures a second and
// not one for each commit.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// A feed is what one follower has, and the way to it.
type feed struct {
	log    *audit.Log
	values *audit.Values
	absent error // what the error of values.Get wraps if there is no value
	send   func(*loddv1.FollowResponse) error

	sizes map[string]int64             // of its lists
	known map[string][sha256.Size]byte // its values' digests
	since int64                        // the changes of the map that it has seen; -1 for none
	held  []string                     // the destroyed keys that it is told of in the next round
}

func newFeed(c Config, req *loddv1.FollowRequest, send func(*loddv1.FollowResponse) error) *feed {
	f := &feed{
		log: c.Log, values: c.Values, absent: c.NotFound, send: send,
		sizes: map[string]int64{}, known: map[string][sha256.Size]byte{}, since: -1,
	}
	for _, h := range req.GetHeads() {
		f.sizes[h.GetList()] = max(h.GetSize(), 0)
	}
	for _, v := range req.GetValues() {
		var digest [sha256.Size]byte
		copy(digest[:], v.GetDigest())
		f.known[v.GetKey()] = digest
	}
	return f
}

// meet sends the signed heads of the follower's lists as long as they are there,
// so that it knows that this is the log which it followed before it takes
// anything. It reports whether the follower has entries that this server hasn't:
// what that means is for the follower to say.
func (f *feed) meet(ctx context.Context) (longer bool, err error) {
	ours := f.log.Sizes()
	for _, list := range slices.Sorted(maps.Keys(f.sizes)) {
		longer = longer || f.sizes[list] > ours[list]
		if err := f.checkpoint(ctx, list, min(f.sizes[list], ours[list])); err != nil {
			return longer, err
		}
	}
	return longer, nil
}

// round sends what is new at one moment. Values come first: whoever holds an
// entry also holds the key that opens it. Conduct comes last: an entry of
// another compartment never comes later than the entry of conduct that it
// belongs to, so that a copy that was cut off anywhere can be cut back to a
// moment of the trial's life.
//
// That a key is destroyed is sent last of all, after the entry of the erasure: a
// follower believes nothing else. If the log grew while the values were looked
// at, that entry may be among the new ones, and it waits for them.
func (f *feed) round(ctx context.Context) error {
	due := f.held // seen before this round, and so after the entries that are sent now
	f.held = nil
	sizes := f.log.Sizes()
	if err := f.changes(ctx); err != nil {
		return err
	}
	if maps.Equal(sizes, f.log.Sizes()) {
		due, f.held = append(due, f.held...), nil
	}
	if err := f.entries(ctx, sizes); err != nil {
		return err
	}
	for _, key := range due {
		if err := f.change(ctx, key, true); err != nil {
			return err
		}
	}
	return nil
}

// entries sends the lists up to these sizes.
func (f *feed) entries(ctx context.Context, sizes map[string]int64) error {
	var first, last []string
	for _, list := range slices.Sorted(maps.Keys(sizes)) {
		if strings.HasSuffix(list, "/"+string(trial.Conduct)) {
			last = append(last, list)
		} else {
			first = append(first, list)
		}
	}
	for _, lists := range [][]string{first, last} {
		if err := f.lists(ctx, lists, sizes); err != nil {
			return err
		}
	}
	return nil
}

// lists sends what is new of some lists, a piece of each in turn.
func (f *feed) lists(ctx context.Context, lists []string, sizes map[string]int64) error {
	for len(lists) > 0 {
		var behind []string
		for _, list := range lists {
			if f.sizes[list] >= sizes[list] {
				continue
			}
			if err := f.piece(ctx, list, sizes[list]); err != nil {
				return err
			}
			if f.sizes[list] < sizes[list] {
				behind = append(behind, list)
			}
		}
		lists = behind
	}
	return nil
}

// piece sends the next entries of a list and the signed head after them.
func (f *feed) piece(ctx context.Context, list string, end int64) error {
	at := f.sizes[list]
	entries, err := f.log.Read(ctx, list, at, min(at+pieceEntries, end))
	if err != nil {
		return err
	}
	size := 0
	for i, e := range entries {
		if size += len(e); size > pieceBytes && i > 0 {
			entries = entries[:i]
			break
		}
	}
	m := &loddv1.FollowResponse{Piece: &loddv1.FollowResponse_Entries{
		Entries: &loddv1.ListEntriesPiece{List: list, At: at, Entries: entries},
	}}
	if err := f.send(m); err != nil {
		return err
	}
	f.sizes[list] = at + int64(len(entries))
	return f.checkpoint(ctx, list, f.sizes[list])
}

func (f *feed) checkpoint(ctx context.Context, list string, size int64) error {
	signed, err := f.log.CheckpointAt(ctx, list, size)
	if err != nil {
		return err
	}
	return f.send(&loddv1.FollowResponse{Piece: &loddv1.FollowResponse_Checkpoint{
		Checkpoint: &loddv1.ListCheckpoint{List: list, Checkpoint: string(signed)},
	}})
}

// changes sends the values that are new or gone.
func (f *feed) changes(ctx context.Context) error {
	keys, now, known := f.values.Since(f.since)
	if !known {
		all, err := f.values.Keys(ctx, "")
		if err != nil {
			return err
		}
		keys = append(all, slices.Collect(maps.Keys(f.known))...)
	}
	slices.Sort(keys)
	for _, key := range slices.Compact(keys) {
		if err := f.change(ctx, key, false); err != nil {
			return err
		}
	}
	f.since = now
	return nil
}

// change sends a value unless the follower has it. A key that was destroyed is
// held back, unless it is due.
func (f *feed) change(ctx context.Context, key string, due bool) error {
	value, err := f.values.Get(ctx, key)
	gone := errors.Is(err, f.absent)
	if err != nil && !gone {
		return err
	}
	digest, has := f.known[key]
	sum := sha256.Sum256(value)
	if gone && !has || !gone && has && sum == digest {
		return nil
	}
	if !due && strings.HasPrefix(key, "key/") && (gone || vault.Tombstone(value)) {
		f.held = append(f.held, key)
		return nil
	}
	m := &loddv1.ValueChange{Key: key}
	if gone {
		delete(f.known, key)
	} else {
		f.known[key] = sum
		m.Value = append([]byte{}, value...) // present, also if it is empty
	}
	return f.send(&loddv1.FollowResponse{Piece: &loddv1.FollowResponse_Value{Value: m}})
}
