package bolt_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lodd-rct/lodd/audit"
)

// workerVariable names the folder in which a worker works. Where it is set, this
// test program is a worker, and runs no test.
const workerVariable = "LODD_TEST_WORKER"

// A worker is a process that uses a disk: this test program once more.
type worker struct {
	t       *testing.T
	process *os.Process
	stdin   io.Writer
	lines   *bufio.Scanner
}

// hire starts a worker on a disk. It ends with the test.
func hire(t *testing.T, d *disk) *worker {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), workerVariable+"="+d.dir)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = cmd.Stdout // where a worker that fails says why
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close()
		cmd.Wait() // a worker that failed has said so
	})
	return &worker{t, cmd.Process, stdin, bufio.NewScanner(stdout)}
}

// do has a job done, and returns when it is.
func (w *worker) do(job string, args ...any) {
	w.t.Helper()
	if !w.survives(job, args...) {
		w.t.Fatalf("the worker ended during %s %v", job, args)
	}
}

// survives has a job done, and reports whether the worker has survived it.
func (w *worker) survives(job string, args ...any) bool {
	fmt.Fprintln(w.stdin, append([]any{job}, args...)...)
	for w.lines.Scan() {
		if w.lines.Text() == "done" {
			return true
		}
		w.t.Log(w.lines.Text())
	}
	return false
}

func TestMain(m *testing.M) {
	if dir := os.Getenv(workerVariable); dir != "" {
		work(dir)
		return
	}
	m.Run()
}

// work does the jobs that a test has, until it has no more.
func work(dir string) {
	out, err := os.OpenFile(filepath.Join(dir, "answers"), os.O_WRONLY, 0)
	if err != nil {
		panic(err)
	}
	defer out.Close()
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		j := job{ctx: context.Background(), dir: dir, out: out}
		words := strings.Fields(lines.Text())
		switch words[0] {
		case "log":
			j.keepLog(words[1])
		case "commits":
			j.commit(words[1])
		case "store":
			j.keepStore(words[1])
		case "reopen":
			j.reopenStore(words[1])
		}
		fmt.Fprintln(os.Stdout, "done")
	}
}

// A job is what a worker does. A worker whose job fails ends.
type job struct {
	ctx context.Context
	dir string
	out io.Writer
}

// tell says something to the world.
func (j *job) tell(format string, args ...any) {
	_, err := fmt.Fprintf(j.out, format, args...)
	j.must(err)
}

func (j *job) must(err error) {
	if err != nil {
		panic(err)
	}
}

func valueOf(key string) []byte {
	h := sha256.Sum256([]byte(key))
	return append(h[:], h[:]...)
}

// keepLog appends, puts and deletes, and tells what is done.
func (j *job) keepLog(mode string) {
	for session := range 3 {
		l, db, err := openLog(j.ctx, j.dir)
		j.must(err)
		if mode == "nosync" {
			db.NoSync()
		}
		for i := range 14 {
			j.grow(l, mode, 1+i*i%60)
			key := fmt.Sprintf("%d/%d", session, i)
			switch {
			case i%4 == 1:
				j.must(db.Put(j.ctx, key, valueOf(key)))
				j.tell("put %s", key)
			case i%4 == 3 && i > 4:
				key = fmt.Sprintf("%d/%d", session, i-2)
				j.tell("deleting %s", key)
				j.must(db.Delete(j.ctx, key))
				j.tell("deleted %s", key)
			case i%4 == 0:
				j.must(l.SaveGuard(j.ctx))
			}
		}
		j.must(l.Close())
		j.must(db.Close())
	}
}

// grow appends to two lists in one step.
func (j *job) grow(l *audit.Log, mode string, n int) {
	a, b := l.Len("a"), l.Len("t/b")
	tell := func() { j.tell("lists %d %d", a+int64(n), b+1) }
	if mode == "early" {
		tell()
	}
	_, err := l.Append(j.ctx, partOf("a", a, n), partOf("t/b", b, 1))
	j.must(err)
	if mode != "early" {
		tell()
	}
}
