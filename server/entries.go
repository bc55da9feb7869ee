package server

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/lodd-rct/lodd/audit"
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/server/authz"
	"github.com/lodd-rct/lodd/server/ledger"
	"github.com/lodd-rct/lodd/server/people"
	"github.com/lodd-rct/lodd/server/rpcerr"
	"github.com/lodd-rct/lodd/server/trial"
	"github.com/lodd-rct/lodd/server/trial/entry"
)

// entriesAtOnce is how many entries are read at once.
const entriesAtOnce = 256

func (s *auditService) ListEntries(req *loddv1.ListEntriesRequest, out grpc.ServerStreamingServer[loddv1.ListEntriesResponse]) error {
	ctx := out.Context()
	t, a, err := s.enter(ctx, req)
	if err != nil {
		return err
	}
	lists, err := s.asked(req, compartments(t, a))
	if err != nil {
		return err
	}
	r := s.reader(t)
	r.participant, r.raw, r.send = trial.ParticipantID(req.GetParticipant()), req.GetRaw(), out.Send
	r.again = func() (authz.Access, error) {
		ctx, err := s.guard.Allow(ctx, loddv1.AuditService_ListEntries_FullMethodName, req)
		if err != nil {
			return authz.Access{}, rpcerr.ErrDenied
		}
		return authz.FromContext(ctx), nil
	}
	// What comes after this moment isn't read: the caller's role may end while
	// the caller is slow to take what was there.
	sizes := make([]int64, len(lists))
	for i, list := range lists {
		if sizes[i] = s.config.Log.Len(list); req.GetSize() > 0 {
			sizes[i] = req.GetSize()
		}
	}
	for i, list := range lists {
		if err := r.read(ctx, list, sizes[i]); err != nil {
			return err
		}
	}
	return nil
}

// asked returns the lists of which a request wants entries, out of those that
// the caller may check.
func (s *auditService) asked(req *loddv1.ListEntriesRequest, lists []string) ([]string, error) {
	list, size := req.GetList(), req.GetSize()
	switch {
	case list == "" && size == 0:
		return lists, nil
	case list == "":
		return nil, rpcerr.Field("size", errors.New("size is that of one compartment: name it in list"))
	case !slices.Contains(lists, list):
		return nil, fmt.Errorf("compartment: %w", trial.ErrNotFound)
	}
	return []string{list}, s.within(list, 0, size)
}

// An entryReader sends the entries that the caller may read.
type entryReader struct {
	log         *audit.Log
	ledger      *ledger.Ledger
	trial       *ledger.Trial
	people      map[string]bool // who holds or held a role in the trial
	participant trial.ParticipantID
	raw         bool // send entries as they are stored, too
	send        func(*loddv1.ListEntriesResponse) error
	again       func() (authz.Access, error) // what the caller may do by now
	access      authz.Access                 // what again returned last
}

// reader returns a reader of the entries of a trial.
func (s *auditService) reader(t *ledger.Trial) *entryReader {
	r := &entryReader{log: s.config.Log, ledger: s.ledger, trial: t, people: map[string]bool{}}
	s.people.View(func(p *people.State) {
		for _, tenure := range p.Tenures(string(t.ID())) {
			r.people[tenure.User] = true
		}
	})
	return r
}

// stored returns an entry as it is stored; nil if the caller may not read it.
func (r *entryReader) stored(ctx context.Context, list string, index int64) ([]byte, error) {
	b, err := r.log.Read(ctx, list, index, index+1)
	if err != nil {
		return nil, err
	}
	e, err := r.ledger.Entry(list, index, b[0])
	if err != nil {
		return nil, fmt.Errorf("server: %w", err)
	}
	if !r.readable(list, e) {
		return nil, nil
	}
	return b[0], nil
}

// read sends the first n entries of a list. Before each batch it asks whether
// the caller may still read them.
func (r *entryReader) read(ctx context.Context, list string, n int64) error {
	for lo := int64(0); lo < n; lo += entriesAtOnce {
		var err error
		if r.access, err = r.again(); err != nil {
			return err
		}
		if !slices.Contains(compartments(r.trial, r.access), list) {
			return rpcerr.ErrDenied // another role is left, but none that reads this list
		}
		batch, err := r.log.Read(ctx, list, lo, min(lo+entriesAtOnce, n))
		if err != nil {
			return err
		}
		for i, b := range batch {
			if err := r.entry(list, lo+int64(i), b); err != nil {
				return err
			}
		}
	}
	return nil
}

// entry sends one entry, if the caller may read it.
func (r *entryReader) entry(list string, index int64, b []byte) error {
	e, err := r.ledger.Entry(list, index, b)
	if err != nil {
		return fmt.Errorf("server: %w", err)
	}
	if !r.readable(list, e) {
		return nil
	}
	kind, detail, err := entry.Describe(b)
	if err != nil {
		return fmt.Errorf("server: entry %d of %s: %w", index, list, err)
	}
	leaf := audit.Leaf(b)
	m := &loddv1.ListEntriesResponse{
		List: list, Index: index, At: timestamppb.New(e.At), Actor: e.Actor, Role: e.Role, Kind: kind, Detail: detail, LeafHash: leaf[:],
	}
	if r.raw {
		m.Entry = b
	}
	return r.send(m)
}

// readable reports whether the caller asked for an entry and may read it: an
// auditor reads every entry of the trial and of its people, others their own, save
// what only follows from it in allocation.
func (r *entryReader) readable(list string, e entry.Entry) bool {
	switch {
	case r.participant != "" && participantOf(e.Event) != r.participant:
		return false
	case !r.access.Holds(trial.Auditor) && e.Actor != r.access.User:
		return false
	case list == r.trial.List(trial.Allocation):
		return r.access.Holds(trial.Auditor) || opens(e.Event)
	case list != ledger.System:
		return true
	}
	switch event := e.Event.(type) {
	case people.Granted:
		return event.Grant.Trial == string(r.trial.ID())
	case people.Revoked:
		return event.Grant.Trial == string(r.trial.ID())
	case people.Refused:
		return event.Grant.Trial == string(r.trial.ID())
	case people.Disabled:
		return r.people[event.User] || r.people[e.Actor]
	case people.SignInRefused:
		return r.people[event.User]
	default:
		return r.people[e.Actor]
	}
}

// opens reports whether an entry of allocation is what its actor did knowingly. An
// allocation bears the name of whoever randomized, who must not even know its
// slot.
func opens(e any) bool {
	switch e.(type) {
	case trial.DesignKept, trial.Allocated:
		return false
	default:
		return true
	}
}
