package export

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/lodd-rct/lodd/randomization"
	"github.com/lodd-rct/lodd/randomization/table"
	"github.com/lodd-rct/lodd/server/instrument"
)

// participants has one row for each slot, in the order of the log, with what
// joins it to the pooled view and to the log.
func (r Reveal) participants() Table {
	integer := instrument.TypeInteger
	arms := column("arm", instrument.TypeChoice, "Gruppe", "Arm")
	arms.Reveals = true
	for _, a := range r.Arms {
		arms.Options = append(arms.Options, instrument.Option{Code: string(a.ID), Label: instrument.Text(a.Label)})
	}
	kinds := []randomization.Kind{randomization.Drawn, randomization.Contingency, randomization.Lost}
	t := Table{
		Name: table.UnsealedFolder + strings.TrimSuffix(table.ParticipantsFile, ".csv"),
		Columns: []instrument.Column{
			column("order", integer, "Rekkefølge, som i allocations", "Order, as in allocations"),
			column("row_key", instrument.TypeText, "Radnøkkel, den samme som i den samlede visningen", "Row key, the same as in the pooled view"),
			column("participant", instrument.TypeText, "Screeningnummer", "Screening number"),
			column("site", instrument.TypeText, "Senter", "Site"),
			coded("kind", "Trukket, fra reservekonvolutt, eller tapt ved en gjenoppretting",
				"Drawn, from a backup envelope, or lost in a restore", kinds),
			column("stratum", instrument.TypeText, "Stratum", "Stratum"),
			column("slot", integer, "Plass, som i allocations", "Slot, as in allocations"),
			arms,
			column("conduct_entry", integer, "Innføring i conduct som randomiserte", "Entry of conduct that randomized"),
			column("conduct_hash", instrument.TypeText, "Bladverdien til innføringen i conduct", "Leaf hash of the entry of conduct"),
			column("allocation_entry", integer, "Innføring i allocation med gruppen", "Entry of allocation with the arm"),
			column("allocation_hash", instrument.TypeText, "Bladverdien til innføringen i allocation", "Leaf hash of the entry of allocation"),
		},
	}
	var all []Row
	for i, a := range r.Randomization.Allocations {
		all = append(all, r.row(i, a, r.Allocations[i]))
	}
	return t.hold(all)
}

func (r Reveal) row(order int, drawn randomization.Allocation, a Allocation) Row {
	row := Row{number(order), nil, nil, text(a.Site), text(drawn.Kind), text(drawn.Stratum), number(drawn.Slot), nil, nil, nil, nil, nil}
	if drawn.Kind == randomization.Lost {
		return row
	}
	row[2], row[7] = text(a.name()), text(r.Arms[drawn.Arm].ID)
	if !a.Gone {
		row[1] = text(r.rowKey(a.Participant))
	}
	for i, e := range []Entry{a.Conduct, a.Allocation} {
		row[8+2*i], row[9+2*i] = number(int(e.Index)), text(hex.EncodeToString(e.Leaf[:]))
	}
	return row
}

// redcap returns REDCap's allocation table of the arms that were drawn, and how
// many: one line each, in every stratum in the order of the randomization.
// Backup envelopes and lost slots are no part of it.
func (r Reveal) redcap() (file []byte, drawn int64, err error) {
	list := randomization.List{Tolerance: len(r.Allocations)} // chance is no fault here
	names := table.REDCap{Columns: r.redcapColumns()}
	var arms []string
	for _, a := range r.Arms {
		list.Ratio = append(list.Ratio, a.Ratio)
		arms = append(arms, string(a.ID))
	}
	at := map[string]int{}
	for i, a := range r.Randomization.Allocations {
		if a.Kind != randomization.Drawn {
			continue
		}
		if _, known := at[a.Stratum]; !known {
			at[a.Stratum] = len(list.Strata)
			list.Strata = append(list.Strata, randomization.ListStratum{Name: a.Stratum})
			names.Strata = append(names.Strata, table.REDCapStratum{Name: a.Stratum, Values: redcapValues(r.Allocations[i])})
		}
		s := &list.Strata[at[a.Stratum]]
		s.Arms = append(s.Arms, a.Arm)
		drawn++
	}
	if drawn == 0 {
		return nil, 0, nil
	}
	slices.SortFunc(list.Strata, func(a, b randomization.ListStratum) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(names.Strata, func(a, b table.REDCapStratum) int { return cmp.Compare(a.Name, b.Name) })
	var b bytes.Buffer
	if err := table.WriteREDCap(&b, list, arms, names); err != nil {
		return nil, 0, fmt.Errorf("export: %w", err)
	}
	return b.Bytes(), drawn, nil
}

// redcapColumns are the factors and what REDCap calls a site.
func (r Reveal) redcapColumns() []string {
	var columns []string
	for _, f := range r.Factors {
		columns = append(columns, strings.ReplaceAll(string(f.ID), "-", "_")) // REDCap's names have no hyphens
	}
	return append(columns, "redcap_data_access_group")
}

func redcapValues(a Allocation) []string {
	var values []string
	for _, l := range a.Levels {
		values = append(values, string(l))
	}
	return append(values, string(a.Site))
}
