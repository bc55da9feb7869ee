package export

import (
	"strings"

	"github.com/lodd-rct/lodd/server/instrument"
)

// dictionary has one row for each column of the tables and of its own.
func dictionary(tables []Table, suffix string) Table {
	yesNo := []string{"yes", "no"}
	t := Table{
		Name: "dictionary",
		Columns: []instrument.Column{
			column("file", instrument.TypeText, "Fil", "File"),
			column("column", instrument.TypeText, "Kolonne", "Column"),
			column("label_nb", instrument.TypeText, "Ledetekst på norsk", "Label in Norwegian"),
			column("label_en", instrument.TypeText, "Ledetekst på engelsk", "Label in English"),
			coded("type", "Type", "Type", []instrument.Type{
				instrument.TypeText, instrument.TypeInteger, instrument.TypeDecimal, instrument.TypeDate,
				instrument.TypeChoice, instrument.TypeMulti, instrument.TypeScale,
			}),
			column("unit", instrument.TypeText, "Enhet", "Unit"),
			column("options_nb", instrument.TypeText, "Svaralternativer på norsk: kode=tekst", "Options in Norwegian: code=label"),
			column("options_en", instrument.TypeText, "Svaralternativer på engelsk: kode=tekst", "Options in English: code=label"),
			column("min", instrument.TypeDecimal, "Minste verdi", "Least value"),
			column("max", instrument.TypeDecimal, "Største verdi", "Greatest value"),
			coded("required", "Må besvares", "Must be answered", yesNo),
			coded("calculated", "Beregnet, ikke ført inn", "Calculated, not entered", yesNo),
			coded("reveals", "Kan røpe gruppen", "May tell the arm", yesNo),
		},
	}
	var all []Row
	for _, of := range append(tables, t) {
		for _, c := range of.Columns {
			all = append(all, Row{
				text(of.Name + suffix), text(c.Name), text(c.Label.In("nb")), text(c.Label.In("en")), text(c.Type), text(c.Unit.In("en")),
				text(options(c.Options, "nb")), text(options(c.Options, "en")), bound(c.Min), bound(c.Max),
				yes(c.Required), yes(c.Calculated), yes(c.Reveals),
			})
		}
	}
	return t.hold(all)
}

func options(all []instrument.Option, lang string) string {
	var out []string
	for _, o := range all {
		if label := o.Label.In(lang); label != "" {
			out = append(out, o.Code+"="+label)
		} else {
			out = append(out, o.Code)
		}
	}
	return strings.Join(out, " | ")
}

func bound(f *float64) instrument.Value {
	if f == nil {
		return nil
	}
	return instrument.Number(*f)
}

func yes(b bool) instrument.Value {
	if b {
		return instrument.String("yes")
	}
	return instrument.String("no")
}
