package server_test

import (
	"archive/zip"
	"bytes"
	"encoding/csv"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lodd-rct/lodd/proto/lodd"
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/server/authz"
	"github.com/lodd-rct/lodd/server/trial"
)

// L6: in the whole schema there is no way from a method of an assessor, a data
// monitor, a coordinator or the monitoring board to a field that there is for one
// arm only.
//
// Source: blinding.md of the design, channel L6.
func TestLeakL6SchemaHidesWhatOneArmHas(t *testing.T) {
	unblinded := func(r trial.Role) (found []string) {
		for _, c := range authz.Matrix([]trial.Role{r}) {
			for _, f := range c.Fields {
				if f.Class == lodd.Class_CLASS_UNBLINDED {
					found = append(found, c.Method+" "+f.Name)
				}
			}
		}
		return found
	}
	for _, r := range []trial.Role{trial.Assessor, trial.Monitor, trial.Coordinator, trial.DSMB} {
		if found := unblinded(r); found != nil {
			t.Errorf("a %s reaches %q", r, found)
		}
	}
	if found := unblinded(trial.TreatmentTeam); !slices.Contains(found, "DeliveryService.ListContacts Contact.minutes") {
		t.Errorf("a team reaches %q: the walk is blind", found)
	}
}

// tables returns the tables of the pooled export of a trial in which teams worked,
// and whose assessors saw everybody.
func tables(t *testing.T, arms string) map[string][]byte {
	t.Helper()
	w := newTwin(t, arms)
	for i := range arms {
		p := fmt.Sprint("S-", i)
		_, err := w.submit("oa-osl", p, "month-6", "mood", fmt.Sprintf(`{"glad": %d, "calm": 2}`, i%4))
		w.must(err)
		honestly(w, p, teamOf(arms[i]))
		if arms[i] == 'n' { // the other arm has none
			_, err := w.delivery().RecordContact(w.as("es-north"), &loddv1.RecordContactRequest{TrialId: "T1", RequestId: w.id(), Participant: p, Kind: "employer"})
			w.must(err)
		}
	}
	w.takeLock()
	bundle, _, _, err := w.download("dm", 1)
	w.must(err)
	z, err := zip.NewReader(bytes.NewReader(bundle), int64(len(bundle)))
	w.must(err)
	files := map[string][]byte{}
	for _, f := range z.File {
		var b bytes.Buffer
		r, err := f.Open()
		w.must(err)
		_, err = b.ReadFrom(r)
		w.must(err)
		files[f.Name] = b.Bytes()
	}
	return files
}

// L6, L7: the pooled export has the same files and the same tables, to the byte,
// whoever had contacts; and no column is a team's.
//
// Source: blinding.md of the design, channels L6 and L7.
func TestLeakL6ExportHasNoColumnsOfATeam(t *testing.T) {
	one, two := tables(t, "nsns"), tables(t, "snsn")
	if diff := cmp.Diff(slices.Sorted(maps.Keys(one)), slices.Sorted(maps.Keys(two))); diff != "" {
		t.Errorf("the files differ: %s", diff)
	}
	ofTeams := []string{"contact", "kind", "minutes", "team", "arm", "employer", "adverse", "event", "reporter", "by"}
	columns := 0
	for name, b := range one {
		if !strings.HasSuffix(name, ".csv") {
			continue
		}
		if !bytes.Equal(b, two[name]) {
			t.Errorf("%s differs:\n%s\n%s", name, b, two[name])
		}
		header, err := csv.NewReader(bytes.NewReader(b)).Read()
		if err != nil {
			t.Fatal(name, err)
		}
		columns += len(header)
		for _, column := range header {
			for _, word := range strings.FieldsFunc(strings.ToLower(column), func(r rune) bool { return r == '_' || r == '-' || r == ' ' }) {
				if slices.Contains(ofTeams, word) || slices.Contains(ofTeams, strings.TrimSuffix(word, "s")) {
					t.Errorf("%s has the column %s", name, column)
				}
			}
		}
	}
	if columns < 20 {
		t.Errorf("%d columns in %q", columns, slices.Sorted(maps.Keys(one)))
	}
}
