package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"filippo.io/age"
	"github.com/spf13/cobra"

	"github.com/lodd-rct/lodd/audit/durable"
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

func (a *app) contingencyCommand() *cobra.Command {
	return noun("contingency", "Backup envelopes for when the server can't be reached",
		a.contingencyPrint(), a.contingencyOpen(), a.contingencyRecord(), a.contingencySpoil())
}

func (a *app) contingencyPrint() *cobra.Command {
	var req loddv1.PrintContingencyRequest
	var dir string
	cmd := a.inTrial(spec{
		use: "print", short: "Make backup envelopes for each stratum, sealed to two people",
		long: `Make backup envelopes for each stratum, to randomize by while the server can't be
reached. They are drawn apart from the sequences, which they don't touch.

Into the new folder --out goes, for each stratum, a sheet that only the two
recipients can open together (lodd contingency open), and a register to print,
which tells no arm. Each recipient makes a key with age-keygen, keeps it, and gives
you the line that begins with age1. The two of them open each sheet, print it, and
put every slip into an opaque envelope with its number on the outside.

The same number as before gives the same envelopes again, a larger number more.`,
		example: "  lodd contingency print --envelopes 10 --recipient age1… --recipient age1… --out envelopes",
	}, func(c trialCall) error {
		if err := a.checkRecipients(req.GetRecipients()); err != nil {
			return err
		}
		if err := a.newFolder(dir); err != nil {
			return err
		}
		req.TrialId, req.RequestId = c.trial, c.request
		answer, err := c.Sealing().PrintContingency(c.ctx, &req)
		if err != nil {
			return errors.Join(err, discardFolder(dir))
		}
		r := receiptOf("contingency", answer.GetReceipt(), "trial", c.trial, "envelopes", req.GetEnvelopes(), "dir", dir)
		var files []string
		for _, sheet := range answer.GetSheets() {
			written, err := a.writeSheet(c.trial, dir, sheet, int(req.GetEnvelopes()))
			if err != nil {
				return &hintError{err, a.words.say("hint.contingency")}
			}
			files = append(files, written...)
		}
		if err := durable.SyncDir(dir); err != nil {
			return &hintError{fmt.Errorf("write: %w", err), a.words.say("hint.contingency")}
		}
		r.columns, r.rows[0] = append(r.columns, "files"), append(r.rows[0], notNil(files))
		a.note("note.contingency", dir)
		return a.write(r)
	})
	cmd.Flags().Int32Var(&req.Envelopes, "envelopes", 0, "`N` envelopes for each stratum, 1 to 1,000")
	cmd.Flags().StringArrayVar(&req.Recipients, "recipient", nil, "a person's `AGE-RECIPIENT`, age1…; give two")
	required(cmd, &dir, "out", "a new `FOLDER` for the sheets and the registers")
	mustRequire(cmd, "envelopes", "recipient")
	return cmd
}

// checkRecipients demands two people who can open the sheets together.
func (a *app) checkRecipients(given []string) error {
	if len(given) != 2 || given[0] == given[1] {
		return &usageError{a.words.say("error.recipients")}
	}
	for _, r := range given {
		if _, err := age.ParseX25519Recipient(r); err != nil {
			return &usageError{a.words.say("error.recipient", r)}
		}
	}
	return nil
}

// newFolder makes a folder for its owner alone. One that exists is refused, also an
// empty one: others may be able to read it, and no two printings get mixed.
func (a *app) newFolder(dir string) error {
	err := os.Mkdir(dir, 0o700)
	switch {
	case errors.Is(err, fs.ErrExist):
		return &usageError{a.words.say("error.folder", dir)}
	case err != nil:
		return &fileError{err}
	}
	return nil
}

// discardFolder removes a folder of newFolder into which nothing was written.
func discardFolder(dir string) error {
	if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove folder: %w", err)
	}
	return nil
}

// sheetName is a file name that any system takes and that leads nowhere else. Its
// ending says that it is sealed twice.
var sheetName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,220}\.txt\.age\.age$`)

// writeSheet writes the sealed sheet of a stratum and its register, and returns
// their names.
func (a *app) writeSheet(trial, dir string, sheet *loddv1.ContingencySheet, envelopes int) ([]string, error) {
	name := sheet.GetFileName()
	if !sheetName.MatchString(name) {
		return nil, fmt.Errorf("the server gave a sheet the name %q, which is not one of ours", name)
	}
	files := []string{name, strings.TrimSuffix(name, ".txt.age.age") + "-register.txt"}
	for i, content := range []string{string(sheet.GetSealed()), register(trial, sheet.GetStratum(), envelopes)} {
		f, err := os.OpenFile(filepath.Join(dir, files[i]), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return nil, fmt.Errorf("write sheet: %w", err)
		}
		_, err = f.WriteString(content)
		if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
			return nil, fmt.Errorf("write sheet: %w", err)
		}
	}
	return files, nil
}

// register returns the page that lies beside the envelopes of a stratum. It tells
// no arm, and is in both languages, since it hangs where people work.
func register(trial, stratum string, envelopes int) string {
	var b strings.Builder
	fmt.Fprintf(&b, `REGISTER OF BACKUP ENVELOPES / REGISTER OVER RESERVEKONVOLUTTER

Trial / Studie:  %s
Stratum:         %s
Envelopes / Konvolutter:  1-%d

