package cli

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

func (a *app) protocolCommand() *cobra.Command {
	var design bool
	show := a.remote(spec{
		use: "show NAME", short: "Print the file of a built-in protocol, to start from",
		example: "  lodd protocol show ips > trial.yaml\n  lodd protocol show ips --design > design.yaml",
		args:    cobra.ExactArgs(1),
	}, func(c call) error {
		answer, err := c.Trials().GetBuiltinProtocol(c.ctx, &loddv1.GetBuiltinProtocolRequest{Name: c.args[0]})
		if err != nil {
			return err
		}
		file := answer.GetProtocol()
		if design {
			file = answer.GetDesign()
		}
		_, err = a.deps.Stdout.Write(file)
		return err
	})
	show.Flags().BoolVar(&design, "design", false, "the example of a randomization file instead")
	return noun("protocol", "Show built-in protocols", show)
}

func (a *app) trialCommand() *cobra.Command {
	return noun("trial", "Set trials up and look at them",
		a.trialCreate(), a.trialSeal(), a.trialContribute(), a.trialAbandon(), a.trialSealingRecord(),
		a.trialOpen(), a.trialClose(), a.trialReconcile(), a.trialList(), a.trialShow(), a.trialUse())
}

func (a *app) trialCreate() *cobra.Command {
	var path string
	cmd := a.remote(spec{use: "create", short: "Make a trial of a protocol file", args: byFlag("-f")}, func(c call) error {
		file, err := a.readInput(path)
		if err != nil {
			return err
		}
		id, err := a.requestID()
		if err != nil {
			return err
		}
		answer, err := c.Trials().CreateTrial(c.ctx, &loddv1.CreateTrialRequest{RequestId: id, FileName: fileName(path), Protocol: file})
		if err != nil {
			return a.noRoom(a.exists(err, "error.trial-exists", "hint.trial-exists"))
		}
		return a.write(receiptOf("creation", answer.GetReceipt(), "trial", answer.GetTrialId()))
	})
	fileFlag(cmd, &path)
	return cmd
}

// fileFlag adds the flag that names the file to send.
func fileFlag(cmd *cobra.Command, path *string) {
	cmd.Flags().StringVarP(path, "file", "f", "", "the `FILE`; - is standard input")
	if err := cmd.MarkFlagRequired("file"); err != nil {
		panic("cli: flag file: " + err.Error()) // it was defined a line above
	}
}

// fileName returns the name of a file for the server's messages about it.
func fileName(path string) string {
	if path == "-" {
		return "standard input"
	}
	return filepath.Base(path)
}

func (a *app) trialOpen() *cobra.Command {
	return a.inTrial(spec{use: "open", short: "Open enrolment"}, func(c trialCall) error {
		answer, err := c.Trials().OpenEnrolment(c.ctx, &loddv1.OpenEnrolmentRequest{TrialId: c.trial, RequestId: c.request})
		if err != nil {
			return a.exists(err, "error.opened", "hint.opened")
		}
		return a.write(receiptOf("enrolment", answer.GetReceipt(), "trial", c.trial, "state", code("open")))
	})
}

func (a *app) trialClose() *cobra.Command {
	return a.inTrial(spec{use: "close", short: "Close enrolment"}, func(c trialCall) error {
		if err := a.confirm(c.ctx, "ask.close", c.trial); err != nil {
			return err
		}
		answer, err := c.Trials().CloseEnrolment(c.ctx, &loddv1.CloseEnrolmentRequest{TrialId: c.trial, RequestId: c.request})
		if err != nil {
			return err
		}
		return a.write(receiptOf("enrolment", answer.GetReceipt(), "trial", c.trial, "state", code("closed")))
	})
}

func (a *app) trialList() *cobra.Command {
	return a.remote(spec{use: "list", short: "List your trials"}, func(c call) error {
		answer, err := c.Trials().ListTrials(c.ctx, &loddv1.ListTrialsRequest{})
		if err != nil {
			return err
		}
		r := list("trials", "trials", "trial", "title", "state")
		for _, x := range answer.GetTrials() {
			r.add(x.GetTrialId(), a.words.text(x.GetTitle()), code(x.GetState()))
		}
		return a.write(r)
	})
}

func (a *app) trialShow() *cobra.Command {
	return a.inTrial(spec{use: "show", short: "Show a trial: its protocol, its state and its flow of participants"}, func(c trialCall) error {
		t, err := c.Trials().GetTrial(c.ctx, &loddv1.GetTrialRequest{TrialId: c.trial})
		if err != nil {
			return err
		}
		if a.settings.output == "json" || a.settings.output == "jsonl" {
			err = a.writeTrial(t)
		} else {
			err = a.write(a.trialLines(t))
		}
		if err == nil && t.GetState() == "fenced" {
			a.note("note.fenced", t.GetTrialId())
		}
		return err
	})
}

// trialLines returns a trial as lines for people.
func (a *app) trialLines(t *loddv1.GetTrialResponse) result {
	var arms, sites, visits, factors, forms, consents []string
	for _, x := range t.GetArms() {
		arms = append(arms, fmt.Sprintf("%s:%d", x.GetId(), x.GetRatio()))
	}
	for _, x := range t.GetSites() {
		sites = append(sites, x.GetId())
	}
	for _, x := range t.GetVisits() {
		visits = append(visits, fmt.Sprintf("%s:%dm-%d+%d", x.GetId(), x.GetMonths(), x.GetBefore(), x.GetAfter()))
	}
	for _, x := range t.GetFactors() {
		factors = append(factors, x.GetId())
	}
	for _, x := range t.GetForms() {
		forms = append(forms, x.GetForm())
	}
	for _, x := range t.GetConsents() {
		consents = append(consents, x.GetVersion())
	}
	r := one("trial", "trial", t.GetTrialId(), "title", a.words.text(t.GetTitle()), "state", code(t.GetState()),
		"commitment", t.GetCommitment(), "time_zone", t.GetTimeZone(), "arms", arms, "sites", sites, "factors", factors,
		"visits", visits, "forms", forms, "consents", consents)
	if f := t.GetFlow(); f != nil {
		r.columns = append(r.columns, "screened", "not_eligible", "declined", "other", "pending", "randomized")
		r.rows[0] = append(r.rows[0], f.GetScreened(), f.GetNotEligible(), f.GetDeclined(), f.GetOther(), f.GetPending(), f.GetRandomized())
	}
	return r
}

func (a *app) trialUse() *cobra.Command {
	return a.remote(spec{use: "use ID", short: "Choose the trial that later commands are about", args: cobra.ExactArgs(1)}, func(c call) error {
		t, err := c.Trials().GetTrial(c.ctx, &loddv1.GetTrialRequest{TrialId: c.args[0]})
		if err != nil {
			return a.unknownTrial(c, c.args[0], err)
		}
		a.profile.Trial = t.GetTrialId()
		if err := a.dirs.SaveProfile(a.profile); err != nil {
			return err
		}
		a.note("note.trial", t.GetTrialId(), a.words.text(t.GetTitle()))
		return nil
	})
}
