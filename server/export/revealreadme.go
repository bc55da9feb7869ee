package export

import (
	"strings"
	"text/template"
)

const revealText = `UNSEALED: {{.Name}}

THIS FILE TELLS THE ARM OF EVERY PARTICIPANT. Keep it from whoever assesses
outcomes or has to stay blind for another reason.

Two people unsealed the trial {{.Trial}}, {{.At}} (UTC), after lock {{.Lock}} and a frozen
analysis plan. Here is all that its randomization followed from, so that anybody
can compute every allocation again and compare.

  unsealed/design.txt           the design, the seed as it was drawn, the salt, the
                                contribution to the seed if there was one, and the
                                commitment to them
  unsealed/allocations.csv      every slot in the order of the log: drawn, from a
                                backup envelope (contingency), or lost in a restore;
                                arms are numbered from 0:
{{- range $i, $a := .Arms}}
                                  {{$i}} is {{$a.ID}}{{end}}
  unsealed/participants.csv     the same slots with the row keys of the pooled
                                export, to join them, the arm by its name, and the
                                entries of the log that hold them
{{- if .Drawn}}
  unsealed/redcap-allocation.csv  the arms that were drawn, as REDCap's allocation
                                table: levels and sites are the trial's codes
{{- end}}
  unsealed/sealing-record.txt   what everybody could know since day 0
  dictionary.csv                every column of participants.csv
  checkpoints/                  the signed heads of the log at the unsealing

To check it, take the sealing record that was printed or kept on day 0, and not
the copy in this file: the commitment there was published before the first
participant. It does not bind the contribution to the seed, which stands on the
record too: one that fits other arms can be searched for. With Lodd, without a
server:

  lodd verify {{.Name}} --record SEALING-RECORD

That slots were lost, and no more than that, only the log shows: give it with
--archive, a file of lodd audit export.

With R or Python and two scripts of the project, randomization.R and
randomization.py, after unpacking the file:

  Rscript randomization.R verify unsealed SEALING-RECORD
  python3 randomization.py verify unsealed SEALING-RECORD

SEALING-RECORD is the record as a text file. From paper, type its commitment and
its entropy instead, or the word none if no second party contributed. With less
than that they say NOT CHECKED. Compare the number of allocations that they print
with the trial's own: no program sees that a list was cut at its end.

How arms follow from the seed stands in the project's randomization
specification, version 1, which is short enough to write another such script.

Whoever withdrew from the data is called "erased": the slot and the arm stay, so
that the others can be checked, and the name and the row key do not. If that
happens after the unsealing, this file is made again, and manifest.json lists the
row keys under revised_by: destroy the names in earlier copies. Earlier copies
still verify.


AVFORSEGLET

DENNE FILEN RØPER GRUPPEN TIL HVER DELTAKER. Hold den unna dem som vurderer
utfall, eller som skal være blinde av andre grunner.

To personer avforseglet studien {{.Trial}}, {{.At}} (UTC), etter lås {{.Lock}} og en frosset
analyseplan. Her er alt som randomiseringen fulgte av, slik at hvem som helst kan
regne ut hver tildeling på nytt og sammenligne.

  unsealed/design.txt           designet, frøet slik det ble trukket, saltet,
                                bidraget til frøet om det fantes, og forpliktelsen
  unsealed/allocations.csv      hver plass i loggens rekkefølge: trukket (drawn), fra
                                reservekonvolutt (contingency), eller tapt (lost);
                                gruppene er nummerert fra 0, som ovenfor
  unsealed/participants.csv     de samme plassene med radnøklene fra den samlede
                                eksporten, gruppens navn, og innføringene i loggen
{{- if .Drawn}}
  unsealed/redcap-allocation.csv  gruppene som ble trukket, som REDCaps tabell
{{- end}}
  unsealed/sealing-record.txt   det alle kunne vite siden dag 0
  dictionary.csv                hver kolonne i participants.csv
  checkpoints/                  loggens signerte hoder ved avforseglingen

For å kontrollere den: ta forseglingsprotokollen som ble tatt vare på dag 0, og
ikke kopien i denne filen. Forpliktelsen binder ikke bidraget til frøet, som også
står på protokollen: et som gir andre grupper, kan letes fram. Kommandoene står
ovenfor, med Lodd, R eller Python. Har du protokollen bare på papir, skriv
forpliktelsen og bidraget (eller none) i stedet for SEALING-RECORD. "NOT CHECKED"
betyr at noe ikke er kontrollert. Sammenlign antallet tildelinger med studiens
eget.
At plasser gikk tapt, og ikke flere, viser bare loggen: gi den med --archive.

Den som har trukket dataene sine, heter "erased": plassen og gruppen står, navnet
og radnøkkelen ikke. Skjer det etter avforseglingen, lages filen på nytt, og
manifest.json har radnøklene under revised_by: slett navnene i tidligere kopier.
`

// readme returns the text that explains the bundle, with CRLF.
func (r Reveal) readme(drawn bool) string {
	var b strings.Builder
	t := template.Must(template.New("README.txt").Parse(revealText))
	if err := t.Execute(&b, map[string]any{
		"Name": Name(r.Trial, r.Lock.Number, Unsealed), "Trial": r.Trial, "At": stamp(r.At), "Lock": r.Lock.Number,
		"Arms": r.Arms, "Drawn": drawn,
	}); err != nil {
		panic(err) // only if the template calls what isn't there
	}
	return strings.ReplaceAll(b.String(), "\n", "\r\n")
}
