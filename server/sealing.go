package server

import (
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
	trial                         trial.ID
	server, commitment, custodian string
	receipt                       ledger.Receipt
	logKey, exportKey             string
}

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
	line("List custodian", "%s", s.custodian)
	line("Commitment", "%s", s.commitment)
	line("Log entry", "%d of %s", s.receipt.Index, s.receipt.List)
	line("Leaf hash of the entry", "%x", s.receipt.Leaf[:])
	line("Algorithm", "%s", "lodd randomization specification, version 1")
	line("Entropy", "%s", "32 bytes of the server's; no second party contributed entropy")
	line("Log key", "%s", s.logKey)
	line("Export key", "%s", s.exportKey)
	b.WriteString(`
The commitment binds the trial, the design, the seed and a salt. It tells
nothing about them, and none of them can be changed without changing it.

How to verify: "lodd audit verify" checks that the log still holds this entry
with this leaf hash. Bundles of exports are checked with the export key above by
"lodd verify". When the design is unsealed, the commitment is computed again
from what is revealed, as docs/randomization-spec.md says, and must be the one
above; the allocations that follow from it must be those of the trial.

Print this record, sign and date it, and keep it in the trial master file.
`)
	return b.String()
}
