package main

import (
	"testing"
	"time"

	logv1 "github.com/lodd-rct/lodd/proto/lodd/log/v1"
)

// Both know the time zones that this machine knows, also those by whose names no
// trial is created any more.
func TestBothVerifiersKnowTheSameTimeZones(t *testing.T) {
	_, key := toldKeys(t)
	s, created := newSecond(t, key), newTeller(t).log["IPS/conduct"][0]
	names := []string{
		"Europe/Oslo", "UTC", "Etc/GMT-14", "Local", "", "europe/oslo", "Mars/Olympus_Mons", "Europe", "/Europe/Oslo", "Europe/Oslo/", "Europe/Oslo/.",
		"Europe/../Europe/Oslo", "..", ".", `Europe\Oslo`, "Europe/Oslo\x00", "localtime", "posixrules", "posix/Europe/Oslo", "right/Europe/Oslo",
	}
	if _, err := time.LoadLocation("./UTC"); err == nil { // a database in folders, and not in a file
		names = append(names, "./UTC", "./Europe/Oslo", "Europe//Oslo", "Europe/./Oslo", ".//localtime", "./Local")
	}
	for _, name := range names {
		first := rewritten(t, created, func(e *logv1.Entry) { e.GetTrialCreated().TimeZone = name })
		log := toldLog{"IPS/conduct": {first}, "IPS/outcome": nil, "IPS/delivery": nil, "IPS/allocation": nil}
		_, unknown := time.LoadLocation(name)
		want := verdict{OK: true, Index: -1, Replayed: true}
		if unknown != nil || name == "" || name == "Local" {
			want = verdict{List: "IPS/conduct"}
		}
		if got := s.mustAgree(t, key, archived(t, log, everything)); got.place() != want {
			t.Errorf("%q: %+v, want %+v", name, got, want)
		}
	}
}
