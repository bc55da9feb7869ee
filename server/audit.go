package server

import (
	"context"
	"encoding/json"
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
	r := entryReader{log: s.config.Log, access: a, trial: string(t.ID()), participant: req.GetParticipant(), send: out.Send}
	s.people.View(func(p *people.State) {
		r.people = map[string]bool{}
		for _, tenure := range p.Tenures(r.trial) {
			r.people[tenure.User] = true
		}
	})
	for _, list := range lists {
		if err := r.read(ctx, list); err != nil {
			return err
		}
	}
	return nil
}

// An entryReader sends the entries that the caller may read.
type entryReader struct {
	log         *audit.Log
	access      authz.Access
	trial       string
	people      map[string]bool // who holds or held a role in the trial
	participant string          // whom the entries are about; empty for all
	send        func(*loddv1.ListEntriesResponse) error
}

// read sends the entries of a list as it is now.
func (r entryReader) read(ctx context.Context, list string) error {
	n := r.log.Len(list)
	for lo := int64(0); lo < n; lo += entriesAtOnce {
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
func (r entryReader) entry(list string, index int64, b []byte) error {
	e, err := entry.Unmarshal(b)
	if err != nil {
		return fmt.Errorf("server: entry %d of %s: %w", index, list, err)
	}
	kind, detail, err := entry.Describe(b)
	if err != nil {
		return fmt.Errorf("server: entry %d of %s: %w", index, list, err)
	}
	var open struct {
		Participant string       `json:"participant"`
		User        string       `json:"user"`
		Grant       people.Grant `json:"grant"`
	}
	if err := json.Unmarshal([]byte(detail), &open); err != nil {
		return fmt.Errorf("server: entry %d of %s: %w", index, list, err)
	}
	switch {
	case r.participant != "" && open.Participant != r.participant:
		return nil
	case !r.access.Holds(trial.Auditor) && e.Actor != r.access.User:
		return nil
	case list == ledger.System && open.Grant.Trial != "":
		if open.Grant.Trial != r.trial {
			return nil
		}
	case list == ledger.System && !r.people[e.Actor] && !r.people[open.User]:
		return nil // of people who have nothing to do with the trial
	}
	leaf := audit.Leaf(b)
	return r.send(&loddv1.ListEntriesResponse{
		List: list, Index: index, At: timestamppb.New(e.At), Actor: e.Actor, Role: e.Role, Kind: kind, Detail: detail, LeafHash: leaf[:],
	})
}
