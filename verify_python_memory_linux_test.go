package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/lodd-rct/lodd/server/trial"
	"github.com/lodd-rct/lodd/server/trial/entry"
)

// peakAtEnd runs the script that its first argument names and then prints
// the highest memory of this program's own address space. What the system
// reports about an ended child is no use: it counts what the parent held when
// it forked.
const peakAtEnd = `
import atexit, os, runpy, sys
atexit.register(lambda: print(*[l for l in open("/proc/self/status") if l.startswith("VmHWM:")], file=sys.stderr))
sys.argv = sys.argv[1:]
sys.path[0] = os.path.dirname(sys.argv[0])
runpy.run_path(sys.argv[0], run_name="__main__")
`

// The memory of the second verifier doesn't grow with the number of entries,
// however much there is in each: it remembers none.
func TestPythonVerifierForgetsEntries(t *testing.T) {
	needPython(t)
	_, key := toldKeys(t)
	peak := func(entries int) int {
		s, log := newTeller(t), toldLog{}
		for range entries {
			e := trial.Reconciled{Lost: make([]trial.LostSlots, 20_000)}
			log = s.write(log, "IPS/conduct", entry.Entry{At: s.now, Actor: "lise", Event: e})
		}
		file := filepath.Join(t.TempDir(), "big.zip")
		if err := os.WriteFile(file, archived(t, log, everything), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), needPython(t), "-B", "-c", peakAtEnd,
			"docs/verify/lodd_verify.py", file, "--key", key)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		_, line, _ := strings.Cut(string(out), "VmHWM:")
		kib, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(line), "kB")))
		if err != nil {
			t.Fatalf("no peak at the end of %q: %v", out, err)
		}
		return kib >> 10
	}
	one, many := peak(1), peak(24)
	if t.Logf("%d MiB for one entry, %d MiB for 24", one, many); many > one+25 {
		t.Errorf("%d MiB for one entry, %d MiB for 24", one, many)
	}
}
