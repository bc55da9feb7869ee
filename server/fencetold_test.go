package server_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lodd-rct/lodd/server"
	"github.com/lodd-rct/lodd/server/trial"
)

// The operator is told of a trial that waits for its reconciliation: when somebody
// shows what the server lacks, once for each head, and at each start until it is
// reconciled.
func TestOperatorIsToldOfAFence(t *testing.T) {
	var told []trial.ID
	w := newTrial(t, func(c *server.Config) { c.Fenced = func(id trial.ID) { told = append(told, id) } })
	want := func(when string, ids ...trial.ID) {
		t.Helper()
		if diff := cmp.Diff(ids, told); diff != "" {
			t.Errorf("%s: %s", when, diff)
		}
		told = nil
	}
	older := w.store.Reopen()
	w.randomize("S-1", "OSL")
	head := w.head("T1/conduct")
	w.putBack(older)
	want("before anybody shows more")
	w.shows(head, "fenced")
	want("when it is shown", "T1")
	w.shows(head, "fenced")
	want("when it is shown again")
	w.restart()
	want("at the next start", "T1")
	w.must(w.reconcile(0))
	w.restart()
	want("once it is reconciled")
}
