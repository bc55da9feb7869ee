package server_test

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// A bypass is what the command line refuses, or asks for, before it calls; and a
// call of a client that has no such check.
type bypass struct {
	check  string // the key of the question or refusal in the program's texts
	name   string
	call   func() error
	code   codes.Code
	reason string // or the first field that is named
}

// slips are questions that keep people from slips: whoever answers yes may do it,
// and so may whoever calls without being asked.
var slips = map[string]string{
	"ask.close":              "closing is for who may open, and is an entry",
	"ask.disable":            "disabling takes a reason, and the last custodian stays",
	"ask.early":              "early forms are taken and flagged, never refused: missing data are worse",
	"ask.seal":               "sealing is for the custodian; before the first participant it can be abandoned",
	"ask.submit":             "forms can be corrected, with both values kept",
	"ask.accept-fork":        "it is about what this machine remembers of the log",
	"ask.yes-no":             "the answers to any of these questions",
	"ask.how":                "an explanation",
	"ask.missing":            "an explanation",
	"ask.name":               "asks for a part of the request",
	"ask.user":               "asks for a part of the request",
	"ask.entropy":            "asks for a part of the request",
	"ask.code":               "asks for a part of the request: see step-up",
	"ask.new-code":           "asks for a part of the request",
	"ask.recovery-code":      "asks for a part of the request",
	"ask.password":           "asks for a part of the request",
	"ask.new-password":       "asks for a part of the request",
	"ask.password-again":     "against mistyping what isn't shown",
	"error.early":            "as ask.early",
	"error.passwords-differ": "as ask.password-again",
	"error.yes":              "nobody is there to be asked",
	"error.no-answers":       "nobody is there to be asked",
	"error.no-terminal":      "nobody is there to be asked",
	"error.no-user":          "nobody is there to be asked",
	"error.join":             "nobody is there to be asked",
	"error.no-trial":         "names no trial: see the product of roles and methods",
	"error.no-server":        "there is nothing to call",
	"error.no-pin":           "there is nothing to call",
	"error.no-export-key":    "about a file that is verified here",
	"error.entropy":          "two flags for one part of the request",
	"error.due":              "a flag that is a number in the request",
}

// here are refusals of commands that call nothing, or about files of this machine.
var here = regexp.MustCompile(`^error\.(archive|bad-key|clear-file|envelope|exists|file-name|folder|guess|identities|identity|neither|no-auditor|no-bundle|no-guesses|` +
	`key-changed|no-key|no-record|not-unsealed|other-|pins|ratio|record-|reveal-|second-key|sheet|unsealed-first|witness-key)`)

// questions returns the keys of what the command line asks or refuses by itself.
func questions(t *testing.T) map[string]bool {
	t.Helper()
	files, err := filepath.Glob("../client/cli/*.go")
	if err != nil {
		t.Fatal(err)
	}
	pattern := regexp.MustCompile(`"(ask\.[a-z-]+)"|(?:usageError\{|invalidError\{message: |notVerifiedError\{message: )a\.words\.say\("(error\.[a-z-]+)"`)
	found := map[string]bool{}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range pattern.FindAllSubmatch(text, -1) {
			found[string(m[1])+string(m[2])] = true
		}
	}
	return found
}

// Everything that the command line checks or asks before it calls is refused by the
// server, too, if a client calls that doesn't check; and each of its questions is
// in the table, or is one that only keeps people from slips.
func TestServerRefusesWhatClientsCheck(t *testing.T) {
	known := map[string]bool{}
	run := func(w *world, rows []bypass) {
		lists := []string{"T1/conduct", "T1/outcome", "T1/allocation", "T1/delivery"}
		entries := func() (n int64) {
			for _, list := range lists {
				n += w.log.Len(list)
			}
			return n
		}
		for _, b := range rows {
			known[b.check] = true
			before := entries()
			err := b.call()
			if want := status.Convert(err); want.Code() != b.code || reasonOf(want) != b.reason && !slices.Contains(fields(err), b.reason) {
				t.Errorf("%s, %s: %v, want %v %s", b.check, b.name, err, b.code, b.reason)
			}
			if after := entries(); after != before {
				t.Errorf("%s, %s: %d entries of what was refused", b.check, b.name, after-before)
			}
		}
	}
	w := newBypassed(t)
	run(w, w.confirmations())
	run(w, w.steppingUp())
	run(w, w.badRequests())
	run(w, w.restored())
	w = newUnsealed(t, unlimited)
	run(w, w.sealings())
	run(w, w.unsealed())
	asked := questions(t)
	for check := range asked {
		if _, slip := slips[check]; !known[check] && !slip && !here.MatchString(check) {
			t.Errorf("the command line checks %s, and no call here goes without", check)
		}
	}
	if len(asked) < 40 || !asked["ask.confirm"] || !asked["error.confirm"] {
		t.Errorf("%d questions were found: the test is blind", len(asked))
	}
}

// newBypassed returns a trial in which there is something to be refused.
func newBypassed(t *testing.T) *world {
	t.Helper()
	w := newTrial(t, unlimited)
	w.must(w.join(w.invite(), "cl"))
	w.must(w.grant("cus", "cl", "clinician", "", ""))
	w.must(w.join(w.invite(), "re"))
	w.must(w.grant("cus", "re", "reviewer", "", ""))
	w.randomize("S-1", "OSL")
	w.randomize("S-2", "OSL")
	w.ready("S-3", "OSL")
	w.takeLock()
	w.wait(180 * 24 * time.Hour)
	return w
}

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
			req.Confirm, req.StepUp = "", w.sure("pi", "Unblind", "S-1")
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
			req.StepUp = w.sure("pi", "Unblind", "S-2")
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
	print := func(recipients ...string) func() error {
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
		{"error.recipients", "one recipient", print(id.Recipient().String()), invalid, "recipients"},
		{"error.recipients", "one person twice", print(id.Recipient().String(), id.Recipient().String()), invalid, "recipients"},
		{"error.recipient", "no recipient", print(id.Recipient().String(), "age1notakey"), invalid, "recipients"},
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
		{"error.event-text", "an event of few words", event("ill"), invalid, "text"},
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
		{"error.list", "a format without a list", seal(func(r *loddv1.SealDesignRequest) { r.ListFormat = "csv" }), invalid, "list_format"},
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
