package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/server/authn"
	"github.com/lodd-rct/lodd/server/ledger"
	"github.com/lodd-rct/lodd/server/trial"
)

// lines are the lines of a server's log.
type lines struct {
	mu  sync.Mutex
	all []map[string]any
	new chan struct{} // has something after a line was written
}

func (l *lines) Write(b []byte) (int, error) {
	var line map[string]any
	if err := json.Unmarshal(b, &line); err != nil {
		return 0, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, line)
	select {
	case l.new <- struct{}{}:
	default:
	}
	return len(b), nil
}

// next waits for the next lines that say something and returns the last.
func (l *lines) next(t *testing.T) map[string]any {
	t.Helper()
	select {
	case <-l.new:
	case <-time.After(20 * time.Second):
		t.Fatal("the server said nothing for 20 s")
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all[len(l.all)-1]
}

// A server checks all of its log now and then, and says so in one line that names
// nobody. When what is on the disk has become another it names the first bad
// entry and ends, so that nobody reads on or writes on.
func TestServerChecksItsLogNowAndThen(t *testing.T) {
	log := &lines{new: make(chan struct{}, 1)}
	data := filepath.Join(t.TempDir(), "data")
	n, err := open(t.Context(), config{Data: data, Listen: "127.0.0.1:0", Name: "checked", SignIn: signInConfig{SecondFactor: factorOff}, CheckEvery: duration(10 * time.Millisecond)}, world{
		now: wall, wall: wall, random: rand.Reader, seeds: rand.Reader, log: zerolog.New(log),
		passwords: authn.PasswordConfig{MemoryKiB: 64, Passes: 1},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.ledger.Create(t.Context(), ledger.Caller{Actor: "ada"}, smallTrial("CHECKED")); err != nil {
		t.Fatal(err)
	}
	err = n.during(t.Context(), func(ctx context.Context) error {
		line := log.next(t)
		if line["message"] != "check" || line["level"] != "info" || line["entries"] != 1.0 {
			t.Errorf("the server says %v, want a check of 1 entry", line)
		}
		if len(line) != 4 {
			t.Errorf("the line has other fields than level, message, entries, elapsed_ms: %v", line)
		}
		stored, err := n.log.Read(ctx, "CHECKED/conduct", 0, 1)
		if err != nil {
			return err
		}
		rot(t, filepath.Join(data, "lodd.db"), stored[0])
		select {
		case <-ctx.Done():
		case <-time.After(20 * time.Second):
			t.Error("the server goes on with a damaged log")
		}
		return nil
	})
	if err == nil || !strings.Contains(err.Error(), `list "CHECKED/conduct": record 0`) || !strings.Contains(err.Error(), "lodd restore") {
		t.Errorf("the server ended with %v, want the first bad entry and what to do", err)
	}
	if line := log.next(t); line["level"] != "error" || line["message"] != "check" {
		t.Errorf("the last line is %v", line)
	}
	if err := n.close(); err == nil {
		t.Error("a damaged log was signed")
	}
}

// A log that was too large to be checked before the start is checked at once, and
// not a day later: what has changed below the tiles ends the server.
func TestServerChecksAtOnceWhatItOpenedUnchecked(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	n, err := open(t.Context(), config{Data: data, Listen: "127.0.0.1:0", SignIn: signInConfig{SecondFactor: factorOff}, CheckEvery: duration(24 * time.Hour)}, world{
		now: wall, wall: wall, random: rand.Reader, seeds: rand.Reader, log: zerolog.Nop(),
		passwords: authn.PasswordConfig{MemoryKiB: 64, Passes: 1},
	})
	if err != nil {
		t.Fatal(err)
	}
	for n.log.Len("bulk") < 66_000 { // a tile of tiles is 65,536
		p := audit.Part{List: "bulk", At: n.log.Len("bulk")}
		for i := range int64(audit.MaxEntries) {
			p.Entries = append(p.Entries, fmt.Appendf(nil, "entry %d of the bulk", p.At+i))
		}
		if _, err := n.log.Append(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	if err := n.log.Close(); err != nil {
		t.Fatal(err)
	}
	n.logged.FullCheck = 1
	if n.log, err = audit.Open(t.Context(), n.logged); err != nil {
		t.Fatal(err)
	}
	if n.log.Unchecked() == 0 {
		t.Fatal("all was checked before the start: the test has lost its power")
	}
	rot(t, filepath.Join(data, "lodd.db"), []byte("entry 30000 of the bulk"))
	err = n.during(t.Context(), func(ctx context.Context) error {
		select {
		case <-ctx.Done():
		case <-time.After(20 * time.Second):
			t.Error("the server goes on with a damaged log")
		}
		return nil
	})
	if err == nil || !strings.Contains(err.Error(), `list "bulk": record 30000`) {
		t.Errorf("the server ended with %v, want the first bad entry", err)
	}
	if err := n.close(); err == nil {
		t.Error("a damaged log was signed")
	}
}

// smallTrial returns a protocol that asks for as little as it can.
func smallTrial(id trial.ID) trial.Protocol {
	label := trial.Text{EN: "x"}
	return trial.Protocol{
		ID: id, Title: label, TimeZone: "Europe/Oslo",
		Arms:     []trial.Arm{{ID: "new", Label: label, Ratio: 1}, {ID: "usual", Label: label, Ratio: 1}},
		Sites:    []trial.Site{{ID: "OSL", Name: "Oslo"}},
		Visits:   []trial.Visit{{ID: "baseline", Label: label}},
		Consents: []trial.Consent{{Version: "1", Approved: trial.Date{Year: 2024, Month: 1, Day: 1}}},
	}
}

// rot changes a byte of every copy of a record in a file.
func rot(t *testing.T, path string, record []byte) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	found := 0
	for at := 0; ; found++ {
		i := bytes.Index(content[at:], record)
		if i < 0 {
			break
		}
		at += i + len(record)
		if _, err := f.WriteAt([]byte{content[at-1] ^ 1}, int64(at-1)); err != nil {
			t.Fatal(err)
		}
	}
	if found == 0 {
		t.Fatal("the record isn't in the file")
	}
}
