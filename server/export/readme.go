package export

import (
	"strings"
	"text/template"

	"github.com/lodd-rct/lodd/server/trial"
)

const readmeText = `LOCKED EXPORT, BLINDED: {{.Name}}

This is the pooled view of lock {{.Lock.Number}} of the trial {{.Trial}}, taken {{.At}} (UTC).
It was made without access to the allocation: no file here tells an arm, a
block or a place in the randomization list.

  participants   one row for each randomized participant
  visits         the window and the status of each visit after the baseline
  consort        the flow of participants, all arms together
{{- if .Mistakes}}
  mistakes       what was recorded about randomizations afterwards
{{- end}}
{{- if .Signatures}}
  signatures     which forms were signed, and whether they were changed after it
{{- end}}
  corrections    every corrected item: date, old and new value
  forms/         one file for each form, one row for each time it was filled in
  dictionary     every column of every file
  checkpoints/   the signed heads of the log from which this was made
{{- if .Revealing}}
  revealing/     forms whose answers may tell the arm, and their corrections:
                 keep this folder from whoever has to stay blind
{{- end}}

Participants appear under row keys: pseudonyms of this view, the same in every
lock of this trial. Rows are sorted by them, so their order means nothing.

{{if .Mistakes -}}
Nothing in mistakes moved anybody: whoever was randomized in a wrong stratum, in
error or by a backup envelope stays as randomized, and keeps the place in
consort: duplicates and other errors are counted as in-error at every visit, and
a replaced participant and the one who replaces each count as one randomized.
Somebody who was allocated by a backup envelope is randomized on the day on which
it was opened.

{{end -}}
To check that nothing was changed, with the server's public export key:

  lodd verify {{.Name}}

CSV files are UTF-8 with CRLF at the end of lines (RFC 4180). Dates are
YYYY-MM-DD. A missing answer is empty, and the column <item>_missing_reason says
why if somebody gave a reason. Several codes of one item are joined by "|". In
columns of type text, a value that begins with an apostrophe has got it so that
a spreadsheet does not take it for a formula: the first apostrophe is no part of
the value. An item named like another column has a number after its name.

If somebody demands that their data be destroyed, the same lock is made again
without them, and manifest.json lists their row keys under revised_by: destroy
these rows in earlier copies. Earlier copies still verify.


LÅST EKSPORT, BLINDET

Dette er den samlede visningen av lås {{.Lock.Number}} i studien {{.Trial}}. Den er laget uten
tilgang til gruppetilhørighet: ingen fil her røper gruppe, blokk eller plass i
randomiseringslisten. Deltakerne står under radnøkler (pseudonymer), og radene er
sortert etter dem. dictionary forklarer hver kolonne.
{{- if .Mistakes}}

mistakes viser hva som ble registrert om randomiseringer etterpå: rettede
faktorer, dubletter, erstatninger og reservekonvolutter. Ingen er flyttet:
alle er der de ble randomisert, dubletter og andre feil telles som in-error ved
hvert besøk, og både den som ble erstattet og den som erstatter, telles som
randomisert.
{{- end}}
{{- if .Signatures}}

signatures viser hvilke skjemaer som er underskrevet, og om de ble endret etterpå.
{{- end}}
{{- if .Revealing}}

Mappen revealing/ har skjemaer med svar som kan røpe gruppen: hold den unna dem
som skal være blinde.
{{- end}}

Krever noen sine data slettet, lages låsen på nytt uten dem. manifest.json har
radnøklene under revised_by: slett disse radene i tidligere kopier.
`

// parts are the parts of a bundle that are there only if there is something in
// them.
type parts struct{ Mistakes, Signatures, Revealing bool }

// readme returns the text that explains the bundle, with CRLF.
func readme(src Source, has parts) string {
	var b strings.Builder
	t := template.Must(template.New("README.txt").Parse(readmeText))
	if err := t.Execute(&b, struct {
		parts
		Trial, Name, At string
		Lock            trial.Lock
	}{has, string(src.Trial), Name(src.Trial, src.Lock.Number, Pooled), stamp(src.Lock.At), src.Lock}); err != nil {
		panic(err) // only if the template names a field that isn't there
	}
	return strings.ReplaceAll(b.String(), "\n", "\r\n")
}
