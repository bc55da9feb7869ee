package cli

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

func (a *app) participantCommand() *cobra.Command {
	return noun("participant", "List participants and record what happens to them",
		a.participantList(), a.participantShow(), a.participantWithdraw(), a.participantErase(), a.participantDied(),
		a.participantError(), a.participantCorrectLevels(), a.participantReplace(), a.participantUnblind())
}

func (a *app) participantList() *cobra.Command {
	var state string
	states := []string{"screened", "ready", "excluded", "randomized", "withdrawn", "died", toErase, "erased"}
	cmd := a.inTrial(spec{use: "list", short: "List the participants of your sites"}, func(c trialCall) error {
		if state != "" {
			if err := a.oneOf("state", strings.Join(states, "|"), state); err != nil {
				return err
			}
		}
		answer, err := c.Screening().ListParticipants(c.ctx, &loddv1.ListParticipantsRequest{TrialId: c.trial})
		if exitCode(err) == exitNotAllowed && state == toErase {
			return &hintError{err, a.words.say("hint.who-waits")}
		}
		if err != nil {
			return err
		}
		r := list("participants", "participants", "participant", "site", "state", "missing", "randomized_on")
		waiting := 0
		for _, p := range answer.GetParticipants() {
			if p.GetState() == toErase {
				waiting++
			}
			if state != "" && p.GetState() != state {
				continue
			}
			r.add(p.GetParticipant(), p.GetSite(), code(p.GetState()), codeList(notNil(p.GetMissing())), p.GetRandomizedOn())
		}
		if err := a.write(r); err != nil {
			return err
		}
		if waiting > 0 {
			a.note("note.waiting", waiting, toErase)
		}
		return nil
	})
	cmd.Flags().StringVar(&state, "state", "", "only those in this `STATE`: "+strings.Join(states, ", "))
	return cmd
}

// toErase is the state of a participant who withdrew from the data, which
// nobody has destroyed yet.
const toErase = "to-erase"

// withdrawalReasons are the reasons for a withdrawal, as the server has them.
const withdrawalReasons = "no-longer-wants|burden|health|moved|not-given|other"

// oneOf refuses a flag whose value is none of its words, which are separated
// by |. The server does so too; it is for commands that ask a person before.
func (a *app) oneOf(flag, words, given string) error {
	all := strings.Split(words, "|")
	if slices.Contains(all, given) {
		return nil
	}
	return &usageError{a.words.say("error.one-of", flag, strings.Join(all, ", "), given)}
}

// notNil makes JSON write an empty list and not null.
func notNil(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}

func (a *app) participantWithdraw() *cobra.Command {
	var req loddv1.RecordWithdrawalRequest
	cmd := a.inTrial(spec{
		use: "withdraw NUMBER", short: "Record a withdrawal", args: cobra.ExactArgs(1),
		long: `Record a withdrawal.

Scope intervention: the treatment ends, the follow-up goes on.
Scope follow-up:    no new data; what is there stays.
Scope data:         nobody reads, exports or adds to the participant's data any
                    more, and another person destroys them: lodd participant
                    erase. Repeat the number with --confirm.`,
	}, func(c trialCall) error {
		req.TrialId, req.RequestId, req.Participant = c.trial, c.request, c.args[0]
		if req.GetScope() == "data" {
			err := a.oneOf("reason", withdrawalReasons, req.GetReason()) // nobody is asked in vain
			if err != nil {
				return err
			}
			if req.Confirm, err = a.typed(c.ctx, req.GetConfirm(), "ask.withdraw-data"); err != nil {
				return err
			}
			if req.GetConfirm() == "" {
				return &usageError{a.words.say("error.confirm")}
			}
		}
		answer, err := c.Participants().RecordWithdrawal(c.ctx, &req)
		if err != nil {
			return err
		}
		locks := answer.GetDestroyInLocks()
		if len(locks) > 0 {
			a.note("note.destroy", plain(locks))
		}
		if req.GetScope() == "data" {
			a.note("note.second-person", c.args[0])
		}
		return a.write(receiptOf("withdrawal", answer.GetReceipt(), "participant", c.args[0], "scope", code(req.GetScope()), "destroy_in_locks", notNilNumbers(locks)))
	})
	required(cmd, &req.Scope, "scope", "`intervention|follow-up|data`")
	required(cmd, &req.Reason, "reason", "`"+withdrawalReasons+"`")
	cmd.Flags().StringVar(&req.On, "on", "", "the date, `YYYY-MM-DD`; default today")
	cmd.Flags().StringVar(&req.Confirm, "confirm", "", "the screening `NUMBER` once more, for the scope data")
	return cmd
}

