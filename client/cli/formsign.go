package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// meanings are the codes, as the server has them.
const meanings = "authorship|review"

func (a *app) formSign() *cobra.Command {
	var g again
	meaning := "authorship"
	cmd := a.inTrial(spec{
		use: "sign NUMBER VISIT FORM", short: "Sign the answers of a form as they stand", args: cobra.ExactArgs(3),
		long: `Sign the answers of a form as they stand, with your password and second factor.
Your printed name, the time and the meaning stand beside the signature. If the form
is corrected later, the signature is shown as void, and the form can be signed anew.

Authorship is signed by whoever wrote the form as it stands, a review by another.`,
		example: "  lodd form sign OSL-0007 month-6 eq5d",
	}, func(c trialCall) error {
		if err := a.oneOf("meaning", meanings, meaning); err != nil {
			return err
		}
		read, err := c.Assessments().ReadForm(c.ctx, &loddv1.ReadFormRequest{TrialId: c.trial, Participant: c.args[0], Visit: c.args[1], Form: c.args[2]})
		if err != nil {
			return err
		}
		a.note("note.signing", c.args[2], c.args[0], c.args[1], read.GetValues(), a.words.state(meaning))
		token, err := g.stepUp(a, c.call, &loddv1.StepUpRequest{
			Act: loddv1.AssessmentService_SignForm_FullMethodName, Trial: c.trial, Subject: fmt.Sprintf("%s/%s/%s/%d/%s", c.args[0], c.args[1], c.args[2], read.GetVersion(), meaning),
		})
		if err != nil {
			return err
		}
		answer, err := c.Assessments().SignForm(c.ctx, &loddv1.SignFormRequest{
			TrialId: c.trial, RequestId: c.request, Participant: c.args[0], Visit: c.args[1], Form: c.args[2],
			Version: read.GetVersion(), Meaning: meaning, StepUp: token,
		})
		if err != nil {
			return err
		}
		s := answer.GetSignature()
		return a.write(receiptOf("signature", answer.GetReceipt(), "participant", c.args[0], "visit", c.args[1], "form", c.args[2],
			"signer", s.GetName(), "meaning", code(s.GetMeaning())))
	})
	cmd.Flags().StringVar(&meaning, "meaning", meaning, "`"+meanings+"`")
	g.register(cmd)
	return cmd
}

// signatureJSON is a signature as programs read it.
type signatureJSON struct {
	Name    string `json:"name"`
	By      string `json:"by"`
	Meaning string `json:"meaning"`
	At      string `json:"at"`
	Void    bool   `json:"void"`
}

// signaturesOf returns the signatures under a form, and says plainly which of
// them are void.
func (a *app) signaturesOf(answer *loddv1.ReadFormResponse) []signatureJSON {
	out := []signatureJSON{}
	for _, s := range answer.GetSignatures() {
		out = append(out, signatureJSON{s.GetName(), s.GetBy(), s.GetMeaning(), stamp(s.GetAt()), s.GetVoid()})
		if s.GetVoid() {
			a.note("note.void", s.GetName(), stamp(s.GetAt()))
		}
	}
	return out
}
