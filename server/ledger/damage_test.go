package ledger_test

import (
	"context"
	"errors"
	"testing"

	"github.com/lodd-rct/lodd/audit/store"
	"github.com/lodd-rct/lodd/audit/store/storetest"
	"github.com/lodd-rct/lodd/server/ledger"
	"github.com/lodd-rct/lodd/server/trial"
)

// A spoilt store is damaged once it is told so.
type spoilt struct {
	store.Store
	damaged bool
}

// Read implements [store.Store].
func (s *spoilt) Read(ctx context.Context, list string, lo, hi int64) ([][]byte, error) {
	if s.damaged {
		return nil, &store.DamageError{List: list, Index: lo, Reason: "record isn't what was written"}
	}
	return s.Store.Read(ctx, list, lo, hi)
}

// A read that meets a damaged record is a fault of the server, and no command whose
// outcome is in doubt: to repeat it would be of no use.
func TestDamageThatAReadMeetsLeavesNothingInDoubt(t *testing.T) {
	s := &spoilt{Store: &storetest.Memory{}}
	w := recruiting(t, s)
	commit, by := w.ready("P1"), w.as(trial.Coordinator)
	if _, err := w.trial().Randomize(t.Context(), by, commit); err != nil {
		t.Fatal(err)
	}
	s.damaged = true
	_, err := w.trial().Randomize(t.Context(), by, commit) // whose receipt is read
	if _, damaged := errors.AsType[*store.DamageError](err); !damaged || errors.Is(err, ledger.ErrUnknown) {
		t.Errorf("it ends with %v", err)
	}
}
