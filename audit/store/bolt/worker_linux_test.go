package bolt_test

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/audit/store"
	"github.com/lodd-rct/lodd/audit/store/bolt"
)

// workerVariable names the folder in which TestWorker works.
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
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestWorker$")
	cmd.Env = append(os.Environ(), workerVariable+"="+d.dir)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
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

// TestWorker is no test by itself: it is the process that other tests start on
// a disk of their own.
func TestWorker(t *testing.T) {
	dir := os.Getenv(workerVariable)
	if dir == "" {
		t.Skip("other tests start it as a process of its own")
	}
	out, err := os.OpenFile(filepath.Join(dir, "answers"), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		j := job{t: t, dir: dir, out: out}
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

// A job is what a worker does.
type job struct {
	t   *testing.T
	dir string
	out io.Writer
}

// tell says something to the world.
func (j *job) tell(format string, args ...any) {
	if _, err := fmt.Fprintf(j.out, format, args...); err != nil {
		j.t.Fatal(err)
	}
}

func (j *job) must(err error) {
	j.t.Helper()
	if err != nil {
		j.t.Fatal(err)
	}
}

func valueOf(key string) []byte {
	h := sha256.Sum256([]byte(key))
	return append(h[:], h[:]...)
}

// keepLog appends, puts and deletes, and tells what is done.
func (j *job) keepLog(mode string) {
	for session := range 3 {
		l, db, err := openLog(j.t.Context(), j.dir)
		j.must(err)
		if mode == "nosync" {
			db.NoSync()
		}
		for i := range 14 {
			j.grow(l, mode, 1+i*i%60)
			key := fmt.Sprintf("%d/%d", session, i)
			switch {
			case i%4 == 1:
				j.must(db.Put(j.t.Context(), key, valueOf(key)))
				j.tell("put %s", key)
			case i%4 == 3 && i > 4:
				key = fmt.Sprintf("%d/%d", session, i-2)
				j.tell("deleting %s", key)
				j.must(db.Delete(j.t.Context(), key))
				j.tell("deleted %s", key)
			case i%4 == 0:
				j.must(l.SaveGuard(j.t.Context()))
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
	_, err := l.Append(j.t.Context(), partOf("a", a, n), partOf("t/b", b, 1))
	j.must(err)
	if mode != "early" {
		tell()
	}
}

// commit appends single entries to a store as a server opens it.
func (j *job) commit(name string) {
	db, err := bolt.Open(filepath.Join(j.dir, name), bolt.Options{})
	j.must(err)
	j.tell("opened")
	for i := range int64(100) {
		j.must(db.Append(j.t.Context(), store.Part{List: "a", At: i, Records: [][]byte{bytes.Repeat([]byte{1}, 236)}}))
		j.tell("answered %d", i)
	}
	j.must(db.Close())
}
