package export

import (
	"context"
	"iter"

	"github.com/lodd-rct/lodd/server/instrument"
	"github.com/lodd-rct/lodd/server/trial"
)

// participants has one row for each randomized participant whose data are not
// destroyed.
func (p *pooled) participants() Table {
	date := instrument.TypeDate
	return Table{
		Name:  "participants",
		Count: known(len(p.keys)),
		Columns: []instrument.Column{
			keyColumn(),
			column("site", instrument.TypeText, "Senter", "Site"),
			column("screened_on", date, "Dato for screening", "Date of screening"),
			column("randomized_on", date, "Dato for randomisering: dag 1", "Date of randomization: day 1"),
			column("stopped_on", date, "Avsluttet tiltaket, oppfølgingen fortsetter", "Stopped the intervention, follow-up goes on"),
			column("withdrew_on", date, "Avsluttet oppfølgingen", "Withdrew from follow-up"),
			column("died_on", date, "Død", "Died"),
			coded("in_error", "Randomisert ved en feil: hva slags", "Randomized in error: which kind", trial.ErrorKinds()),
		},
		Rows: p.perParticipant(func(row string, is Participant) []Row {
			return []Row{{
				text(row), text(is.Site), day(is.Screened), day(is.Randomized),
				day(is.Stopped), day(is.Withdrew), day(is.Died), text(is.Error),
			}}
		}),
	}
}

// visits has one row for each of them and each visit after the baseline.
func (p *pooled) visits() Table {
	date := instrument.TypeDate
	return Table{
		Name:  "visits",
		Count: known(len(p.keys) * (len(p.src.Visits) - 1)),
		Columns: []instrument.Column{
			keyColumn(), visitColumn(p.src.Visits),
			column("opens_on", date, "Vinduet åpner", "Window opens"),
			column("target_on", date, "Måldato", "Target date"),
			column("closes_on", date, "Vinduet lukker", "Window closes"),
			coded("status", "Status, som i consort", "Status, as in consort", trial.FollowUpStatuses()),
			coded("missed_reason", "Hvorfor besøket uteble", "Why the visit was missed", trial.MissedReasons()),
		},
		Rows: p.perParticipant(func(row string, is Participant) []Row {
			var out []Row
			for _, v := range is.FollowUps {
				out = append(out, Row{
					text(row), text(v.Visit), day(v.Window.Opens), day(v.Window.Target), day(v.Window.Closes),
					text(v.Status), text(v.Missed),
				})
			}
			return out
		}),
	}
}

// perParticipant yields some rows for each participant.
func (p *pooled) perParticipant(of func(row string, is Participant) []Row) func(context.Context) iter.Seq2[Row, error] {
	return func(ctx context.Context) iter.Seq2[Row, error] {
		return func(yield func(Row, error) bool) {
			for _, k := range p.keys {
				if err := ctx.Err(); err != nil {
					yield(nil, err)
					return
				}
				for _, r := range of(k.row, p.src.Participant(k.id)) {
					if !yield(r, nil) {
						return
					}
				}
			}
		}
	}
}

// consort has the pooled flow, one row for each number in it.
//
// Source: CONSORT 2025, flow diagram.
func (p *pooled) consort() Table {
	f := p.src.Flow
	classes := append([]trial.Code{"screened", "not-eligible", "declined", "other", "pending", "randomized"}, trial.FollowUpStatuses()...)
	var all []Row
	for i, n := range []int{f.Screened, f.NotEligible, f.Declined, f.Other, f.Pending, f.Randomized} {
		all = append(all, Row{text(classes[i]), nil, number(n)})
	}
	for _, v := range f.Visits {
		for i, n := range v.Counts() {
			all = append(all, Row{text(trial.FollowUpStatuses()[i]), text(v.Visit), number(n)})
		}
	}
	return Table{
		Name: "consort",
		Columns: []instrument.Column{
			coded("class", "Klasse i CONSORT-diagrammet, alle grupper samlet", "Class of the CONSORT flow, all arms together", classes),
			visitColumn(p.src.Visits),
			column("participants", instrument.TypeInteger, "Antall deltakere", "Number of participants"),
		},
	}.hold(all)
}
