package server_test

import (
	"bytes"
	"strings"

	"filippo.io/age"
	"google.golang.org/grpc/codes"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// confirmations are acts for which something is typed once more.
func (w *world) confirmations() []bypass {
	w.t.Helper()
	intent := w.prepare("S-3", "OSL")
	const code, reason = codes.InvalidArgument, "NOT_CONFIRMED"
	return []bypass{
		{"ask.confirm", "randomize, nothing typed", func() error { _, err := w.commit("tc-osl", intent, ""); return err }, code, reason},
		{"error.confirm", "randomize, another number", func() error { _, err := w.commit("tc-osl", intent, "S-2"); return err }, code, reason},
		{"error.confirm", "an envelope", func() error {
			_, err := w.randomization().RecordContingencyAllocation(w.as("tc-osl"), &loddv1.RecordContingencyAllocationRequest{
				TrialId: "T1", RequestId: w.id(), Participant: "S-3", Envelope: 1, Stratum: "OSL/sex=female", Witness: "pi", Reason: "server-down", Confirm: "S-2",
			})
			return err
		}, code, reason},
		{"ask.withdraw-data", "withdraw from the data", func() error {
			_, err := w.participants().RecordWithdrawal(w.as("tc-osl"), &loddv1.RecordWithdrawalRequest{TrialId: "T1", RequestId: w.id(), Participant: "S-1", Scope: "data", Reason: "moved"})
			return err
		}, code, reason},
		{"ask.erase", "erase", func() error {
			_, err := w.participants().EraseParticipant(w.as("pi"), &loddv1.EraseParticipantRequest{TrialId: "T1", RequestId: w.id(), Participant: "S-1", Confirm: "S-2"})
			return err
		}, code, reason},
		{"ask.reconcile", "reconcile", func() error {
			_, err := w.trials().Reconcile(w.as("cus"), &loddv1.ReconcileRequest{TrialId: "T1", RequestId: w.id()})
			return err
		}, code, "confirm"},
		{"ask.abandon", "abandon the sealing", func() error {
			_, err := w.sealing().AbandonSealing(w.as("cus"), &loddv1.AbandonSealingRequest{TrialId: "T1", RequestId: w.id(), Reason: "other", Confirm: "T2"})
			return err
		}, code, "confirm"},
		{"ask.unseal", "unseal", func() error {
			_, err := loddv1.NewUnsealingServiceClient(w.conn).ApproveUnsealing(w.as("cus"), &loddv1.ApproveUnsealingRequest{TrialId: "T1", RequestId: w.id()})
			return err
		}, code, "confirm"},
		{"error.confirm-trial", "unseal another", func() error {
			_, err := loddv1.NewUnsealingServiceClient(w.conn).ApproveUnsealing(w.as("cus"), &loddv1.ApproveUnsealingRequest{TrialId: "T1", RequestId: w.id(), Confirm: "T2"})
			return err
		}, code, "confirm"},
		{"ask.unblind", "unblind", func() error {
			req := w.unblindRequest("S-1", "")
			req.Confirm, req.StepUp = "", w.sure("pi", "Unblind", "S-1/")
			_, err := w.unblinding().Unblind(w.as("pi"), req)
			return err
		}, code, reason},
	}
}

// steppingUp are acts for which people prove once more who they are, without the
// proof, or with one for something else.
func (w *world) steppingUp() []bypass {
	w.t.Helper()
	_, err := w.submit("oa-osl", "S-1", "month-6", "mood", `{"glad": 1, "calm": 2}`)
	w.must(err)
	read, err := w.assessment().ReadForm(w.as("oa-osl"), &loddv1.ReadFormRequest{TrialId: "T1", Participant: "S-1", Visit: "month-6", Form: "mood"})
	w.must(err)
	version := read.GetVersion()
	const check, code, reason = "ask.password-act", codes.PermissionDenied, "STEP_UP"
	return []bypass{
		{check, "unblind", func() error {
			_, err := w.unblinding().Unblind(w.as("pi"), w.unblindRequest("S-1", ""))
			return err
		}, code, reason},
		{check, "unblind somebody else", func() error {
			req := w.unblindRequest("S-1", "")
			req.StepUp = w.sure("pi", "Unblind", "S-2/")
			_, err := w.unblinding().Unblind(w.as("pi"), req)
			return err
		}, code, reason},
		{check, "a forged proof", func() error {
			req := w.unblindRequest("S-1", "")
			req.StepUp = strings.Repeat("A", 43)
			_, err := w.unblinding().Unblind(w.as("pi"), req)
			return err
		}, code, reason},
		{check, "sign", func() error {
			_, err := w.assessment().SignForm(w.as("oa-osl"), &loddv1.SignFormRequest{
				TrialId: "T1", RequestId: w.id(), Participant: "S-1", Visit: "month-6", Form: "mood", Version: version, Meaning: "authorship",
			})
			return err
		}, code, reason},
	}
}

// badRequests are requests that the command line would not send.
func (w *world) badRequests() []bypass {
	const invalid = codes.InvalidArgument
	id, err := age.GenerateX25519Identity()
	w.must(err)
	printing := func(recipients ...string) func() error {
		return func() error {
			_, err := w.sealing().PrintContingency(w.as("cus"), &loddv1.PrintContingencyRequest{TrialId: "T1", RequestId: w.id(), Envelopes: 2, Recipients: recipients})
			return err
		}
	}
	event := func(text string) func() error {
		return func() error {
			_, err := loddv1.NewSafetyServiceClient(w.conn).ReportAdverseEvent(w.as("tc-osl"), &loddv1.ReportAdverseEventRequest{
				TrialId: "T1", RequestId: w.id(), Participant: "S-1", Category: "admission", Text: text,
			})
			return err
		}
	}
	duplicate := func(kind, of string) func() error {
		return func() error {
			_, err := w.participants().RecordError(w.as("tc-osl"), &loddv1.RecordErrorRequest{TrialId: "T1", RequestId: w.id(), Participant: "S-1", Kind: kind, Of: of})
			return err
		}
	}
	unblind := func(change func(*loddv1.UnblindRequest)) func() error {
		return func() error {
			req := w.unblindRequest("S-1", "")
			change(req)
			_, err := w.unblinding().Unblind(w.as("pi"), req)
			return err
		}
	}
	return []bypass{
		{"error.recipients", "one recipient", printing(id.Recipient().String()), invalid, "recipients"},
		{"error.recipients", "one person twice", printing(id.Recipient().String(), id.Recipient().String()), invalid, "recipients"},
		{"error.recipient", "no recipient", printing(id.Recipient().String(), "age1notakey"), invalid, "recipients"},
		{"error.of", "a duplicate of nobody", duplicate("duplicate", ""), invalid, "of"},
		{"error.of", "an error of somebody", duplicate("not-eligible", "S-2"), invalid, "of"},
		{"error.one-of", "no reason for unblinding", unblind(func(r *loddv1.UnblindRequest) { r.Reason = "curiosity" }), invalid, "reason"},
		{"error.text", "nothing is said", unblind(func(r *loddv1.UnblindRequest) { r.Text = "" }), invalid, "text"},
		{"ask.why", "little is said", unblind(func(r *loddv1.UnblindRequest) { r.Text = "because" }), invalid, "text"},
		{"error.intent", "no intent", func() error { _, err := w.commit("tc-osl", "today", "S-3"); return err }, invalid, "intent_id"},
		{"error.lock", "no lock", func() error { _, _, _, err := w.download("dm", 0); return err }, codes.NotFound, "NOT_FOUND"},
		{"error.number", "collect what isn't there", func() error { _, err := w.collect("cl", -1); return err }, codes.NotFound, "NOT_FOUND"},
		{"error.problems", "answers out of range", func() error {
			_, err := w.submit("oa-osl", "S-2", "month-6", "mood", `{"glad": 9, "calm": 2}`)
			return err
		}, invalid, "values.glad"},
		{"error.problems", "no answer", func() error { _, err := w.submit("oa-osl", "S-2", "month-6", "mood", `{}`); return err }, invalid, "values.calm"},
		{"error.entry", "a text of no entry", func() error {
			_, err := w.reviews().JudgeText(w.as("re"), &loddv1.JudgeTextRequest{
				TrialId: "T1", RequestId: w.id(), Participant: "S-1", Visit: "month-6", Form: "mood", Item: "note", Entry: -1, Release: true,
			})
			return err
		}, codes.NotFound, "NOT_FOUND"},
		{"ask.event", "an event without words", event(""), invalid, "text"},
		{"error.event-text", "an event of few words", event(" \u200b "), invalid, "text"},
		{"error.day", "no day", func() error {
			_, err := w.people().ReviewAccess(w.as("au"), &loddv1.ReviewAccessRequest{TrialId: "T1", On: "yesterday"})
			return err
		}, invalid, "on"},
	}
}

// unsealed are requests about a design that isn't sealed, or awaits its second part.
func (w *world) unsealed() []bypass {
	w.t.Helper()
	const invalid = codes.InvalidArgument
	sealed, err := w.trials().SealDesign(w.as("cus"), &loddv1.SealDesignRequest{
		TrialId: "T1", RequestId: w.id(), FileName: "design.yaml", Design: w.file("design.yaml"), SecondParty: true,
	})
	w.must(err)
	commitment := sealed.GetCommitment()
	contribute := func(entropy []byte, commitment string) func() error {
		return func() error {
			_, err := w.sealing().ContributeEntropy(w.as("ts"), &loddv1.ContributeEntropyRequest{TrialId: "T1", RequestId: w.id(), Entropy: entropy, Commitment: commitment})
			return err
		}
	}
	return []bypass{
		{"error.entropy-size", "no entropy", contribute(nil, commitment), invalid, "entropy"},
		{"error.entropy-size", "much entropy", contribute(bytes.Repeat([]byte{1}, 1025), commitment), invalid, "entropy"},
		{"error.commitment", "another commitment", contribute([]byte("dice"), strings.Repeat("0", 64)), invalid, "commitment"},
		{"ask.commitment", "no commitment", contribute([]byte("dice"), ""), invalid, "commitment"},
	}
}

// sealings are designs that the server doesn't seal.
func (w *world) sealings() []bypass {
	const invalid = codes.InvalidArgument
	seal := func(change func(*loddv1.SealDesignRequest)) func() error {
		return func() error {
			req := &loddv1.SealDesignRequest{TrialId: "T1", RequestId: w.id(), FileName: "design.yaml", Design: w.file("design.yaml")}
			change(req)
			_, err := w.trials().SealDesign(w.as("cus"), req)
			return err
		}
	}
	return []bypass{
		{"error.list", "a list that no design wants", seal(func(r *loddv1.SealDesignRequest) { r.List, r.ListFormat = []byte("stratum,arm\n"), "csv" }), invalid, "design.yaml:1"},
		{"error.list", "a design that needs one", seal(func(r *loddv1.SealDesignRequest) { r.Design = []byte("design: list\n") }), invalid, "design.yaml:1"},
	}
}

// restored are reconciliations of a restore that lost what nobody could lose.
func (w *world) restored() []bypass {
	w.t.Helper()
	w.must(w.ledger.MarkRestored(w.t.Context(), func(list string) int64 { return map[string]int64{"T1/allocation": 3}[list] }))
	lost := func(stratum string, slots int32) func() error {
		return func() error {
			_, err := w.trials().Reconcile(w.as("cus"), &loddv1.ReconcileRequest{
				TrialId: "T1", RequestId: w.id(), Confirm: "T1", Lost: []*loddv1.LostSlots{{Stratum: stratum, Slots: slots}},
			})
			return err
		}
	}
	return []bypass{
		{"error.lost", "of no stratum", lost("nowhere", 3), codes.InvalidArgument, "lost"},
		{"error.lost", "fewer than none", lost("OSL/sex=female", -1), codes.InvalidArgument, "lost"},
		{"error.lost", "too few", lost("OSL/sex=female", 1), codes.InvalidArgument, "lost"},
	}
}
