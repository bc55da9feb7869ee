package ledger_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lodd-rct/lodd/audit/store"
	"github.com/lodd-rct/lodd/audit/store/bolt"
	"github.com/lodd-rct/lodd/server/ledger"
	"github.com/lodd-rct/lodd/server/trial"
)

// childEnv names the file on which the test program runs as a server that will
// be killed; with _AT beside, whether before or after the write, and of what if it
// isn't a randomization.
const childEnv = "LODD_LEDGER_CHILD"

// crashing is a store that stops for ever at the next append once it is armed,
// and says so.
type crashing struct {
	store.Store
	armed bool
	after bool
}

func (c *crashing) Append(ctx context.Context, parts ...store.Part) error {
	if !c.armed {
		return c.Store.Append(ctx, parts...)
	}
	if c.after {
		if err := c.Store.Append(ctx, parts...); err != nil {
			return err
		}
	}
	fmt.Fprintln(os.Stdout, "stopped")
	select {}
}

// reported is the request id of the adverse event that a child reports.
var reported = trial.RequestID{15: 250}

// child randomizes P1, or reports an adverse event, and stops before or after that
// is durable.
func child(path, at string) {
	testing.Main(func(_, _ string) (bool, error) { return true, nil }, []testing.InternalTest{{Name: "Child", F: func(t *testing.T) {
		db, err := bolt.Open(path, bolt.Options{})
		if err != nil {
			t.Fatal(err)
		}
		when, what, _ := strings.Cut(at, " ")
		s := &crashing{Store: db, after: when == "after"}
		w := recruiting(t, s)
		if what == "report" {
			w.randomize("P1")
			s.armed = true
			by := ledger.Caller{Actor: string(trial.TreatmentTeam), Role: trial.TreatmentTeam, Request: reported}
			r, _, err := w.trial().ReportAdverseEvent(t.Context(), by, relapse(trial.FromTeam), fell)
			t.Fatalf("the server went on: %+v, %v", r, err)
		}
		commit := w.ready("P1")
		s.armed = true
		r, err := w.trial().Randomize(t.Context(), w.as(trial.Coordinator), commit)
		t.Errorf("the server went on: %+v, %v", r, err)
	}}}, nil, nil)
}

// A server is killed before or after the randomization is durable, and nobody
// was answered. Whoever repeats the request gets the one allocation.
func TestRND07KilledBetweenCommitAndReply(t *testing.T) {
	for _, at := range []string{"before", "after"} {
		t.Run(at, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "lodd.db")
			kill(t, path, at)
			db, err := bolt.Open(path, bolt.Options{MustExist: true})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = db.Close() })
			w := open(t, db)
			prepared := of[trial.Prepared](w)[0]
			again := w.as(trial.Coordinator)
			again.Request = prepared.Request
			again.Request[15]++ // the id that the child used next
			commit := trial.Randomized{Participant: "P1", Intent: prepared.Request}
			first, err := w.trial().Randomize(t.Context(), again, commit)
			if err != nil || first.Repeated != (at == "after") {
				t.Fatalf("the repetition: %+v, %v", first, err)
			}
			second, err := w.trial().Randomize(t.Context(), again, commit)
			if second.Leaf != first.Leaf || second.Index != first.Index || err != nil {
				t.Errorf("answers %+v and %+v, %v", first, second, err)
			}
			if n, m := len(of[trial.Randomized](w)), len(of[trial.Allocated](w)); n != 1 || m != 1 {
				t.Errorf("%d randomizations and %d allocations", n, m)
			}
		})
	}
}

// kill runs the child until it stops, and kills it.
func kill(t *testing.T, path, at string) {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program)
	cmd.Env = append(os.Environ(), childEnv+"="+path, childEnv+"_AT="+at)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	stopped := false
	for !stopped && lines.Scan() {
		if stopped = lines.Text() == "stopped"; !stopped {
			t.Log(lines.Text())
		}
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait() // says that it was killed
	if !stopped {
		t.Fatal("the child ended by itself")
	}
}
