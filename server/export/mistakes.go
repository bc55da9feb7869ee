package export

import (
	"slices"

	"github.com/lodd-rct/lodd/server/instrument"
	"github.com/lodd-rct/lodd/server/trial"
)

// mistakesName is the table that is there only if there are mistakes.
const mistakesName = "mistakes"

// mistakes has one row for each value that a mistake changed or added, by row
// key and then in the order in which they were recorded. It reports false if
// there are none: a lock that has none is the same bytes as before there was this
// table.
func (p *pooled) mistakes() (Table, bool) {
	var all []Row
	for _, k := range p.keys {
		for _, m := range p.src.Mistakes[k.id] {
			all = append(all, Row{
				text(k.row), text(m.Kind), text(m.Field), text(m.Old), p.after(m), day(m.On), text(m.Reason),
			})
		}
	}
	if len(all) == 0 {
		return Table{}, false
	}
	typ := instrument.TypeText
	reasons := slices.Concat(trial.LevelReasons(), trial.ContingencyReasons())
	slices.Sort(reasons)
	return Table{
		Name: mistakesName,
		Columns: []instrument.Column{
			keyColumn(),
			coded("kind", "Hva som ble registrert etter randomiseringen", "What was recorded after the randomization", mistakeKinds()),
			column("field", typ, "Hva verdiene gjelder: en stratifiseringsfaktor, hvem deltakeren er en dublett av (of), hvem som erstatter deltakeren (by), eller når konvolutten ble åpnet (opened_on)",
				"What the values are of: a stratification factor, whom the participant is a duplicate of (of), who replaces the participant (by), or when the envelope was opened (opened_on)"),
			column("old", typ, "Verdien før, som randomiseringen eller en tidligere rettelse hadde", "The value before, of the randomization or of an earlier correction"),
			column("new", typ, "Den rette verdien, eller den andres radnøkkel; tom hvis den andre ikke er med her",
				"The right value, or the row key of the other participant; empty if that one isn't in this export"),
			column("recorded_on", instrument.TypeDate, "Dato for registreringen", "Date of the record"),
			coded("reason", "Grunn", "Reason", slices.Compact(reasons)),
		},
	}.hold(all), true
}

// after returns the value after a mistake. Nothing tells of somebody who isn't in
// the view: who was not randomized, or whose data are destroyed.
func (p *pooled) after(m Mistake) instrument.Value {
	switch {
	case m.Other == "":
		return text(m.New)
	case slices.Contains(p.src.Participants, m.Other):
		return text(p.src.rowKey(m.Other))
	default:
		return nil
	}
}
