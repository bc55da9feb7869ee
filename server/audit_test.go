package server_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
	"google.golang.org/grpc/codes"

	"github.com/lodd-rct/lodd/audit"
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/server"
)

// Each role checks the compartments that hold what it works with.
func TestListCompartments(t *testing.T) {
	w := newTrial(t, nil)
	want := map[string]string{
		"auditor": "conduct outcome delivery allocation system", "assessor": "conduct outcome", "monitor": "conduct outcome",
		"treatment-team": "conduct delivery", "investigator": "conduct allocation", "custodian": "conduct allocation system", "statistician": "conduct allocation",
	}
	for _, p := range cast {
		got, err := w.audit().ListCompartments(w.as(p.user), &loddv1.ListCompartmentsRequest{TrialId: "T1"})
		w.must(err)
		lists := strings.ReplaceAll(strings.Join(got.GetLists(), " "), "T1/", "")
		if expect, ok := want[p.role]; lists != expect && (ok || lists != "conduct") {
			t.Errorf("%s checks %q", p.user, lists)
		}
	}
	// A compartment of others is as if it weren't there.
	checkpoint := func(list string) error {
		_, err := w.audit().GetCheckpoint(w.as("oa-osl"), &loddv1.GetCheckpointRequest{TrialId: "T1", List: list})
		return err
	}
	refused(t, checkpoint("T1/none"), codes.NotFound, "NOT_FOUND")
	for _, list := range []string{"T1/delivery", "T1/allocation", "system", "", "T2/conduct"} {
		same(t, checkpoint(list), checkpoint("T1/none"))
	}
	w.must(checkpoint("T1/outcome")) // which has no entries yet
}

func (w *world) leaves(user, list string, from, size int64) (hashes []tlog.Hash, err error) {
	s, err := w.audit().ListLeaves(w.as(user), &loddv1.ListLeavesRequest{TrialId: "T1", List: list, From: from, Size: size})
	w.must(err)
	for {
		piece, err := s.Recv()
		if errors.Is(err, io.EOF) {
			return hashes, nil
		}
		if err != nil {
			return nil, err
		}
		for b := piece.GetHashes(); len(b) > 0; b = b[tlog.HashSize:] {
			hashes = append(hashes, tlog.Hash(b[:tlog.HashSize]))
		}
	}
}

// A client can recompute the head that the server signed, and hold a later one
// to it.
func TestCheckpointsLeavesAndProofs(t *testing.T) {
	w := newTrial(t, nil)
	verifier, err := note.NewVerifier(w.keys.LogVerifier)
	w.must(err)
	checkpoint := func() audit.Checkpoint {
		t.Helper()
		got, err := w.audit().GetCheckpoint(w.as("tc-osl"), &loddv1.GetCheckpointRequest{TrialId: "T1", List: "T1/conduct"})
		w.must(err)
		c, err := audit.OpenCheckpoint([]byte(got.GetCheckpoint()), note.VerifierList(verifier))
		w.must(err)
		return c
	}
	older := checkpoint()
	w.randomize("S-1", "OSL")
	newer := checkpoint()
	leaves, err := w.leaves("tc-osl", "T1/conduct", 0, newer.Size)
	w.must(err)
	var tree audit.Tree
	for _, l := range leaves {
		tree.Add(l)
	}
	if tree.Root() != newer.Root || newer.Size <= older.Size {
		t.Errorf("leaves add up to %v, signed is %v", tree.Root(), newer)
	}
	proof, err := w.audit().ProveConsistency(w.as("tc-osl"), &loddv1.ProveConsistencyRequest{TrialId: "T1", List: "T1/conduct", OldSize: older.Size, NewSize: newer.Size})
	w.must(err)
	var hashes tlog.TreeProof
	for _, h := range proof.GetHashes() {
		hashes = append(hashes, tlog.Hash(h))
	}
	w.must(newer.CheckTree(older, hashes))

	for _, bad := range [][2]int64{{-1, 1}, {2, 1}, {0, newer.Size + 1}, {0, -1}} {
		_, err := w.leaves("tc-osl", "T1/conduct", bad[0], bad[1])
		refused(t, err, codes.InvalidArgument, "")
		_, err = w.audit().ProveConsistency(w.as("tc-osl"), &loddv1.ProveConsistencyRequest{TrialId: "T1", List: "T1/conduct", OldSize: bad[0], NewSize: bad[1]})
		refused(t, err, codes.InvalidArgument, "")
	}
}

