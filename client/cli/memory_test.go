package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
	"google.golang.org/protobuf/proto"

	"github.com/lodd-rct/lodd/audit"
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// damageMemory empties what was seen of each list.
func (w *world) damageMemory(folder string) {
	w.t.Helper()
	files, err := filepath.Glob(filepath.Join(w.dirs.State, folder, "*.checkpoint"))
	if err != nil || len(files) == 0 {
		w.t.Fatal(err, len(files))
	}
	for _, f := range files {
		if err := os.WriteFile(f, nil, 0o600); err != nil {
			w.t.Fatal(err)
		}
	}
}

// A damaged memory stops reads as it stops everything else, and the way out that is
// named is one.
func TestDamagedMemoryHasAWayOut(t *testing.T) {
	w, _ := newAudited(t)
	w.mustRun("audit", "verify")
	w.damageMemory("checkpoints")
	w.fake.answers["ListLocks"] = &loddv1.ListLocksResponse{}
	for _, args := range []string{"export list", "audit verify"} {
		if o := w.run(strings.Fields(args)...); o.code != exitNotVerified || !strings.Contains(o.stderr, "lodd audit accept-fork keeps it as evidence") {
			t.Errorf("%s: exit %d, %s", args, o.code, o.stderr)
		}
	}
	if o := w.mustRun("audit", "accept-fork", "--confirm", "IPS"); strings.Count(o.stdout, "-accepted-") != 5 {
		t.Errorf("%s", o.stdout)
	}
	w.mustRun("export", "list")
	w.mustRun("audit", "verify")
}

// What was seen before is what was seen before this run; and a compartment without
// entries has nothing to be signed.
func TestSeenBeforeIsFromBeforeThisRun(t *testing.T) {
	w, l := newAudited(t)
	w.mustRun("audit", "verify")
	if o := w.mustRun("witness", "-o", "table"); !strings.Contains(o.stdout, "nothing to sign") {
		t.Errorf("%s", o.stdout)
	}
	l.entries["system"] = append(l.entries["system"], "g")
	w.fake.answers["ProveConsistency"] = l.consistency
	o := w.mustRun("audit", "verify", "-o", "csv")
	if !strings.Contains(o.stdout, "\r\nsystem,4,3,") || !strings.Contains(o.stdout, "\r\nIPS/conduct,2,2,") {
		t.Errorf("%s", o.stdout)
	}
}

// consistency proves that a list continues what it was.
func (l *auditedLog) consistency(req proto.Message) any {
	r := req.(*loddv1.ProveConsistencyRequest)
	var stored []tlog.Hash
	reader := tlog.HashReaderFunc(func(at []int64) (out []tlog.Hash, _ error) {
		for _, i := range at {
			out = append(out, stored[i])
		}
		return out, nil
	})
	for i, e := range l.entries[r.GetList()] {
		h, err := tlog.StoredHashesForRecordHash(int64(i), audit.Leaf([]byte(e)), reader)
		if err != nil {
			return err
		}
		stored = append(stored, h...)
	}
	proof, err := tlog.ProveTree(r.GetNewSize(), r.GetOldSize(), reader)
	if err != nil {
		return err
	}
	answer := &loddv1.ProveConsistencyResponse{}
	for _, h := range proof {
		answer.Hashes = append(answer.Hashes, h[:])
	}
	return answer
}

// A Norwegian reads in Norwegian that the log isn't what it was.
func TestForksAreToldInNorwegian(t *testing.T) {
	for want, entries := range map[string][]string{
		"IPS/conduct: loggen er blitt kortere: 1 oppføringer, men 2 er sett før": {"a"},
		"IPS/conduct: loggen er skrevet om siden den hadde 2 oppføringer":        {"a", "x"},
	} {
		w, l := newAudited(t)
		w.fake.answers["ReportCheckpoint"] = &loddv1.ReportCheckpointResponse{Behind: true}
		w.mustRun("audit", "verify")
		l.entries["IPS/conduct"] = entries
		o := w.run("--lang", "nb", "audit", "verify")
		if o.code != exitNotVerified || !strings.Contains(o.stderr, want) || !strings.Contains(o.stderr, "; beviset ligger i "+w.dirs.Evidence()) || !strings.Contains(o.stderr, "den randomiserer ingen") {
			t.Errorf("exit %d, %s", o.code, o.stderr)
		}
	}
}
