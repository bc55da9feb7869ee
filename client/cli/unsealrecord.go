package cli

import (
	"bytes"
	"encoding/hex"
	"html"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/lodd-rct/lodd/randomization"
)

// A sealingRecord is what a record of day 0 says, which somebody kept where the
// server can't change it.
type sealingRecord struct {
	trial      string
	commitment randomization.Commitment
	awaited    bool   // the contribution to the seed was still to come
	entropy    []byte // the contribution; nil if there was none
}

var (
	recordTrial      = regexp.MustCompile(`\bTrial:\s+([A-Za-z0-9_.-]+)`)
	recordCommitment = regexp.MustCompile(`\bCommitment:\s+([0-9A-Fa-f]{64})\b`)
	// It ends in a colon if there was a contribution, whose digits stand below.
	recordEntropy = regexp.MustCompile(`\bEntropy:\s+([^\n]*)`)
	recordDigits  = regexp.MustCompile(`(?m)^\s*([0-9a-f]+)\s*$`)
	svgTag        = regexp.MustCompile(`<[^>]*>\s*`)
)

// readRecord reads a sealing record, as text or as the drawing of it; nil for no
// path.
func (a *app) readRecord(path string) (*sealingRecord, error) {
	if path == "" {
		return nil, nil
	}
	b, err := a.readInput(filepath.Clean(path))
	if err != nil {
		return nil, err
	}
	text := strings.ReplaceAll(string(b), "\r\n", "\n")
	if strings.Contains(text, "<svg") {
		text = html.UnescapeString(svgTag.ReplaceAllString(text, "\n"))
	}
	id, commitment, entropy := recordTrial.FindStringSubmatch(text), recordCommitment.FindStringSubmatch(text), recordEntropy.FindStringSubmatchIndex(text)
	if id == nil || commitment == nil || entropy == nil {
		return nil, &usageError{a.words.say("error.no-record", path)}
	}
	r := &sealingRecord{trial: id[1]}
	if r.commitment, err = randomization.ParseCommitment(commitment[1]); err != nil {
		return nil, &usageError{a.words.say("error.no-record", path)}
	}
	switch who := text[entropy[2]:entropy[3]]; {
	case strings.HasSuffix(strings.TrimSpace(who), "awaited"):
		r.awaited = true
	case strings.HasSuffix(strings.TrimSpace(who), ":"):
		if r.entropy, err = digitsBelow(text[entropy[3]:]); err != nil {
			return nil, &usageError{a.words.say("error.no-record", path)}
		}
	}
	return r, nil
}

// digitsBelow returns the bytes whose hexadecimal digits fill the next lines.
func digitsBelow(text string) ([]byte, error) {
	var digits strings.Builder
	for line := range strings.Lines(strings.TrimLeft(text, "\n")) {
		if strings.TrimSpace(line) == "" { // a drawing has tags between its lines
			continue
		}
		m := recordDigits.FindStringSubmatch(line)
		if m == nil {
			break
		}
		digits.WriteString(m[1])
	}
	return hex.DecodeString(digits.String())
}

// hold checks a reveal against a sealing record and takes the commitment from
// there: it was published before the first participant.
func (a *app) hold(r *reveal, record sealingRecord) error {
	switch {
	case record.trial != r.Trial:
		return &notVerifiedError{message: a.words.say("error.record-trial", record.trial, r.Trial)}
	case record.awaited && !r.Contributed: // no enrolment opens before it is there
		return &notVerifiedError{message: a.words.say("error.record-awaited")}
	case !record.awaited && (r.Contributed != (record.entropy != nil) || !bytes.Equal(r.Entropy, record.entropy)):
		return &notVerifiedError{message: a.words.say("error.record-entropy")}
	}
	r.Commitment, r.record, r.awaited = record.commitment, true, record.awaited
	return nil
}
