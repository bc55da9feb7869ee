package audit_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/audit/store/bolt"
)

// crashVariable names the folder of a log. Where it is set, this test program is
// the process that TestKilledProcessLosesNothing kills, and runs no test.
const crashVariable = "LODD_TEST_CRASH_STORE"

// openFile opens the log in a bolt file with its guard beside.
func openFile(ctx context.Context, dir string) (*audit.Log, *bolt.DB, error) {
	db, err := bolt.Open(filepath.Join(dir, "log.db"), bolt.Options{})
	if err != nil {
		return nil, nil, err
	}
	c := audit.Config{Store: db, Origin: origin, Guard: audit.FileGuard{Dir: dir}}
	if c.Signer, c.Verifier, err = keyPair(origin); err != nil {
		return nil, db, err
	}
	l, err := audit.Open(ctx, c)
	return l, db, err
}

// growForEver appends to a log and prints what was acknowledged.
func growForEver(ctx context.Context, dir string) error {
	l, _, err := openFile(ctx, dir)
	if err != nil {
		return err
	}
	for i := 0; ; i++ {
		a, b := l.Len("a"), l.Len("b")
		if _, err := l.Append(ctx, part("a", a, 1+i%7), part("b", b, 1)); err != nil {
			return err
		}
		fmt.Fprintf(os.Stdout, "acknowledged %d %d\n", a+int64(1+i%7), b+1)
		if i%5 == 0 {
			if err := l.SaveGuard(ctx); err != nil {
				return err
			}
		}
	}
}

// Whenever the process is killed, everything that it had acknowledged is there
// when the log is opened again, and nothing is there by half.
func TestKilledProcessLosesNothing(t *testing.T) {
	dir := t.TempDir()
	rounds := 20
	if testing.Short() {
		rounds = 4
	}
	for round := range rounds {
		a, b := runAndKill(t, dir, 1+round*13%60)
		t.Run(fmt.Sprintf("round %d", round), func(t *testing.T) {
			l, db, err := openFile(t.Context(), dir)
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := errors.Join(l.Close(), db.Close()); err != nil {
					t.Error(err)
				}
			}()
			if l.Len("a") < a || l.Len("b") < b {
				t.Fatalf("lists have %d and %d entries, %d and %d were acknowledged", l.Len("a"), l.Len("b"), a, b)
			}
			for _, list := range []string{"a", "b"} {
				got, err := l.Read(t.Context(), list, 0, l.Len(list))
				if err != nil || !bytes.Equal(bytes.Join(got, nil), bytes.Join(entries(list, 0, len(got)), nil)) {
					t.Errorf("list %s isn't what was written: %v", list, err)
				}
			}
		})
	}
}

// runAndKill runs growForEver in a process, kills it after some acknowledgements,
// and returns the last of them.
func runAndKill(t *testing.T, dir string, after int) (a, b int64) {
	t.Helper()
	ctx, kill := context.WithCancel(t.Context())
	defer kill()
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), crashVariable+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	seen := 0
	for lines := bufio.NewScanner(out); lines.Scan(); seen++ {
		if _, err := fmt.Sscanf(lines.Text(), "acknowledged %d %d", &a, &b); err != nil {
			t.Errorf("the process says %q", lines.Text())
		}
		if seen == after {
			kill() // and read on: what is in the pipe was acknowledged, too
		}
	}
	if cmd.Wait() == nil || seen <= after {
		t.Fatalf("the process ended by itself after %d acknowledgements", seen)
	}
	return a, b
}
