package trial_test

import (
	"testing"
	"time"

	"github.com/lodd-rct/lodd/server/trial"
)

// A new trial has a time zone that means the same on every machine. A log that
// has another one, which this machine knows, is read all the same.
func TestNewTrialsNameATimeZoneOfEveryMachine(t *testing.T) {
	for _, tt := range []struct {
		name string
		new  bool
	}{
		{"Europe/Oslo", true},
		{"UTC", true},
		{"Etc/GMT-14", true},
		{"EST5EDT", true},
		{"America/Argentina/Ushuaia", true},
		{"localtime", false},
		{"posixrules", false},
		{"posix/Europe/Oslo", false},
		{"right/Europe/Oslo", false},
		{"./Europe/Oslo", false},
		{"Europe//Oslo", false},
		{"Europe/./Oslo", false},
		{"./localtime", false},
		{"Europe/Oslo/", false},
		{"/Europe/Oslo", false},
		{"Europe/../Europe/Oslo", false},
		{"Europe", false},
	} {
		e := with(func(p *trial.Protocol) { p.TimeZone = tt.name })
		h := tell(t)
		if _, err := h.Decide(h.meta(e), e); (err == nil) != tt.new || err != nil && !is(err, invalid("time_zone")) {
			t.Errorf("Decide of %q: %v", tt.name, err)
		}
		_, unknown := time.LoadLocation(tt.name)
		if err := h.Apply(h.meta(e), e); (err == nil) != (unknown == nil) {
			t.Errorf("Apply of %q: %v, and the machine says %v", tt.name, err, unknown)
		}
	}
}
