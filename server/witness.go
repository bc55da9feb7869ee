package server

import (
	"context"
	"errors"
	"fmt"

	"github.com/lodd-rct/lodd/audit"
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/server/rpcerr"
)

// These say what is wrong with a co-signed checkpoint. They reach the witness.
var (
	errNotCosigned   = errors.New("no witness of the server's configuration has signed it; the operator adds the line that lodd witness init prints")
	errOfAnotherList = errors.New("it is the checkpoint of another list")
	errNotThisLog    = errors.New("it isn't what the log was at that size; keep it and tell the trial's sponsor")
)

// cosigned returns the newest co-signed checkpoint of a list; nil if there is
// none.
func (s *auditService) cosigned(ctx context.Context, list string) ([]byte, error) {
	signed, err := s.config.Credentials.Get(ctx, witnessKey(list))
	if errors.Is(err, s.config.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("server: read co-signed checkpoint: %w", err)
	}
	return signed, nil
}

func witnessKey(list string) string { return "witness/" + list }

func (s *auditService) AddCosignature(ctx context.Context, req *loddv1.AddCosignatureRequest) (*loddv1.AddCosignatureResponse, error) {
	list, err := s.list(ctx, req)
	if err != nil {
		return nil, err
	}
	given, err := s.openCosigned(ctx, list, []byte(req.GetCheckpoint()))
	if err != nil {
		return nil, err
	}
	s.witness.Lock()
	defer s.witness.Unlock()
	next, err := s.next(ctx, list, given)
	if err != nil || next == nil {
		return &loddv1.AddCosignatureResponse{}, err
	}
	if err := s.config.Credentials.Put(ctx, witnessKey(list), next); err != nil {
		return nil, fmt.Errorf("server: keep co-signed checkpoint: %w", err)
	}
	return &loddv1.AddCosignatureResponse{}, nil
}

// openCosigned opens a co-signed checkpoint and holds it against the log, so
// that nothing is ever handed on that the log doesn't bear out. What it returns
// has signatures of the log and of configured witnesses only, one for each, so
// its size is bounded.
func (s *auditService) openCosigned(ctx context.Context, list string, signed []byte) (audit.Cosigned, error) {
	bad := func(err error) (audit.Cosigned, error) { return audit.Cosigned{}, rpcerr.Field("checkpoint", err) }
	c, err := audit.OpenCosigned(signed, s.fence.verifier, s.config.Witnesses...)
	switch {
	case err != nil:
		return bad(err)
	case c.Origin != s.config.Log.Origin(list):
		return bad(errOfAnotherList)
	case len(c.Cosignatures) == 0:
		return bad(errNotCosigned)
	case c.Size > s.config.Log.Len(list):
		return bad(errNotThisLog)
	}
	root, err := s.config.Log.RootAt(ctx, list, c.Size)
	if err != nil {
		return audit.Cosigned{}, err
	}
	if root != c.Root {
		return bad(errNotThisLog)
	}
	return c, nil
}

// next returns the note to keep now that one more was given, nil if the one that
// is kept stays. A kept note that doesn't hold any more, because a witness has
// left the configuration or the store was restored, is replaced; one that can't
// be held against the log at the moment is not.
func (s *auditService) next(ctx context.Context, list string, given audit.Cosigned) ([]byte, error) {
	kept, err := s.cosigned(ctx, list)
	if err != nil {
		return nil, err
	}
	if kept == nil {
		return given.Bytes()
	}
	have, err := s.openCosigned(ctx, list, kept)
	if _, gone := errors.AsType[*rpcerr.FieldError](err); err != nil && !gone {
		return nil, err
	}
	switch {
	case err != nil, given.Size > have.Size:
		return given.Bytes()
	case given.Size < have.Size:
		return nil, nil
	}
	return have.Merge(given)
}
