package envelope

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/lodd-rct/lodd/server/trial"
)

// A Printer prints the sheets of a trial: for each stratum a text with one slip
// a page. All sheets have one length, whatever the arms on them are called.
type Printer struct {
	protocol  *trial.Protocol
	envelopes int
	strata    []trial.Stratum
	widths    widths
}

// widths are the lengths in bytes to which what differs from slip to slip is
// padded.
type widths struct{ stratum, nb, en, id int }

// NewPrinter returns the printer of sheets with a number of envelopes each.
func NewPrinter(p *trial.Protocol, envelopes int) *Printer {
	w := &Printer{protocol: p, envelopes: envelopes, strata: p.Strata()}
	for _, s := range w.strata {
		w.widths.stratum = max(w.widths.stratum, len(s))
	}
	for _, a := range p.Arms {
		w.widths.nb = max(w.widths.nb, len(a.Label.In("nb")))
		w.widths.en = max(w.widths.en, len(a.Label.In("en")))
		w.widths.id = max(w.widths.id, len(a.ID))
	}
	return w
}

// overhead is more than what sealing twice, a name and a stratum add to a sheet:
// each time about 200 bytes, and 16 for each 64 KiB.
const overhead = 512 + 1024/4

// Size returns how many bytes all sheets have together at most, sealed and with
// their names.
func (w *Printer) Size() int {
	var slip bytes.Buffer
	w.slip(&slip, w.strata[0], 1, w.protocol.Arms[0])
	longest := 0
	for _, s := range w.strata {
		longest = max(longest, len(s))
	}
	return len(w.strata) * (w.envelopes*slip.Len()*1001/1000 + 2*longest + overhead)
}

// Seal prints the sheet of a stratum, seals it and wipes what was printed. The
// arms are those of the envelopes from number 1 on, as indexes into the
// protocol's.
func (w *Printer) Seal(to Recipients, s trial.Stratum, arms []int) ([]byte, error) {
	if len(arms) != w.envelopes {
		return nil, fmt.Errorf("envelope: %d arms for %d envelopes", len(arms), w.envelopes)
	}
	var sheet bytes.Buffer
	sheet.Grow(w.Size()) // so that no copy is left behind
	for i, arm := range arms {
		w.slip(&sheet, s, i+1, w.protocol.Arms[arm])
	}
	defer clear(sheet.Bytes())
	return to.seal(sheet.Bytes())
}

// slipText is one slip, which ends its page. It is in both languages: whoever
// opens it has no program at hand.
const slipText = `RESERVEKONVOLUTT / BACKUP ENVELOPE

Studie / Trial:              %s
Stratum / Stratum:           %s
Konvolutt / Envelope:        %4d av / of %d

TRUKKET ARM / ALLOCATED ARM
  Norsk:                     %s
  English:                   %s
  Kode / Code:               %s

To personer åpner konvolutten sammen, og bare når programmet ikke kan nås. Ta
konvoluttene i stratumet i rekkefølge. Før den inn i programmet så snart det
svarer igjen, med stratumet slik det står her.
Two people open the envelope together, and only when the program can't be
reached. Take the envelopes of the stratum in their order. Enter it in the
program as soon as it answers again, with the stratum as it stands here.

Deltaker / Participant:      ______________________________

Åpnet / Opened (dato, kl. / date, time):

                             ____________________  __________

Underskrift 1 / Signature 1: ______________________________

Underskrift 2 / Signature 2: ______________________________
` + "\f"

// slip prints one slip. All slips of a printer have one length.
func (w *Printer) slip(to io.Writer, s trial.Stratum, number int, a trial.Arm) {
	fmt.Fprintf(to, slipText, w.protocol.ID, pad(string(s), w.widths.stratum), number, w.envelopes,
		pad(a.Label.In("nb"), w.widths.nb), pad(a.Label.In("en"), w.widths.en), pad(string(a.ID), w.widths.id))
}

// pad appends spaces, so that s has size bytes.
func pad(s string, size int) string { return s + strings.Repeat(" ", max(size-len(s), 0)) }
