package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lodd-rct/lodd/server/trial"
	"github.com/lodd-rct/lodd/server/trial/entry"
)

// Entries that came after the head of conduct are put to no rule, and both say
// how many: an old head of conduct must not hide what is wrong with the rest.
func TestBothVerifiersCountWhatTheyDidNotReplay(t *testing.T) {
	_, key := toldKeys(t)
	s, now := newSecond(t, key), tellTrial(t, func(*teller) {})
	allocated := trial.Allocated{Participant: "NOBODY", Stratum: "nowhere", Slot: 99, Sealed: []byte("arm")}
	submitted := trial.FormSubmitted{Participant: "NOBODY", Visit: "month-6", Form: "audit", Version: 9, On: now.today(), Sealed: []byte("answers")}
	at := func(conduct int64, later time.Duration, events ...trial.Event) toldLog {
		log := now.log
		for _, e := range events {
			list := "IPS/" + string(now.state.Compartment(e))
			log = now.write(log, list, entry.Entry{At: now.now.Add(later), Actor: "kari", ConductSize: conduct, Event: e})
		}
		return log
	}
	old := now.log.clone()
	old["IPS/conduct"] = old["IPS/conduct"][:5] // to where the forms are defined
	left := int64(len(old["IPS/outcome"]) + len(old["IPS/delivery"]) + len(old["IPS/allocation"]))
	for _, tt := range []struct {
		name string
		log  toldLog
		want verdict
	}{
		{"nothing", now.log, verdict{OK: true, Index: -1, Replayed: true}},
		{"far behind conduct", at(1<<60, 0, allocated, submitted, allocated), verdict{OK: true, Index: -1, Late: 3}},
		{"earlier than conduct ends", at(1<<60, -time.Millisecond, submitted), verdict{List: "IPS/outcome", Index: int64(len(now.log["IPS/outcome"]))}},
		{"an old head of conduct", old, verdict{OK: true, Index: -1, Late: left}},
	} {
		if got := s.mustAgree(t, key, archived(t, tt.log, everything)); got.place() != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
	file := filepath.Join(t.TempDir(), "old.zip")
	if err := os.WriteFile(file, archived(t, old, everything), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), needPython(t), "-B", "docs/verify/lodd_verify.py", file, "--key", key).Output()
	if err != nil || !strings.Contains(string(out), "old.zip: verified in part: ") || !strings.Contains(string(out), fmt.Sprintf("save for %d entries", left)) {
		t.Errorf("%v: %s", err, out)
	}
}
