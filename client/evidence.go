package client

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// A LogError tells that the server's log is not what it claims to be, or not
// what it was.
type LogError struct {
	// List is the compartment.
	List string

	// Problem says what was found.
	Problem string

	// Shorter tells that entries are missing that were there before: an older
	// copy of the server may have been restored.
	Shorter bool

	// Rewritten tells that what was there before is another now.
	Rewritten bool

	// Seen is how many entries were seen before, and Shown how many the server
	// shows, if the log is shorter or was rewritten.
	Seen, Shown int64

	// Evidence is the file that holds what was found; empty if none was written.
	Evidence string

	// Behind tells that the server, shown what it lacks, admits that it was brought
	// back from an older copy. It may have grown since, so that it isn't shorter.
	Behind bool

	// Memory is the file of what was seen before, if that can't be verified itself:
	// it was changed, or the server has another key. Empty otherwise.
	Memory string

	// Reported says what became of it that the server was shown what it lacks;
	// empty if there was nothing to show.
	Reported string
}

// Error implements error.
func (e *LogError) Error() string {
	text := e.List + ": " + e.Problem
	if e.Evidence != "" {
		text += "; the evidence is in " + e.Evidence
	}
	if e.Reported != "" {
		text += "; " + e.Reported
	}
	return text
}

// A finding is what doesn't hold, and everything that shows it. It is written as
// JSON, so that others can check it without this program: notes as they were
// signed, hashes in base64.
type finding struct {
	Schema      string   `json:"schema"`
	At          string   `json:"at"`
	Server      string   `json:"server"`
	Pin         string   `json:"pin"`
	LogKey      string   `json:"log_key"`
	List        string   `json:"list"`
	Problem     string   `json:"problem"`
	Remembered  string   `json:"remembered_checkpoint,omitempty"`
	Given       string   `json:"given_checkpoint,omitempty"`
	Cosigned    string   `json:"cosigned_checkpoint,omitempty"`
	Receipt     *Receipt `json:"receipt,omitempty"`
	Entry       []byte   `json:"entry,omitempty"`
	Inclusion   [][]byte `json:"inclusion_proof,omitempty"`
	Consistency [][]byte `json:"consistency_proof,omitempty"`

	shorter, rewritten bool
	seen, shown        int64
	memory             string
}

const evidenceSchema = "lodd.evidence/1"

// found writes the evidence and returns the error that names it.
func (c *Client) found(f finding) *LogError {
	e := &LogError{List: f.List, Problem: f.Problem, Shorter: f.shorter, Rewritten: f.rewritten, Seen: f.seen, Shown: f.shown, Memory: f.memory}
	if c.config.Evidence == "" {
		return e
	}
	f.Schema, f.Server, f.Pin, f.LogKey = evidenceSchema, c.config.Address, c.config.Pin, c.config.LogKey
	path, err := writeEvidence(c.config.Evidence, f, c.config.Now())
	if err != nil {
		e.Problem += fmt.Sprintf("; the evidence could not be written (%v): keep this message", err)
	}
	e.Evidence = path
	return e
}

// writeEvidence writes a finding into a folder and returns its file. What was
// found before isn't written again, unless that file doesn't hold it any more,
// and no file is ever overwritten.
func writeEvidence(dir string, f finding, at time.Time) (string, error) {
	timeless, err := json.Marshal(f)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(timeless)
	id := hex.EncodeToString(sum[:8])
	if same, err := filepath.Glob(filepath.Join(dir, "*-"+id+"*.json")); err == nil {
		for _, path := range same {
			if holds(path, f) {
				return path, nil
			}
		}
	}
	f.At = at.UTC().Format(time.RFC3339)
	text, err := f.text()
	if err != nil {
		return "", err
	}
	// One that holds the same meanwhile is that of another process.
	return createNumbered(filepath.Join(dir, at.UTC().Format("20060102T150405Z")+"-"+id), ".json", text, func(path string) bool { return holds(path, f) })
}

// text returns a finding as it is written.
func (f finding) text() ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	err := enc.Encode(f)
	return b.Bytes(), err
}

// holds reports whether a file holds a finding, made at whatever time.
func holds(path string, f finding) bool {
	b, err := os.ReadFile(path)
	if err != nil {
		return false
	}
	var was finding
	if json.Unmarshal(b, &was) != nil {
		return false
	}
	f.At = was.At
	text, err := f.text()
	return err == nil && bytes.Equal(b, text)
}
