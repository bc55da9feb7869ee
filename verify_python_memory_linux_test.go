package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/lodd-rct/lodd/server/trial"
	"github.com/lodd-rct/lodd/server/trial/entry"
)

// The memory of the second verifier doesn't grow with the number of entries,
// however much there is in each: it remembers none.
func TestPythonVerifierForgetsEntries(t *testing.T) {
	needPython(t)
	_, key := toldKeys(t)
	peak := func(entries int) int64 {
		s, log := newTeller(t), toldLog{}
		for range entries {
			e := trial.Reconciled{Lost: make([]trial.LostSlots, 20_000)}
			log = s.write(log, "IPS/conduct", entry.Entry{At: s.now, Actor: "lise", Event: e})
		}
		file := filepath.Join(t.TempDir(), "big.zip")
		if err := os.WriteFile(file, archived(t, log, everything), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), needPython(t), "-B", "docs/verify/lodd_verify.py", file, "--key", key)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss >> 10
	}
	one, many := peak(1), peak(24)
	if t.Logf("%d MiB for one entry, %d MiB for 24", one, many); many > one+25 {
		t.Errorf("%d MiB for one entry, %d MiB for 24", one, many)
	}
}
