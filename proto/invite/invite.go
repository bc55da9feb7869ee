// Package invite defines the text by which a person is invited to a server: one
// string to paste, with everything a client needs for its first call.
//
// An invite is "lodd1." and then, in base64url without padding, a JSON object
// followed by the first four bytes of its SHA-256. The digest finds a paste
// that was cut off; it is no signature. Whoever holds an invite can use it: it
// travels as a password does, and no error repeats any of it.
package invite

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	prefix   = "lodd1."
	sumSize  = 4
	maxText  = 4096 // bytes of an invite
	maxHosts = 16   // addresses in an invite
)

// An Invite tells a client where a server is, how to know it, and by which
// one-time code to open an account there.
type Invite struct {
	// Server is the name that people know the server by: up to 100 characters.
	Server string `json:"server"`

	// Addresses are where to reach it, as host:port, best first; 1 to 16.
	Addresses []string `json:"addresses"`

	// Pin is the SHA-256 of the SubjectPublicKeyInfo of the server's certificate
	// authority, in base64url without padding.
	Pin string `json:"pin"`

	// Code is the one-time code, as the server wrote it: up to 100 characters.
	Code string `json:"code"`
}

// Encode returns the invite as a string to paste.
func Encode(i Invite) (string, error) {
	if err := i.check(); err != nil {
		return "", fmt.Errorf("invite: encode: %w", err)
	}
	b, err := json.Marshal(i)
	if err != nil {
		return "", fmt.Errorf("invite: encode: %w", err)
	}
	sum := sha256.Sum256(b)
	text := prefix + base64.RawURLEncoding.EncodeToString(append(b, sum[:sumSize]...))
	if len(text) > maxText {
		return "", fmt.Errorf("invite: encode: %d bytes are more than %d: give fewer addresses", len(text), maxText)
	}
	return text, nil
}

// Parse reads an invite. White space anywhere, as mail programs insert it, is
// ignored, and so are fields that a newer server may add. Its errors are meant
// for the person who pasted the text.
func Parse(text string) (Invite, error) {
	if len(text) > 2*maxText {
		return Invite{}, fmt.Errorf("this is too long for an invite: copy only the text that begins with %q", prefix)
	}
	text = strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return -1
		}
		return r
	}, text)
	body, ok := strings.CutPrefix(text, prefix)
	if !ok {
		return Invite{}, prefixError(text)
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(body)
	if err != nil || len(b) < sumSize {
		return Invite{}, errDamaged
	}
	b, want := b[:len(b)-sumSize], b[len(b)-sumSize:]
	if sum := sha256.Sum256(b); !bytes.Equal(sum[:sumSize], want) {
		return Invite{}, errDamaged
	}
	var i Invite
	if err := json.Unmarshal(b, &i); err != nil || i.check() != nil {
		return Invite{}, errors.New("this invite is whole but not understood: ask for a new one, or update this program")
	}
	return i, nil
}

var errDamaged = errors.New("the invite is incomplete or was changed: copy all of it, from " + prefix + " to the last character")

func prefixError(text string) error {
	number, _, dot := strings.Cut(strings.TrimPrefix(text, "lodd"), ".")
	if n, err := strconv.Atoi(number); dot && err == nil && n > 1 && strings.HasPrefix(text, "lodd") {
		return errors.New("this invite was made by a newer server: update this program")
	}
	return fmt.Errorf("this is not an invite: an invite begins with %q", prefix)
}

func (i Invite) check() error {
	switch {
	case !isText(i.Server):
		return errors.New("the server's name must have 1 to 100 characters")
	case !isText(i.Code):
		return errors.New("the code must have 1 to 100 characters")
	case len(i.Addresses) == 0 || len(i.Addresses) > maxHosts:
		return fmt.Errorf("there must be 1 to %d addresses, not %d", maxHosts, len(i.Addresses))
	}
	for _, address := range i.Addresses {
		host, port, err := net.SplitHostPort(address)
		n, portErr := strconv.ParseUint(port, 10, 16)
		if err != nil || portErr != nil || host == "" || n == 0 || !isText(address) {
			return fmt.Errorf("address %q must be host:port", address)
		}
	}
	if pin, err := base64.RawURLEncoding.Strict().DecodeString(i.Pin); err != nil || len(pin) != sha256.Size || strings.ContainsAny(i.Pin, "\r\n") {
		return errors.New("the pin must be a SHA-256 in base64url without padding")
	}
	return nil
}

// isText reports whether s is a short text that can stand on one line.
func isText(s string) bool {
	n := utf8.RuneCountInString(s)
	return 0 < n && n <= 100 && utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}
