package server

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/lodd-rct/lodd/server/ledger"
	"github.com/lodd-rct/lodd/server/trial"
)

// A sealing is what the sealing record tells: everything that anybody needs to
// hold the trial to its design later, and nothing of the design.
//
// Source: randomization.md of the design, "The seed, and who can bias it".
type sealing struct {
	trial.Sealing
	trial             trial.ID
	server            string
	receipt           ledger.Receipt
	logKey, exportKey string
}

// sealing returns what the record of a sealing tells.
func (k *core) sealing(id trial.ID, s trial.Sealing, r ledger.Receipt) sealing {
	return sealing{
		Sealing: s, trial: id, server: k.config.Name, receipt: r,
		logKey: k.config.Keys.LogVerifier, exportKey: k.config.Keys.ExportVerifier,
	}
}

// sealingRecord returns the record of a trial's present sealing as text. It fails
// with [trial.ErrNotSealed].
func (k *core) sealingRecord(ctx context.Context, t *ledger.Trial) (string, error) {
	now, r, err := t.Sealing(ctx)
	if err != nil {
		return "", err
	}
	return k.sealing(t.ID(), now, r).String(), nil
}

func (s sealing) commitment() string { return hex.EncodeToString(s.Commitment[:]) }

// String returns the record for the trial master file. The same sealing has the
// same record, whenever it is asked for.
func (s sealing) String() string {
	var b strings.Builder
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-22s %s\n", name+":", fmt.Sprintf(format, args...))
	}
	b.WriteString("SEALING RECORD\n\n")
	line("Trial", "%s", s.trial)
	line("Server", "%s", s.server)
	line("Sealed at", "%s", s.receipt.At.UTC().Format(time.RFC3339))
	line("List custodian", "%s", s.By)
	line("Commitment", "%s", s.commitment())
	line("Log entry", "%d of %s", s.receipt.Index, s.receipt.List)
	line("Leaf hash of the entry", "%x", s.receipt.Leaf[:])
	line("Algorithm", "%s", "lodd randomization specification, version 1")
	line("Entropy", "%s", s.entropy())
	for rest := hex.EncodeToString(s.Entropy); rest != ""; {
		n := min(len(rest), 64)
		fmt.Fprintf(&b, "%-22s %s\n", "", rest[:n])
		rest = rest[n:]
	}
	line("Abandoned before", "%s", s.abandoned())
	s.envelopes(line)
	line("Log key", "%s", s.logKey)
	line("Export key", "%s", s.exportKey)
	b.WriteString(`
The commitment binds the trial, the design, the seed and a salt. It tells
nothing about them, and none of them can be changed without changing it.
` + s.standing() + `
How to verify: "lodd audit verify" checks that the log still holds this entry
with this leaf hash. Bundles of exports are checked with the export key above by
"lodd verify". When the design is unsealed, the commitment is computed again
from what is revealed, as docs/randomization-spec.md says, and must be the one
above; the allocations that follow from it must be those of the trial.

Print this record, sign and date it, and keep it in the trial master file.
`)
	return b.String()
}

// envelopes says how many backup envelopes there are, who can open them, and how
// many were taken out of use; nothing if there are none.
func (s sealing) envelopes(line func(name, format string, args ...any)) {
	for _, p := range s.Printed {
		line("Envelopes printed", "%d for each stratum, sealed to the age recipients with", p.Envelopes)
		for i, digest := range p.Recipients {
			line(fmt.Sprintf("SHA-256 of recipient %d", i+1), "%x", digest)
		}
	}
	for _, e := range s.Spoiled {
		line("Envelopes spoiled", "%d of %s", e.Envelopes, e.Stratum)
	}
}

// entropy says whose entropy makes the seed.
func (s sealing) entropy() string {
	switch {
	case s.Awaits:
		return "32 bytes of the server's; the trial statistician's are awaited"
	case len(s.Entropy) == 0:
		return "32 bytes of the server's; no second party contributed entropy"
	default:
		return fmt.Sprintf("32 bytes of the server's, and these %d bytes of %s's:", len(s.Entropy), s.Contributor)
	}
}

// abandoned says how often the list custodian began anew: a server that disliked
// a sequence could do no other.
func (s sealing) abandoned() string {
	switch s.Abandoned {
	case 0:
		return "no sealing"
	case 1:
		return "1 sealing, which the log keeps"
	default:
		return fmt.Sprintf("%d sealings, which the log keeps", s.Abandoned)
	}
}

// standing says when the record changes.
func (s sealing) standing() string {
	const abandoned = `The record becomes void if the
sealing is abandoned before enrolment opens; the next record counts it then.
`
	settled := "This record doesn't change any more. "
	if len(s.Printed) > 0 {
		settled = "The lines on envelopes change when more are printed\nor one is spoiled, and nothing else does any more. "
	}
	switch {
	case s.Awaits:
		return `The seed of the sequences will be made of the server's bytes, which the
commitment binds already, and of the trial statistician's. This record changes
once more, when those are there; enrolment doesn't open before. ` + abandoned
	case len(s.Entropy) > 0:
		return `The seed of the sequences is made of the server's bytes, which the commitment
bound before, and of the trial statistician's above, so that neither side alone
could choose it. ` + settled + abandoned
	default:
		return settled + abandoned
	}
}
