package audit

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
)

// A Cosignature says which witness co-signed a checkpoint, and when by its own
// clock.
type Cosignature struct {
	Witness string
	At      time.Time
}

// A Cosigned is a checkpoint under which witnesses have signed.
type Cosigned struct {
	Checkpoint

	// Cosignatures are those of known witnesses, by name.
	Cosignatures []Cosignature

	note *note.Note // with the verified signatures alone
}

// OpenCosigned returns the checkpoint of a note that the log has signed, and the
// co-signatures of known witnesses below it, of which there may be none. A
// signature that bears the name and hash of one of them and isn't its own is an
// error.
func OpenCosigned(signed []byte, log note.Verifier, witnesses ...*CosignatureVerifier) (Cosigned, error) {
	if len(signed) > maxCheckpoint {
		return Cosigned{}, fmt.Errorf("audit: checkpoint has %d bytes, at most %d are allowed", len(signed), maxCheckpoint)
	}
	known := []note.Verifier{log}
	for _, w := range witnesses {
		known = append(known, w)
	}
	n, err := note.Open(signed, note.VerifierList(known...))
	if err != nil {
		return Cosigned{}, fmt.Errorf("audit: open co-signed checkpoint: %w", err)
	}
	n.UnverifiedSigs = nil
	c := Cosigned{note: n}
	if c.Checkpoint, err = parseCheckpoint(n.Text); err != nil {
		return Cosigned{}, err
	}
	byLog := false
	for _, s := range n.Sigs {
		if s.Name == log.Name() && s.Hash == log.KeyHash() {
			byLog = true
			continue
		}
		c.Cosignatures = append(c.Cosignatures, Cosignature{s.Name, signedAt(s)})
	}
	if !byLog {
		return Cosigned{}, errors.New("audit: open co-signed checkpoint: the log itself hasn't signed it")
	}
	slices.SortFunc(c.Cosignatures, func(a, b Cosignature) int { return strings.Compare(a.Witness, b.Witness) })
	return c, nil
}

// signedAt returns the time in a verified co-signature.
func signedAt(s note.Signature) time.Time {
	b, err := base64.StdEncoding.DecodeString(s.Base64)
	if err != nil || len(b) < 4 {
		return time.Time{} // never: it was verified
	}
	at, _ := cosignatureTime(b[4:])
	return time.Unix(int64(at), 0).UTC()
}

// Sign returns the note with a further signature, that of a witness. One that
// the same key made earlier is replaced.
func (c Cosigned) Sign(w *Cosigner) ([]byte, error) {
	n := &note.Note{Text: c.note.Text, Sigs: slices.Clone(c.note.Sigs)}
	signed, err := note.Sign(n, w)
	if err != nil {
		return nil, fmt.Errorf("audit: co-sign checkpoint of %s: %w", c.Origin, err)
	}
	return signed, nil
}

// Merge returns the note of c with those co-signatures of another note of the
// same text that c lacks, or of which the other has a later one.
func (c Cosigned) Merge(other Cosigned) ([]byte, error) {
	if c.note.Text != other.note.Text {
		return nil, fmt.Errorf("audit: merge co-signatures: %s of size %d and %s of size %d are two texts", c.Origin, c.Size, other.Origin, other.Size)
	}
	sigs := slices.Clone(c.note.Sigs)
	for _, s := range other.note.Sigs {
		i := slices.IndexFunc(sigs, func(have note.Signature) bool { return have.Name == s.Name && have.Hash == s.Hash })
		switch {
		case i < 0:
			sigs = append(sigs, s)
		case signedAt(s).After(signedAt(sigs[i])):
			sigs[i] = s
		}
	}
	return encodeNote(c.note.Text, sigs)
}

// Bytes returns the note of c, without the signatures of others than the log and
// the known witnesses.
func (c Cosigned) Bytes() ([]byte, error) { return encodeNote(c.note.Text, c.note.Sigs) }

func encodeNote(text string, sigs []note.Signature) ([]byte, error) {
	signed, err := note.Sign(&note.Note{Text: text, Sigs: sigs})
	if err != nil {
		return nil, fmt.Errorf("audit: write co-signed checkpoint: %w", err)
	}
	return signed, nil
}
