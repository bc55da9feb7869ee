package server

import (
	"context"
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

// auditService implements lodd.v1.AuditService.
type auditService struct {
	loddv1.UnimplementedAuditServiceServer
	*core
}

// The sizes of one piece of a stream.
const (
	leavesAtOnce  = 1024
	entriesAtOnce = 256
)

// compartments returns the lists that the caller may check: those that hold
// what the caller's roles work with. The numbers and sizes of the others could
// tell what is hidden.
func compartments(t *ledger.Trial, a authz.Access) []string {
	lists := []string{t.List(trial.Conduct)}
	if a.Holds(trial.Assessor, trial.Monitor, trial.Auditor) {
		lists = append(lists, t.List(trial.Outcome))
	}
	if a.Holds(trial.TreatmentTeam, trial.Auditor) {
		lists = append(lists, t.List(trial.Delivery))
	}
	if a.Holds(trial.Auditor) {
		lists = append(lists, t.List(trial.Allocation), ledger.System)
	}
	return lists
}

func (s *auditService) ListCompartments(ctx context.Context, req *loddv1.ListCompartmentsRequest) (*loddv1.ListCompartmentsResponse, error) {
	t, a, err := s.enter(ctx, req)
	if err != nil {
		return nil, err
	}
	return &loddv1.ListCompartmentsResponse{Lists: compartments(t, a)}, nil
}

// listed is a request about one compartment.
type listed interface {
	GetTrialId() string
	GetList() string
}

// list returns the compartment that a request names, if the caller may check
// it.
func (s *auditService) list(ctx context.Context, req listed) (string, error) {
	t, a, err := s.enter(ctx, req)
	if err != nil {
		return "", err
	}
	if !slices.Contains(compartments(t, a), req.GetList()) {
		return "", fmt.Errorf("compartment: %w", trial.ErrNotFound)
	}
	return req.GetList(), nil
}

func (s *auditService) GetCheckpoint(ctx context.Context, req *loddv1.GetCheckpointRequest) (*loddv1.GetCheckpointResponse, error) {
	list, err := s.list(ctx, req)
	if err != nil {
		return nil, err
	}
	signed, err := s.config.Log.Checkpoint(ctx, list)
	return &loddv1.GetCheckpointResponse{Checkpoint: string(signed)}, err
}

// within reports an error unless lo and hi are a range of a list.
func (s *auditService) within(list string, lo, hi int64) error {
	n := s.config.Log.Len(list)
	if lo < 0 || lo > hi || hi > n {
		return rpcerr.Field("size", fmt.Errorf("from %d to %d is no part of the %d entries of %s", lo, hi, n, list))
	}
	return nil
}

func (s *auditService) ListLeaves(req *loddv1.ListLeavesRequest, out grpc.ServerStreamingServer[loddv1.ListLeavesResponse]) error {
	ctx := out.Context()
	list, err := s.list(ctx, req)
	if err != nil {
		return err
	}
	if err := s.within(list, req.GetFrom(), req.GetSize()); err != nil {
		return err
	}
	for lo := req.GetFrom(); lo < req.GetSize(); lo += leavesAtOnce {
		leaves, err := s.config.Log.Leaves(ctx, list, lo, min(lo+leavesAtOnce, req.GetSize()))
		if err != nil {
			return err
		}
		m := &loddv1.ListLeavesResponse{}
		for _, leaf := range leaves {
			m.Hashes = append(m.Hashes, leaf[:]...)
		}
		if err := out.Send(m); err != nil {
			return err
		}
	}
	return nil
}

func (s *auditService) ProveConsistency(ctx context.Context, req *loddv1.ProveConsistencyRequest) (*loddv1.ProveConsistencyResponse, error) {
	list, err := s.list(ctx, req)
	if err != nil {
		return nil, err
	}
	if err := s.within(list, req.GetOldSize(), req.GetNewSize()); err != nil {
		return nil, err
	}
	proof, err := s.config.Log.ProveTree(ctx, list, req.GetOldSize(), req.GetNewSize())
	if err != nil {
		return nil, err
	}
	resp := &loddv1.ProveConsistencyResponse{}
	for _, h := range proof {
		resp.Hashes = append(resp.Hashes, h[:])
	}
	return resp, nil
}

func (s *auditService) ListEntries(req *loddv1.ListEntriesRequest, out grpc.ServerStreamingServer[loddv1.ListEntriesResponse]) error {
	ctx := out.Context()
	t, a, err := s.enter(ctx, req)
	if err != nil {
		return err
	}
	lists := compartments(t, a)
	if req.GetList() != "" {
		if _, err := s.list(ctx, req); err != nil {
			return err
		}
		lists = []string{req.GetList()}
	}
	r := &entryReader{log: s.config.Log, trial: t, people: map[string]bool{}, participant: trial.ParticipantID(req.GetParticipant()), send: out.Send}
	r.again = func() (authz.Access, error) {
		ctx, err := s.guard.Allow(ctx, loddv1.AuditService_ListEntries_FullMethodName, req)
		if err != nil {
			return authz.Access{}, rpcerr.ErrDenied
		}
		return authz.FromContext(ctx), nil
	}
	s.people.View(func(p *people.State) {
		for _, tenure := range p.Tenures(req.GetTrialId()) {
			r.people[tenure.User] = true
		}
	})
	// What comes after this moment isn't read: the caller's role may end while
	// the caller is slow to take what was there.
	sizes := make([]int64, len(lists))
	for i, list := range lists {
		sizes[i] = s.config.Log.Len(list)
	}
	for i, list := range lists {
		if err := r.read(ctx, list, sizes[i]); err != nil {
			return err
		}
	}
	return nil
}

// An entryReader sends the entries that the caller may read.
type entryReader struct {
	log         *audit.Log
	trial       *ledger.Trial
	people      map[string]bool // who holds or held a role in the trial
	participant trial.ParticipantID
	send        func(*loddv1.ListEntriesResponse) error
	again       func() (authz.Access, error) // what the caller may do by now
	access      authz.Access                 // what again returned last
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
	e, err := entry.Unmarshal(b)
	if err != nil {
		return fmt.Errorf("server: entry %d of %s: %w", index, list, err)
	}
	if !r.readable(list, e) {
		return nil
	}
	kind, detail, err := entry.Describe(b)
	if err != nil {
		return fmt.Errorf("server: entry %d of %s: %w", index, list, err)
	}
	leaf := audit.Leaf(b)
	return r.send(&loddv1.ListEntriesResponse{
		List: list, Index: index, At: timestamppb.New(e.At), Actor: e.Actor, Role: e.Role, Kind: kind, Detail: detail, LeafHash: leaf[:],
	})
}

// readable reports whether the caller asked for an entry and may read it: an
// auditor reads every entry of the trial and of its people, others their own.
func (r *entryReader) readable(list string, e entry.Entry) bool {
	switch {
	case r.participant != "" && participantOf(e.Event) != r.participant:
		return false
	case !r.access.Holds(trial.Auditor) && e.Actor != r.access.User:
		return false
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
