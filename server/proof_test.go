package server_test

import (
	"bytes"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
	"google.golang.org/grpc/codes"

	"github.com/lodd-rct/lodd/audit"
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// tree returns hashes as the package of proofs has them.
func tree(hashes [][]byte) (out []tlog.Hash) {
	for _, h := range hashes {
		out = append(out, tlog.Hash(h))
	}
	return out
}

// One answer shows that an entry is in the log as it is now, and that the log
// continues what the caller knows.
func TestProveInclusion(t *testing.T) {
	w := newTrial(t, nil)
	prove := func(index, older int64) (*loddv1.ProveInclusionResponse, error) {
		return w.audit().ProveInclusion(w.as("tc-osl"), &loddv1.ProveInclusionRequest{TrialId: "T1", List: "T1/conduct", Index: index, OldSize: older})
	}
	oldSize, oldRoot := w.log.Root("T1/conduct")
	older := audit.Checkpoint{Origin: "example.org/T1/conduct", Size: oldSize, Root: oldRoot}
	w.randomize("S-1", "OSL")
	leaves, err := w.leaves("tc-osl", "T1/conduct", 0, w.log.Len("T1/conduct"))
	w.must(err)
	for index, leaf := range leaves {
		got, err := prove(int64(index), oldSize)
		w.must(err)
		now, err := audit.OpenCheckpoint([]byte(got.GetCheckpoint()), note.VerifierList(w.verifier()))
		w.must(err)
		w.must(now.CheckRecord(int64(index), leaf, tree(got.GetInclusion())))
		w.must(now.CheckTree(older, tree(got.GetConsistency())))
		if now.Size != int64(len(leaves)) {
			t.Errorf("proven in a list of %d entries, want the present %d", now.Size, len(leaves))
		}
	}
	// What isn't there has no proof; the checkpoint shows that it isn't.
	n := int64(len(leaves))
	for _, tt := range []struct {
		index, older           int64
		inclusion, consistency bool
	}{{n, n - 1, false, true}, {n - 1, n + 1, true, false}, {1 << 40, 1 << 40, false, false}, {0, 0, true, false}} {
		got, err := prove(tt.index, tt.older)
		w.must(err)
		if (len(got.GetInclusion()) > 0) != tt.inclusion || (len(got.GetConsistency()) > 0) != tt.consistency || got.GetCheckpoint() == "" {
			t.Errorf("index %d, older %d: %d and %d hashes", tt.index, tt.older, len(got.GetInclusion()), len(got.GetConsistency()))
		}
	}
	for _, bad := range [][2]int64{{-1, 0}, {0, -1}} {
		_, err := prove(bad[0], bad[1])
		refused(t, err, codes.InvalidArgument, "")
	}
	_, err = w.audit().ProveInclusion(w.as("tc-osl"), &loddv1.ProveInclusionRequest{TrialId: "T1", List: "T1/allocation"})
	refused(t, err, codes.NotFound, "NOT_FOUND")
}

// Whoever made an entry gets it with its proof, and so does an auditor: others
// get the proof alone.
func TestProveInclusionGivesTheEntryToItsMaker(t *testing.T) {
	w := newTrial(t, nil)
	w.randomize("S-1", "OSL")
	list := "T1/conduct"
	stored, err := w.log.Read(t.Context(), list, 0, w.log.Len(list))
	w.must(err)
	given := map[string]int{}
	for index, b := range stored {
		e, err := w.ledger.Entry(list, int64(index), b)
		w.must(err)
		for _, user := range []string{"tc-osl", "oa-osl", "cus", "au"} {
			got, err := w.audit().ProveInclusion(w.as(user), &loddv1.ProveInclusionRequest{TrialId: "T1", List: list, Index: int64(index)})
			w.must(err)
			if want := user == "au" || user == e.Actor; want != bytes.Equal(got.GetEntry(), b) || !want && got.GetEntry() != nil {
				t.Errorf("entry %d by %s: %s gets %d bytes", index, e.Actor, user, len(got.GetEntry()))
			}
			if got.GetEntry() != nil {
				given[user]++
			}
		}
	}
	if given["tc-osl"] == 0 || given["cus"] == 0 || given["oa-osl"] != 0 {
		t.Errorf("given %v", given)
	}
	// Of the accounts an auditor gets what is about the people of the trial.
	w.must(w.join(w.invite(), "stranger"))
	w.as("stranger")
	n := w.log.Len("system")
	got, err := w.audit().ProveInclusion(w.as("au"), &loddv1.ProveInclusionRequest{TrialId: "T1", List: "system", Index: n - 1})
	w.must(err)
	if len(got.GetInclusion()) == 0 || got.GetEntry() != nil {
		t.Errorf("a stranger's entry of %d bytes", len(got.GetEntry()))
	}
}