Only if the server can't be reached. Two people open the lowest number that is
left, fill in its line, and record it with "lodd contingency record" once the
server is back, with the stratum as it stands here. No envelope is opened to
look. One that was opened by mistake, damaged or lost is named to the list
custodian before the next one is recorded.

Bare hvis tjeneren ikke kan nås. To personer åpner det laveste nummeret som er
igjen, fyller ut linjen og registrerer det med «lodd contingency record» når
tjeneren er tilbake, med stratumet slik det står her. Ingen konvolutt åpnes for å
se. En som ble åpnet ved en feil, skadet eller borte, meldes til forvalteren
før den neste registreres.

`, visible(trial), visible(stratum), envelopes)
	rule := strings.Repeat("-", 5) + strings.Repeat("+"+strings.Repeat("-", 17), 3) + "+" + strings.Repeat("-", 21) + "\n"
	b.WriteString("  No | Screening no.   | Date and time   | Recorded on     | Two signatures\n")
	b.WriteString("  Nr | Screeningnr.    | Dato og klokke  | Registrert      | To underskrifter\n" + rule)
	for n := range envelopes {
		fmt.Fprintf(&b, "     |%[2]s|%[2]s|%[2]s|\n%4[1]d |%[2]s|%[2]s|%[2]s|\n%[3]s", n+1, strings.Repeat(" ", 17), rule)
	}
	return b.String()
}

func (a *app) contingencyRecord() *cobra.Command {
	var req loddv1.RecordContingencyAllocationRequest
	cmd := a.inTrial(spec{
		use: "record NUMBER", short: "Enter a participant who was allocated by a backup envelope", args: cobra.ExactArgs(1),
		long: `Enter a participant who was allocated by a backup envelope, for good. Consent,
eligibility and baseline must be recorded, as for any other randomization. No arm
is asked for: the server knows what is in the envelope. Type the number from the
signed consent form once more, or give it with --confirm.

The stratum is what stands on the envelope and must be the participant's. Envelopes
of a stratum are recorded in the order of their numbers; the list custodian names
one that can't be used (lodd contingency spoil). The witness has a role in the
trial and never was an assessor in it: who opens an envelope knows an arm.

Repeating it is safe: every repeat gives the same answer.`,
		example: "  lodd contingency record OSL-0007 --stratum OSL/sex=female --envelope 1 --witness tove --on 2026-11-22 --reason server-down",
	}, func(c trialCall) error {
		var err error
		if req.Confirm, err = a.typed(c.ctx, req.GetConfirm(), "ask.confirm"); err != nil {
			return err
		}
		if req.GetConfirm() == "" {
			return &usageError{a.words.say("error.confirm")}
		}
		req.TrialId, req.RequestId, req.Participant = c.trial, c.request, c.args[0]
		answer, err := c.Randomization().RecordContingencyAllocation(c.ctx, &req)
		if err != nil {
			return err
		}
		return a.write(receiptOf("contingency-allocation", answer.GetReceipt(), "participant", answer.GetParticipant(),
			"stratum", req.GetStratum(), "envelope", req.GetEnvelope(), "witness", req.GetWitness(), "reason", code(req.GetReason())))
	})
	required(cmd, &req.Stratum, "stratum", "the `STRATUM` as it stands on the envelope")
	cmd.Flags().Int32Var(&req.Envelope, "envelope", 0, "the `NUMBER` on the envelope")
	required(cmd, &req.Witness, "witness", "the `ACCOUNT` of the second person who opened it")
	cmd.Flags().StringVar(&req.On, "on", "", "the date on which it was opened, `YYYY-MM-DD`; default today")
	required(cmd, &req.Reason, "reason", "`server-down|network-down|other`")
	cmd.Flags().StringVar(&req.Confirm, "confirm", "", "screening `NUMBER`, typed from the signed consent form")
	mustRequire(cmd, "envelope")
	return cmd
}

func (a *app) contingencySpoil() *cobra.Command {
	var reason string
	cmd := a.inTrial(spec{
		use: "spoil STRATUM NUMBER", short: "Take a backup envelope out of use, as the list custodian", args: cobra.ExactArgs(2),
		long: `Take a backup envelope out of use, for good, as the list custodian: it was opened by
mistake, is damaged or lost, and allocates nobody. The next one of its stratum can
be recorded then. The sealing record tells how many of each stratum were spoiled.`,
		example: "  lodd contingency spoil OSL/sex=female 3 --reason opened-by-mistake",
	}, func(c trialCall) error {
		number, err := strconv.ParseInt(c.args[1], 10, 32)
		if err != nil {
			return &usageError{a.words.say("error.envelope-number", c.args[1])}
		}
		answer, err := c.Sealing().SpoilEnvelope(c.ctx, &loddv1.SpoilEnvelopeRequest{
			TrialId: c.trial, RequestId: c.request, Stratum: c.args[0], Envelope: int32(number), Reason: reason,
		})
		if err != nil {
			return a.exists(err, "error.spoiled", "hint.spoiled")
		}
		return a.write(receiptOf("spoiled-envelope", answer.GetReceipt(), "stratum", c.args[0], "envelope", number, "reason", code(reason)))
	})
	required(cmd, &reason, "reason", "`opened-by-mistake|damaged|lost|other`")
	return cmd
}

// mustRequire makes flags necessary that are no texts.
func mustRequire(cmd *cobra.Command, flags ...string) {
	for _, flag := range flags {
		if err := cmd.MarkFlagRequired(flag); err != nil {
			panic("cli: flag " + flag + ": " + err.Error()) // it was defined before
		}
	}
}
