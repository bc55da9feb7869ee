package cli

import (
	"encoding/hex"
	"errors"
	"io"

	"github.com/spf13/cobra"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

func (a *app) auditCommand() *cobra.Command {
	return noun("audit", "Check and read the log", a.auditVerify(), a.auditList(), a.auditExport())
}

func (a *app) auditVerify() *cobra.Command {
	return a.inTrial(spec{
		use: "verify", short: "Verify on this machine that the log was not rewritten",
		long: `Verify on this machine that the log was not rewritten: the checkpoints are
signed, the entries add up to them, and what was seen from here before, lists and
entries, is still there.`,
	}, func(c trialCall) error {
		compartments, err := c.Compartments(c.ctx, c.trial)
		if err != nil {
			return err
		}
		r := list("audit-verification", "compartments", "list", "entries", "seen_before", "root", "verified")
		for _, name := range compartments {
			v, err := c.VerifyList(c.ctx, c.trial, name, a.progress("note.progress-verify"))
			if err != nil {
				return err
			}
			r.add(name, v.Checkpoint.Size, max(v.Before, 0), v.Checkpoint.Root.String(), true)
		}
		return a.write(r)
	})
}

func (a *app) auditList() *cobra.Command {
	var req loddv1.ListEntriesRequest
	cmd := a.inTrial(spec{use: "list", short: "List what happened, as far as your role may know"}, func(c trialCall) error {
		req.TrialId = c.trial
		stream, err := c.Audit().ListEntries(c.ctx, &req)
		if err != nil {
			return err
		}
		r := list("audit", "entries", "list", "index", "at", "actor", "role", "kind", "detail", "leaf_hash")
		for {
			e, err := stream.Recv()
			if errors.Is(err, io.EOF) {
				return a.write(r)
			}
			if err != nil {
				return err
			}
			r.add(e.GetList(), e.GetIndex(), stamp(e.GetAt()), e.GetActor(), code(e.GetRole()), code(e.GetKind()), rawObject(e.GetDetail()), hex.EncodeToString(e.GetLeafHash()))
		}
	})
	cmd.Flags().StringVar(&req.List, "list", "", "only this compartment, for example `IPS/conduct`")
	cmd.Flags().StringVar(&req.Participant, "participant", "", "only what is about this `NUMBER`")
	return cmd
}
