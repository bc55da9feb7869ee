package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
	"google.golang.org/grpc"

	"github.com/lodd-rct/lodd/audit"
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/server/authz"
	"github.com/lodd-rct/lodd/server/ledger"
	"github.com/lodd-rct/lodd/server/rpcerr"
	"github.com/lodd-rct/lodd/server/trial"
)

// auditService implements lodd.v1.AuditService.
type auditService struct {
	loddv1.UnimplementedAuditServiceServer
	*core
	witness sync.Mutex // held while a co-signed checkpoint is replaced
}

// leavesAtOnce is the size of one piece of a stream of hashes.
const leavesAtOnce = 1024

// compartments returns the lists that the caller may check: those that hold
// what the caller's roles work with. The numbers and sizes of the others could
// tell what is hidden. That of allocation tells how many were randomized and
// unblinded, and no arm; whoever opens arms, or has them opened, needs it to check
// the receipts. Whoever assesses checks neither it nor that of delivery, by which
// the actors tell arms, whatever other role the person was once given.
func compartments(t *ledger.Trial, a authz.Access) []string {
	lists := []string{t.List(trial.Conduct)}
	if a.Holds(trial.Assessor, trial.Monitor, trial.Reviewer, trial.Auditor) {
		lists = append(lists, t.List(trial.Outcome))
	}
	assesses := a.Holds(trial.Assessor)
	if a.Holds(trial.TreatmentTeam, trial.Auditor) && !assesses {
		lists = append(lists, t.List(trial.Delivery))
	}
	opens := a.Holds(trial.Investigator, trial.Custodian, trial.Statistician, trial.Clinician, trial.Reviewer, trial.Auditor)
	if opens && !assesses {
		lists = append(lists, t.List(trial.Allocation))
	}
	if a.Holds(trial.Custodian, trial.Auditor) { // a custodian's entries there give and take roles
		lists = append(lists, ledger.System)
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

// errNoCompartment is the answer to a list that isn't there, and to one that the
// caller may not check.
var errNoCompartment = fmt.Errorf("compartment: %w", trial.ErrNotFound)

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
		return "", errNoCompartment
	}
	return req.GetList(), nil
}

func (s *auditService) GetCheckpoint(ctx context.Context, req *loddv1.GetCheckpointRequest) (*loddv1.GetCheckpointResponse, error) {
	list, err := s.list(ctx, req)
	if err != nil {
		return nil, err
	}
	// In this order: whoever takes the answer apart finds no co-signed checkpoint
	// that is larger than the other.
	cosigned, err := s.cosigned(ctx, list)
	if err != nil {
		return nil, err
	}
	signed, err := s.config.Log.Checkpoint(ctx, list)
	return &loddv1.GetCheckpointResponse{Checkpoint: string(signed), Cosigned: string(cosigned)}, err
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
	return &loddv1.ProveConsistencyResponse{Hashes: hashes(proof)}, nil
}

// ProveInclusion never refuses for what the compartment lacks: the signed
// checkpoint shows that it is too short, and the proof stays empty. A caller who
// was told otherwise before has the evidence in one answer.
func (s *auditService) ProveInclusion(ctx context.Context, req *loddv1.ProveInclusionRequest) (*loddv1.ProveInclusionResponse, error) {
	list, err := s.list(ctx, req)
	if err != nil {
		return nil, err
	}
	index, older := req.GetIndex(), req.GetOldSize()
	if index < 0 || older < 0 {
		return nil, rpcerr.Field("index", errors.New("neither index nor old_size is below 0"))
	}
	signed, now, err := s.checkpoint(ctx, list)
	if err != nil {
		return nil, err
	}
	resp := &loddv1.ProveInclusionResponse{Checkpoint: string(signed)}
	if index < now.Size {
		proof, err := s.config.Log.ProveRecord(ctx, list, now.Size, index)
		if err != nil {
			return nil, err
		}
		resp.Inclusion = hashes(proof)
		if resp.Entry, err = s.entry(ctx, req); err != nil {
			return nil, err
		}
	}
	if older <= now.Size {
		proof, err := s.config.Log.ProveTree(ctx, list, older, now.Size)
		if err != nil {
			return nil, err
		}
		resp.Consistency = hashes(proof)
	}
	return resp, nil
}

// entry returns the entry that a proof is about, by the rule of ListEntries.
func (s *auditService) entry(ctx context.Context, req *loddv1.ProveInclusionRequest) ([]byte, error) {
	t, a, err := s.enter(ctx, req)
	if err != nil {
		return nil, err
	}
	r := s.reader(t)
	r.access = a
	return r.stored(ctx, req.GetList(), req.GetIndex())
}

// checkpoint returns the signed head of a list, and what it says.
func (s *auditService) checkpoint(ctx context.Context, list string) ([]byte, audit.Checkpoint, error) {
	signed, err := s.config.Log.Checkpoint(ctx, list)
	if err != nil {
		return nil, audit.Checkpoint{}, err
	}
	c, err := audit.OpenCheckpoint(signed, note.VerifierList(s.fence.verifier))
	return signed, c, err
}

func (s *auditService) ReportCheckpoint(ctx context.Context, req *loddv1.ReportCheckpointRequest) (*loddv1.ReportCheckpointResponse, error) {
	t, a, err := s.enter(ctx, req)
	if err != nil {
		return nil, err
	}
	shown, list, err := s.fence.open(req.GetCheckpoint())
	if err != nil {
		return nil, err
	}
	if !slices.Contains(compartments(t, a), list) {
		return nil, errNoCompartment
	}
	behind, err := s.fence.behind(ctx, list, shown)
	return &loddv1.ReportCheckpointResponse{Behind: behind}, err
}

// hashes returns hashes as they travel.
func hashes(proof []tlog.Hash) [][]byte {
	out := make([][]byte, len(proof))
	for i := range proof {
		out[i] = proof[i][:]
	}
	return out
}
