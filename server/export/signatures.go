package export

import (
	"slices"

	"github.com/lodd-rct/lodd/server/instrument"
	"github.com/lodd-rct/lodd/server/trial"
)

// signaturesName is the table that is there only if something is signed.
const signaturesName = "signatures"

// signatures has one row for each signature under a form, by row key and then in
// the order of visits and forms. It doesn't name the signer, as no table names
// who entered what; the log does. It reports false if there are none: a lock
// that has none is the same bytes as before there was this table.
func (p *pooled) signatures() (Table, bool) {
	if p.src.Signatures == nil {
		return Table{}, false
	}
	var all []Row
	for _, k := range p.keys {
		for _, v := range p.src.Visits {
			for _, f := range p.src.Forms {
				for _, s := range p.src.Signatures(k.id, v.ID, f.ID) {
					all = append(all, Row{text(k.row), text(v.ID), text(f.ID), text(s.Meaning), day(s.On), text(validity(s.Void))})
				}
			}
		}
	}
	if len(all) == 0 {
		return Table{}, false
	}
	forms := column("form", instrument.TypeChoice, "Skjema", "Form")
	for _, f := range p.src.Forms {
		forms.Options = append(forms.Options, instrument.Option{Code: string(f.ID)})
	}
	return Table{
		Name: signaturesName,
		Columns: []instrument.Column{
			keyColumn(),
			visitColumn(p.src.Visits),
			forms,
			coded("meaning", "Hva underskriften betyr", "What the signature means", slices.Sorted(slices.Values(trial.Meanings()))),
			column("signed_on", instrument.TypeDate, "Dato for underskriften", "Date of the signature"),
			coded("validity", "Om skjemaet ble endret etter underskriften, før denne låsen", "Whether the form was changed after the signature, before this lock",
				[]trial.Code{validity(false), validity(true)}),
		},
	}.hold(all), true
}

func validity(void bool) trial.Code {
	if void {
		return "void"
	}
	return "valid"
}
