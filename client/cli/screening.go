package cli

import (
	"maps"
	"slices"

	"github.com/spf13/cobra"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

func (a *app) screeningCommand() *cobra.Command {
	return noun("screening", "Keep the screening log", a.screeningAdd(), a.screeningConsent(), a.screeningAssess(), a.screeningExclude())
}

// screeningFile is what screening add reads.
type screeningFile struct {
	Participant string            `json:"participant"`
	Site        string            `json:"site"`
	Levels      map[string]string `json:"levels"`
	On          string            `json:"on"`
	Consent     *consentFile      `json:"consent"`
	Answers     map[string]bool   `json:"answers"`
}

type consentFile struct {
	Version string `json:"version"`
	On      string `json:"on"`
}

// message returns the consent as the server wants it, nil if there is none.
func (c *consentFile) message() *loddv1.ConsentGiven {
	if c == nil || *c == (consentFile{}) {
		return nil
	}
	return &loddv1.ConsentGiven{Version: c.Version, On: c.On}
}

const screeningExample = `{"participant": "OSL-0007", "site": "OSL", "levels": {"sex": "f"}, "on": "2026-10-01",
 "consent": {"version": "2", "on": "2026-10-01"}, "answers": {"adult": true, "in-treatment": true}}`

func (a *app) screeningAdd() *cobra.Command {
	var s screeningFile
	var consent consentFile
	cmd := a.inTrial(spec{
		use: "add [FILE|-]", short: "Enter a participant in the screening log", args: cobra.MaximumNArgs(1),
		long: `Enter a participant in the screening log, from a JSON file or with flags.

Never enter a name or an identity number. Consent and answers may follow later
by "screening consent" and "screening assess". The file:

` + screeningExample,
	}, func(c trialCall) error {
		if len(c.args) == 1 {
			if err := a.readJSON(c.args[0], &s); err != nil {
				return err
			}
		}
		if s.Consent == nil {
			s.Consent = &consent
		}
		answer, err := c.Screening().AddScreening(c.ctx, &loddv1.AddScreeningRequest{
			TrialId: c.trial, RequestId: c.request, Participant: s.Participant, Site: s.Site, Levels: s.Levels,
			On: s.On, Consent: s.Consent.message(), Answers: s.Answers,
		})
		if err != nil {
			return a.exists(err, "error.screened", "hint.screened")
		}
		a.noteExcluded(s.Participant, answer.GetExcluded())
		return a.write(receiptOf("screening", answer.GetReceipt(), "participant", s.Participant, "excluded", answer.GetExcluded()))
	})
	f := cmd.Flags()
	f.StringVar(&s.Participant, "participant", "", "screening `NUMBER`")
	f.StringVar(&s.Site, "site", "", "the `SITE`")
	f.StringToStringVar(&s.Levels, "level", nil, "level of a stratification factor, `FACTOR=LEVEL`; may be repeated")
	f.Lookup("level").DefValue = "" // the help would show an empty list
	f.StringVar(&s.On, "on", "", "date of screening, `YYYY-MM-DD`; default today")
	f.StringVar(&consent.Version, "consent-version", "", "`VERSION` of the consent form")
	f.StringVar(&consent.On, "consent-on", "", "date of the signature, `YYYY-MM-DD`")
	return cmd
}

func (a *app) screeningConsent() *cobra.Command {
	var consent consentFile
	cmd := a.inTrial(spec{use: "consent NUMBER", short: "Record the consent of a screened participant", args: cobra.ExactArgs(1)}, func(c trialCall) error {
		answer, err := c.Screening().RecordConsent(c.ctx, &loddv1.RecordConsentRequest{
			TrialId: c.trial, RequestId: c.request, Participant: c.args[0], Consent: consent.message(),
		})
		if err != nil {
			return a.exists(err, "error.consented", "hint.screened")
		}
		return a.write(receiptOf("consent", answer.GetReceipt(), "participant", c.args[0]))
	})
	required(cmd, &consent.Version, "version", "`VERSION` of the consent form")
	required(cmd, &consent.On, "on", "date of the signature, `YYYY-MM-DD`")
	return cmd
}

func (a *app) screeningAssess() *cobra.Command {
	return a.inTrial(spec{
		use: "assess NUMBER FILE|-", short: "Record the answers to all criteria of eligibility", args: cobra.ExactArgs(2),
		long: `Record the answers to all criteria of eligibility, from a JSON object:

{"adult": true, "in-treatment": true, "employed": false}`,
	}, func(c trialCall) error {
		var answers map[string]bool
		if err := a.readJSON(c.args[1], &answers); err != nil {
			return err
		}
		answer, err := c.Screening().AssessEligibility(c.ctx, &loddv1.AssessEligibilityRequest{
			TrialId: c.trial, RequestId: c.request, Participant: c.args[0], Answers: answers,
		})
		if err != nil {
			return a.exists(err, "error.assessed", "hint.screened")
		}
		a.noteExcluded(c.args[0], answer.GetExcluded())
		return a.write(receiptOf("eligibility", answer.GetReceipt(), "participant", c.args[0], "excluded", answer.GetExcluded()))
	})
}

// noteExcluded says that answers ended a screening, which a receipt alone may
// not bring home.
func (a *app) noteExcluded(participant string, excluded bool) {
	if excluded {
		a.note("note.excluded", participant)
	}
}

func (a *app) screeningExclude() *cobra.Command {
	var site, reason string
	cmd := a.inTrial(spec{use: "exclude NUMBER", short: "End a screening with a reason", args: cobra.ExactArgs(1)}, func(c trialCall) error {
		answer, err := c.Screening().Exclude(c.ctx, &loddv1.ExcludeRequest{
			TrialId: c.trial, RequestId: c.request, Participant: c.args[0], Site: site, Reason: reason,
		})
		if err != nil {
			return err
		}
		return a.write(receiptOf("exclusion", answer.GetReceipt(), "participant", c.args[0], "reason", code(reason)))
	})
	cmd.Flags().StringVar(&site, "site", "", "the `SITE`, if the number is not in the log yet")
	required(cmd, &reason, "reason", "`not-eligible|declined|other`")
	return cmd
}

// sortedKeys returns the keys of a map in order.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
