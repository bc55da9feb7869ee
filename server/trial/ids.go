package trial

import (
	"encoding/hex"
	"fmt"
)

// These kinds of text are checked once, where they enter; inside there is
// nothing left to check.
type (
	// ID names a trial: 1 to 32 characters out of A-Z, 0-9 and "-".
	ID string
	// SiteID names a site, in the same form as [ID].
	SiteID string
	// ParticipantID is the screening number, unique in a trial, in the same
	// form as [ID]. It holds no personal data and says nothing of the arm.
	ParticipantID string
	// ArmID names an arm in the protocol: a [Code].
	ArmID string
	// VisitID names a visit, for example "baseline" or "month-6": a [Code].
	VisitID string
	// FormID names a form: a [Code].
	FormID string
	// Code is a short machine word: 1 to 32 characters out of a-z, 0-9, "-"
	// and "_", beginning with a letter.
	Code string
	// RequestID is the caller's own name of a request, a UUID; the same id
	// again means the same request again.
	RequestID [16]byte
	// IntentID names a prepared randomization; it is the id of the request
	// that prepared it.
	IntentID = RequestID
)

// ParseID returns s as the name of a trial.
func ParseID(s string) (ID, error) {
	if err := checkUpper(s); err != nil {
		return "", err
	}
	return ID(s), nil
}

// ParseSiteID returns s as the name of a site.
func ParseSiteID(s string) (SiteID, error) {
	if err := checkUpper(s); err != nil {
		return "", err
	}
	return SiteID(s), nil
}

// ParseParticipantID returns s as a screening number.
func ParseParticipantID(s string) (ParticipantID, error) {
	if err := checkUpper(s); err != nil {
		return "", err
	}
	return ParticipantID(s), nil
}

// ParseCode returns s as a machine word.
func ParseCode(s string) (Code, error) {
	if s == "" || len(s) > 32 {
		return "", fmt.Errorf("%d characters, want 1 to 32", len(s))
	}
	for i, r := range s {
		letter := r >= 'a' && r <= 'z'
		if !letter && (i == 0 || (r < '0' || r > '9') && r != '-' && r != '_') {
			return "", fmt.Errorf("character %q, want a-z, then a-z, 0-9, - or _", r)
		}
	}
	return Code(s), nil
}

// ParseRequestID returns s, the text form of a UUID, as a request id. The nil
// UUID is refused: it names no request.
func ParseRequestID(s string) (RequestID, error) {
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return RequestID{}, notUUID(s)
	}
	digits := make([]byte, 0, 2*len(RequestID{}))
	for _, group := range [...]string{s[:8], s[9:13], s[14:18], s[19:23], s[24:]} {
		digits = append(digits, group...)
	}
	var id RequestID
	if _, err := hex.Decode(id[:], digits); err != nil {
		return RequestID{}, notUUID(s)
	}
	if id == (RequestID{}) {
		return id, fmt.Errorf("the nil UUID names no request")
	}
	return id, nil
}

func notUUID(s string) error { return fmt.Errorf("%q is no UUID of the form 8-4-4-4-12", s) }

// String returns the text form of the UUID.
func (r RequestID) String() string {
	b := make([]byte, 0, 36)
	for i, group := range [...][]byte{r[:4], r[4:6], r[6:8], r[8:10], r[10:]} {
		if i > 0 {
			b = append(b, '-')
		}
		b = hex.AppendEncode(b, group)
	}
	return string(b)
}

func checkUpper(s string) error {
	if s == "" || len(s) > 32 {
		return fmt.Errorf("%d characters, want 1 to 32", len(s))
	}
	for _, r := range s {
		if (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' {
			return fmt.Errorf("character %q, want A-Z, 0-9 or -", r)
		}
	}
	return nil
}
