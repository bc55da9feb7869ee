package client

import "testing"

// What was seen before is what was seen before the client began, and not what it
// has seen itself on behalf of another call.
func TestSeenBeforeIsFromBefore(t *testing.T) {
	m := newMachine(t)
	m.must(m.exclude(m.begin(), "P1"))
	m.server.lie(func() { m.server.entries = append(m.server.entries, "P2", "P3") })
	c := m.begin()
	m.must(m.list(c)) // follows the log, and remembers 3
	for _, want := range []int64{1, 3} {
		v, err := c.VerifyList(t.Context(), "IPS", "IPS/conduct", nil)
		if err != nil || v.Before != want || v.Checkpoint.Size != 3 {
			t.Errorf("%+v, %v; want %d before", v, err, want)
		}
	}
	v, err := m.begin().VerifyList(t.Context(), "IPS", "IPS/conduct", nil)
	if err != nil || v.Before != 3 {
		t.Errorf("%+v, %v", v, err)
	}
}

// Whoever accepts a fork has seen nothing before.
func TestSeenBeforeIsForgottenWithTheFork(t *testing.T) {
	m := newMachine(t)
	first := m.begin()
	m.must(m.exclude(first, "P1"))
	m.must(m.exclude(first, "P2"))
	c := m.begin()
	m.must(m.list(c))
	m.server.lie(func() { m.server.entries = m.server.entries[:1] })
	m.wrong(c.Check(t.Context(), "IPS"), "shorter")
	if _, err := c.AcceptFork("IPS"); err != nil {
		t.Fatal(err)
	}
	if v, err := c.VerifyList(t.Context(), "IPS", "IPS/conduct", nil); err != nil || v.Before != -1 {
		t.Errorf("%+v, %v", v, err)
	}
	m.must(c.Check(t.Context(), "IPS"))
}
