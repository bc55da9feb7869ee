package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lodd-rct/lodd/server"
)

// noted reports whether the running server has noted that the trial was unsealed.
func (r *rig) noted() bool {
	r.t.Helper()
	keys, err := r.n.values.Keys(r.t.Context(), server.UnsealedPrefix)
	r.must(err)
	return len(keys) == 1 && keys[0] == server.UnsealedPrefix+rigTrial
}

// noteUnsealed does what the server does when the trial is unsealed.
func (r *rig) noteUnsealed() {
	r.t.Helper()
	head, err := r.n.log.Checkpoint(r.t.Context(), rigTrial+"/conduct")
	r.must(err)
	r.must(r.n.values.Put(r.t.Context(), server.UnsealedPrefix+rigTrial, head))
}

// That a trial was unsealed outlives the database: it stands beside the signed
// heads, too, and a restore reads it there.
func TestRestoreOfAnOlderBackupKnowsWhatWasUnsealed(t *testing.T) {
	r := newRig(t)
	b := r.backUp()
	r.noteUnsealed()
	r.stop()
	for name, change := range map[string]func(*restoreOptions){
		"the folder of signed heads": func(o *restoreOptions) { o.checkpoints = filepath.Join(r.data, "checkpoints") },
		"a newer copy of the log":    func(o *restoreOptions) { o.log = r.data },
		"neither":                    func(*restoreOptions) {},
	} {
		data, out, err := r.restore(b, change)
		if err != nil {
			t.Fatal(name, err, out)
		}
		r.start(data)
		if got := r.noted(); got != (name != "neither") {
			t.Errorf("%s: noted = %t", name, got)
		}
		r.stop()
	}
}

// So it does if an older database is put back by hand.
func TestDatabasePutBackKnowsWhatWasUnsealed(t *testing.T) {
	r := newRig(t)
	r.stop()
	older, err := os.ReadFile(filepath.Join(r.data, "lodd.db"))
	r.must(err)
	r.start(r.data)
	r.noteUnsealed()
	r.stop()
	r.must(os.WriteFile(filepath.Join(r.data, "lodd.db"), older, 0o600))
	r.start(r.data)
	if !r.noted() {
		t.Error("the unsealing is forgotten")
	}
	r.stop()

	// A head of another server would stop this one's trials.
	other := newRig(t)
	other.noteUnsealed()
	other.stop()
	theirs, err := filepath.Glob(filepath.Join(other.data, "checkpoints", "unsealed", "*"))
	r.must(err)
	head, err := os.ReadFile(theirs[0])
	r.must(err)
	r.must(os.WriteFile(filepath.Join(r.data, "checkpoints", "unsealed", filepath.Base(theirs[0])), head, 0o600))
	c := r.config
	c.Data = r.data
	n, err := open(t.Context(), c, r.n.world)
	if err == nil || !strings.Contains(err.Error(), "isn't this log's") {
		t.Errorf("a head of another server: %v", err)
	}
	if n != nil {
		r.must(n.close())
	}
}
