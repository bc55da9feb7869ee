package server_test

import (
	"bytes"
	"testing"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/server/ledger"
)

// Whoever gives or takes a role in a trial may find the entry in the list of
// accounts, and is shown it. What was so already has no receipt, and an
// administrator, who may not check that list, gets none.
func TestReceiptsOfRolesAreProven(t *testing.T) {
	w := newTrial(t, nil)
	prove := func(what string, r *loddv1.Receipt) {
		t.Helper()
		if r.GetList() != ledger.System {
			t.Errorf("%s: the receipt is of %q", what, r.GetList())
			return
		}
		a, err := w.audit().ProveInclusion(w.as("cus"), &loddv1.ProveInclusionRequest{TrialId: "T1", List: r.GetList(), Index: r.GetIndex()})
		if err != nil || len(a.GetEntry()) == 0 {
			t.Errorf("%s: proven with an entry of %d bytes, %v", what, len(a.GetEntry()), err)
		}
	}
	w.must(w.join(w.invite(), "nora"))
	w.must(w.join(w.invite(), "nils"))
	grant := &loddv1.GrantRoleRequest{TrialId: "T1", User: "nora", Role: "monitor"}
	given, err := w.people().GrantRole(w.as("cus"), grant)
	w.must(err)
	prove("given", given.GetReceipt())
	given, err = w.people().GrantRole(w.as("cus"), grant)
	w.must(err)
	if given.GetReceipt() != nil {
		t.Error("a receipt for a role that was held already")
	}
	over, err := w.people().HandOver(w.as("cus"), &loddv1.HandOverRequest{TrialId: "T1", From: "nora", To: "nils", Reason: "on leave"})
	w.must(err)
	prove("handed over", over.GetReceipt())
	taken, err := w.people().RevokeRole(w.as("cus"), &loddv1.RevokeRoleRequest{TrialId: "T1", User: "nils", Role: "monitor", Reason: "has left"})
	w.must(err)
	prove("taken", taken.GetReceipt())
	_, err = w.trials().CreateTrial(w.as("admin"), &loddv1.CreateTrialRequest{RequestId: w.id(), Protocol: bytes.ReplaceAll(w.file("protocol.yaml"), []byte("id: T1"), []byte("id: T2"))})
	w.must(err)
	given, err = w.people().GrantRole(w.as("admin"), &loddv1.GrantRoleRequest{TrialId: "T2", User: "nora", Role: "custodian"})
	w.must(err)
	if given.GetReceipt() != nil {
		t.Error("an administrator got a receipt that nobody lets them check")
	}
}

// The intent to randomize somebody has a receipt, too.
func TestPreparationHasAReceipt(t *testing.T) {
	w := newTrial(t, nil)
	w.ready("S-1", "OSL")
	p, err := w.randomization().PrepareRandomization(w.as("tc-osl"), &loddv1.PrepareRandomizationRequest{TrialId: "T1", RequestId: w.id(), Participant: "S-1"})
	w.must(err)
	if p.GetReceipt().GetList() != "T1/conduct" || len(p.GetReceipt().GetLeafHash()) != 32 {
		t.Errorf("receipt %v", p.GetReceipt())
	}
}
