package cli

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/client"
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

func (a *app) auditCommand() *cobra.Command {
	return noun("audit", "Check and read the log", a.auditVerify(), a.auditList(), a.auditExport(), a.auditAcceptFork())
}

func (a *app) auditVerify() *cobra.Command {
	return a.inTrial(spec{
		use: "verify", short: "Verify on this machine that the log was not rewritten",
		long: `Verify on this machine that the log was not rewritten: the checkpoints are
signed, the hashes of the entries add up to them, and what was seen from here
before, lists and entries, is still there. Below which head a witness has signed
whom you trust is told, and when; see lodd witness trust.

What the entries say is not read: an entry that the server has lost or damaged,
while it keeps its hash, is found by lodd audit export, which reads all that your
role may read, and by lodd verify of that file.

How large each list was is told as it was seen from here before this run: 0 the
first time.`,
	}, func(c trialCall) error {
		compartments, err := c.Compartments(c.ctx, c.trial)
		if err != nil {
			return err
		}
		r := list("audit-verification", "compartments", "list", "entries", "seen_before", "root", "verified", "cosigned_entries", "cosigned_by")
		for _, name := range compartments {
			v, err := c.VerifyList(c.ctx, c.trial, name, a.progress("note.progress-verify"))
			if err != nil {
				return err
			}
			if len(v.Displaced) > 0 {
				a.note("note.displaced", name, strings.Join(v.Displaced, ", "))
			}
			size, by := cosigned(v)
			r.add(name, v.Checkpoint.Size, max(v.Before, 0), v.Checkpoint.Root.String(), true, size, by)
		}
		return a.write(r)
	})
}

// cosigned returns how many entries witnesses have co-signed, who, and when.
func cosigned(v client.Verified) (size int64, by []string) {
	if v.Cosigned == nil {
		return 0, cosigners(nil)
	}
	return v.Cosigned.Size, cosigners(v.Cosigned.Cosignatures)
}

// cosigners returns the witnesses of verified co-signatures, and when each signed.
func cosigners(signatures []audit.Cosignature) []string {
	by := []string{}
	for _, s := range signatures {
		by = append(by, s.Witness+" "+s.At.Format(time.RFC3339))
	}
	return by
}

func (a *app) auditAcceptFork() *cobra.Command {
	var confirm string
	cmd := a.inTrial(spec{
		use: "accept-fork", short: "Go on with a log from which entries were lost",
		long: `Go on with a log from which entries were lost, after an older copy of the server
was restored. Do it only if the operator has told you when that was and what was
lost, and the trial's sponsor knows. What was seen from here before is moved to
the folder of evidence: it shows what is lost. Type the trial once more, or give
it with --confirm.

It is also the way out if a file of what was seen was damaged on this machine: the
file is kept as evidence, too. If the log is what it was, nothing is changed.`,
	}, func(c trialCall) error {
		if confirm != "" && confirm != c.trial {
			return a.misused("error.other-confirm", confirm, c.trial)
		}
		if confirm == "" && a.console == nil {
			return &usageError{a.words.say("error.confirm-trial")}
		}
		return a.acceptFork(c, confirm)
	})
	cmd.Flags().StringVar(&confirm, "confirm", "", "the `TRIAL` once more")
	return cmd
}

// acceptFork forgets what was seen of a trial whose log isn't what it was. That the
// log is what it was is found before anybody is asked.
func (a *app) acceptFork(c trialCall, confirm string) error {
	err := c.Check(c.ctx, c.trial)
	wrong, ok := errors.AsType[*client.LogError](err)
	if err != nil && !ok {
		return err
	}
	var moved []string
	if !ok {
		a.note("note.no-fork")
	} else {
		a.note("note.fork", visible(a.foundIn(wrong)))
		if confirm, err = a.typed(c.ctx, confirm, "ask.accept-fork"); err != nil {
			return err
		}
		if confirm != c.trial {
			return a.misused("error.other-confirm", confirm, c.trial)
		}
		if moved, err = c.AcceptFork(c.trial); err != nil {
			return err
		}
		if len(moved) == 0 {
			a.note("note.nothing-remembered")
		}
	}
	if len(moved) == 0 && a.settings.output == "table" {
		return nil
	}
	return a.write(one("fork-acceptance", "trial", c.trial, "evidence", notNil(moved)))
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
		var within reach
		for {
			e, err := stream.Recv()
			if errors.Is(err, io.EOF) {
				return a.write(r)
			}
			if err != nil {
				return err
			}
			if within == nil && a.profile.LogKey != "" { // not before the server has begun: it sends what is there then
				if within, err = a.reach(c); err != nil {
					return err
				}
			}
			if err := within.take(e); err != nil {
				return err
			}
			r.add(e.GetList(), e.GetIndex(), stamp(e.GetAt()), e.GetActor(), code(e.GetRole()), code(e.GetKind()), rawObject(e.GetDetail()), hex.EncodeToString(e.GetLeafHash()))
		}
	})
	cmd.Flags().StringVar(&req.List, "list", "", "only this compartment, for example `IPS/conduct`")
	cmd.Flags().StringVar(&req.Participant, "participant", "", "only what is about this `NUMBER`")
	return cmd
}

// reach is which indexes the next entry of each list can have: a stream of
// entries that doesn't end must not fill the memory. Without the key of the log
// it is nil, and nothing is known of its lists.
type reach map[string]*span

type span struct{ next, size int64 }

// reach returns how far the heads that the log has signed reach.
func (a *app) reach(c trialCall) (reach, error) {
	compartments, err := c.Compartments(c.ctx, c.trial)
	if err != nil {
		return nil, err
	}
	r := reach{}
	for _, name := range compartments {
		v, err := c.Follow(c.ctx, c.trial, name)
		if err != nil {
			return nil, err
		}
		r[name] = &span{size: v.Checkpoint.Size}
	}
	return r, nil
}

// take refuses an entry that the log can't have after those taken before.
func (r reach) take(e *loddv1.ListEntriesResponse) error {
	of := r[e.GetList()]
	switch {
	case r == nil:
		return nil
	case of == nil:
		return fmt.Errorf("the server sent an entry of %s, a list that it doesn't show", visible(e.GetList()))
	case e.GetIndex() < of.next || e.GetIndex() >= of.size:
		return fmt.Errorf("the server sent entry %d of %s, where one between %d and %d is wanted", e.GetIndex(), e.GetList(), of.next, of.size-1)
	}
	of.next = e.GetIndex() + 1
	return nil
}