// entries returns what a user may read.
func (w *world) entries(user string, req *loddv1.ListEntriesRequest) (out []*loddv1.ListEntriesResponse, err error) {
	w.t.Helper()
	req.TrialId = "T1"
	s, err := w.audit().ListEntries(w.as(user), req)
	w.must(err)
	for {
		e, err := s.Recv()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
}

// An auditor sees every entry of the trial, others their own.
func TestListEntries(t *testing.T) {
	w := newTrial(t, nil)
	w.must(w.join(w.invite(), "stranger")) // who has nothing to do with the trial
	w.as("stranger")
	_, err := w.trials().CreateTrial(w.as("admin"), &loddv1.CreateTrialRequest{
		RequestId: w.id(), Protocol: bytes.ReplaceAll(w.file("protocol.yaml"), []byte("id: T1"), []byte("id: T2")),
	})
	w.must(err)
	_, err = w.people().GrantRole(w.as("admin"), &loddv1.GrantRoleRequest{TrialId: "T2", User: "cus", Role: "custodian"})
	w.must(err)
	w.randomize("S-1", "OSL")
	w.randomize("S-2", "OSL")
	_, err = w.delivery().ListTeam(w.as("es-north"), &loddv1.ListTeamRequest{TrialId: "T1"})
	w.must(err)

	all, err := w.entries("au", &loddv1.ListEntriesRequest{})
	w.must(err)
	perList := map[string]int64{}
	for _, e := range all {
		perList[e.GetList()]++
		if strings.Contains(e.GetDetail(), "sealed") || strings.Contains(e.GetDetail(), "stranger") || strings.Contains(e.GetDetail(), "T2") || e.GetActor() == "stranger" {
			t.Errorf("entry %v", e)
		}
		if leaves, err := w.leaves("au", e.GetList(), e.GetIndex(), e.GetIndex()+1); err != nil || !bytes.Equal(leaves[0][:], e.GetLeafHash()) {
			t.Errorf("entry %d of %s has another hash than the log, %v", e.GetIndex(), e.GetList(), err)
		}
	}
	for _, list := range []string{"T1/conduct", "T1/delivery", "T1/allocation"} {
		if n := w.log.Len(list); perList[list] != n || n == 0 {
			t.Errorf("%d entries of %s, want %d", perList[list], list, n)
		}
	}
	if n := w.log.Len("system"); perList["system"] == 0 || perList["system"] >= n {
		t.Errorf("%d entries of system out of %d, want those of the trial's people", perList["system"], n)
	}

	own, err := w.entries("tc-osl", &loddv1.ListEntriesRequest{})
	w.must(err)
	if len(own) == 0 || slices.ContainsFunc(own, func(e *loddv1.ListEntriesResponse) bool {
		return e.GetActor() != "tc-osl" || e.GetList() != "T1/conduct"
	}) {
		t.Errorf("own entries = %v", own)
	}
	one, err := w.entries("au", &loddv1.ListEntriesRequest{List: "T1/allocation", Participant: "S-2"})
	w.must(err)
	if len(one) != 1 || one[0].GetKind() != "allocated" {
		t.Errorf("about S-2: %v", one)
	}
	_, err = w.entries("tc-osl", &loddv1.ListEntriesRequest{List: "T1/allocation"})
	refused(t, err, codes.NotFound, "NOT_FOUND")
}

// The entries as they are stored have the hashes of the log; a size leaves out
// what came later.
func TestListEntriesRawUpToASize(t *testing.T) {
	w := newTrial(t, nil)
	w.randomize("S-1", "OSL")
	n := w.log.Len("T1/conduct")
	for _, size := range []int64{1, n - 1, n} {
		got, err := w.entries("au", &loddv1.ListEntriesRequest{List: "T1/conduct", Raw: true, Size: size})
		w.must(err)
		if int64(len(got)) != size {
			t.Errorf("%d entries, want %d", len(got), size)
		}
		for _, e := range got {
			if leaf := audit.Leaf(e.GetEntry()); !bytes.Equal(leaf[:], e.GetLeafHash()) {
				t.Errorf("entry %d doesn't have its hash", e.GetIndex())
			}
		}
	}
	plain, err := w.entries("au", &loddv1.ListEntriesRequest{List: "T1/conduct"})
	w.must(err)
	own, err := w.entries("tc-osl", &loddv1.ListEntriesRequest{Raw: true})
	w.must(err)
	for _, e := range append(plain, own...) {
		if raw := e.GetEntry() != nil; raw != (e.GetActor() == "tc-osl" && slices.Contains(own, e)) {
			t.Errorf("entry %d of %s is sent raw: %t", e.GetIndex(), e.GetActor(), raw)
		}
	}
	for _, bad := range []*loddv1.ListEntriesRequest{{Size: 1}, {List: "T1/conduct", Size: n + 1}, {List: "T1/conduct", Size: -1}} {
		_, err := w.entries("au", bad)
		refused(t, err, codes.InvalidArgument, "")
	}
}

// An entry that this server didn't write reaches nobody, even if it got into the
// log after the start.
func TestListEntriesRefusesWhatTheServerDidNotWrite(t *testing.T) {
	w := newTrial(t, nil)
	entry, err := w.log.Read(t.Context(), "T1/conduct", 0, 1)
	w.must(err)
	n := w.log.Len("T1/conduct")
	_, err = w.log.Append(t.Context(), audit.Part{List: "T1/conduct", At: n, Entries: entry}) // a copy, with the code of another place
	w.must(err)
	got, err := w.entries("au", &loddv1.ListEntriesRequest{List: "T1/conduct"})
	refused(t, err, codes.Internal, "")
	if len(got) != 0 {
		t.Errorf("%d entries", len(got))
	}
	_, err = w.entries("au", &loddv1.ListEntriesRequest{List: "T1/conduct", Size: n})
	w.must(err)
}

// hooked returns a world in which, once something is set to happen, it does when
// the server looks at its clock for the n-th time after that.
func hooked(t *testing.T, n int64) (w *world, happen *func()) {
	t.Helper()
	var reads atomic.Int64
	happen = new(func())
	w = newTrial(t, func(c *server.Config) {
		now := c.Now
		c.Now = func() time.Time { // each message of a stream asks whether its session lasts
			if *happen != nil && reads.Add(1) == n {
				(*happen)()
			}
			return now()
		}
	})
	return w, happen
}

// Whoever loses a role while reading gets what has been fetched, and no more.
func TestListEntriesEndsWithTheRole(t *testing.T) {
	w, happen := hooked(t, 100) // in the first batch
	for i := range 300 {
		req := w.screened(fmt.Sprintf("S-%d", i), "OSL")
		req.Consent, req.Answers = nil, nil
		_, err := w.screening().AddScreening(w.as("tc-osl"), req)
		w.must(err)
	}
	custodian := w.as("cus")
	w.as("au")
	*happen = func() {
		_, err := w.people().RevokeRole(custodian, &loddv1.RevokeRoleRequest{TrialId: "T1", User: "au", Role: "auditor", Reason: "left"})
		w.must(err)
	}
	s, err := w.audit().ListEntries(w.as("au"), &loddv1.ListEntriesRequest{TrialId: "T1", List: "T1/conduct"})
	w.must(err)
	got := 0
	for ; err == nil; got++ {
		_, err = s.Recv()
	}
	refused(t, err, codes.PermissionDenied, "")
	if got-1 != 256 {
		t.Errorf("%d entries, want those of the first batch", got-1)
	}
}

// Whoever keeps a role reads on only what that role reads.
func TestListEntriesEndsWithTheRoleThatReadsTheList(t *testing.T) {
	w, happen := hooked(t, 6) // when the lock is sent
	w.must(w.grant("cus", "dm", "investigator", "", ""))
	w.randomize("S-1", "OSL")
	w.wait(180 * 24 * time.Hour)
	_, err := w.submit("oa-osl", "S-1", "month-6", "mood", `{"glad": 3, "calm": 2}`)
	w.must(err)
	w.takeLock()
	w.takeLock()
	custodian := w.as("cus")
	*happen = func() {
		_, err := w.people().RevokeRole(custodian, &loddv1.RevokeRoleRequest{TrialId: "T1", User: "dm", Role: "monitor", Reason: "left"})
		w.must(err)
	}
	own, err := w.entries("dm", &loddv1.ListEntriesRequest{})
	refused(t, err, codes.PermissionDenied, "")
	if n := w.count("system", "role_revoked dm"); n != 1 {
		t.Errorf("%d entries of the role's end, and read %v", n, own)
	}
}

// What happens while entries are read isn't read: the lists are those of the
// moment of the call.
func TestListEntriesReadsTheMomentOfTheCall(t *testing.T) {
	w, happen := hooked(t, 10) // in the first list
	w.randomize("S-1", "OSL")
	w.ready("S-2", "OSL")
	intent := w.prepare("S-2", "OSL")
	w.as("au")
	before := w.log.Len("T1/allocation")
	*happen = func() {
		_, err := w.commit("tc-osl", intent, "S-2")
		w.must(err)
	}
	all, err := w.entries("au", &loddv1.ListEntriesRequest{})
	w.must(err)
	if n := w.log.Len("T1/allocation"); n != before+1 {
		t.Fatalf("%d allocations, so nothing happened meanwhile", n)
	}
	for _, e := range all {
		if e.GetList() == "T1/allocation" && e.GetIndex() >= before {
			t.Errorf("an entry of later: %v", e)
		}
	}
}