func (a *app) participantErase() *cobra.Command {
	var confirm string
	cmd := a.inTrial(spec{
		use: "erase NUMBER", short: "Destroy the data of a participant who withdrew from them", args: cobra.ExactArgs(1),
		long: `Destroy the data of a participant who withdrew from them, for good.

The withdrawal (lodd participant withdraw, scope data) is recorded by one person,
and another one erases: what cannot be undone takes two. The key of the data is
destroyed, so nobody can read them again, here or in copies of the log, which
still verifies. Repeat the number with --confirm. Who waits for it is listed for
coordinators: lodd participant list --state to-erase.

It does not reach exports that were downloaded, whose holders are to destroy
the rows, nor backups from before, which hold the key, wrapped.`,
	}, func(c trialCall) error {
		confirm, err := a.typed(c.ctx, confirm, "ask.erase")
		if err != nil {
			return err
		}
		if confirm == "" {
			return &usageError{a.words.say("error.confirm")}
		}
		answer, err := c.Participants().EraseParticipant(c.ctx, &loddv1.EraseParticipantRequest{
			TrialId: c.trial, RequestId: c.request, Participant: c.args[0], Confirm: confirm,
		})
		if err != nil {
			return err
		}
		r := answer.GetReceipt()
		if err := a.write(receiptOf("erasure", r, "participant", c.args[0])); err != nil {
			return err
		}
		done := stamp(r.GetAt())
		if r.GetRepeatedRequest() {
			a.note("note.erased-before", done)
		} else {
			a.note("note.erased")
		}
		a.note("note.copies", done)
		return nil
	})
	cmd.Flags().StringVar(&confirm, "confirm", "", "the screening `NUMBER` once more")
	return cmd
}

func (a *app) participantDied() *cobra.Command {
	var on string
	cmd := a.inTrial(spec{use: "died NUMBER", short: "Record a death", args: cobra.ExactArgs(1)}, func(c trialCall) error {
		answer, err := c.Participants().RecordDeath(c.ctx, &loddv1.RecordDeathRequest{TrialId: c.trial, RequestId: c.request, Participant: c.args[0], On: on})
		if err != nil {
			return err
		}
		return a.write(receiptOf("death", answer.GetReceipt(), "participant", c.args[0]))
	})
	required(cmd, &on, "on", "the date, `YYYY-MM-DD`")
	return cmd
}

func (a *app) visitCommand() *cobra.Command {
	var reason string
	missed := a.inTrial(spec{use: "missed NUMBER VISIT", short: "Record that a visit did not take place", args: cobra.ExactArgs(2)}, func(c trialCall) error {
		answer, err := c.Assessments().RecordMissedVisit(c.ctx, &loddv1.RecordMissedVisitRequest{
			TrialId: c.trial, RequestId: c.request, Participant: c.args[0], Visit: c.args[1], Reason: reason,
		})
		if err != nil {
			return err
		}
		return a.write(receiptOf("missed-visit", answer.GetReceipt(), "participant", c.args[0], "visit", c.args[1], "reason", code(reason)))
	})
	required(missed, &reason, "reason", "`not-reached|declined|too-ill|moved|other`")
	return noun("visit", "Record what became of visits", missed)
}
