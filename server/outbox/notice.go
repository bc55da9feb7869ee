package outbox

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/mail"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"
)

// A Kind says what a notice is about.
type Kind string

// The kinds of notices.
const (
	ListChanged Kind = "list-changed" // a treatment team looks at its list
	Unblinded   Kind = "unblinded"    // an emergency unblinding took place
	Collect     Kind = "collect"      // something waits for one account
	BlindBroken Kind = "blind-broken" // an assessor reported a broken blind
	Proposed    Kind = "proposed"     // what one person proposed waits for a second one
	TextHeld    Kind = "text-held"    // held text waits for a reviewer
)

// texts is what each kind says, in Norwegian and English. No word of it is a
// function of anything but the kind.
func texts(k Kind) (nb, en string) {
	switch k {
	case ListChanged:
		return "Det kan være noe nytt på listen din.", "There may be something new on your list."
	case Unblinded:
		return "En nødavblinding har funnet sted. Den gjelder én deltaker.", "An emergency unblinding took place. It is about one participant."
	case Collect:
		return "Noe venter på deg.", "Something waits for you."
	case BlindBroken:
		return "Det er meldt om en brutt blinding. Den gjelder én deltaker.", "A broken blind was reported. It is about one participant."
	case Proposed:
		return "Et forslag venter på enda en person.", "A proposal waits for a second person."
	case TextHeld:
		return "Fritekst er holdt tilbake og venter på gjennomgang.", "Free text was held back and waits for a reviewer."
	default:
		return "Noe har skjedd.", "Something has happened."
	}
}

// A Notice is one mail to one person.
type Notice struct {
	// ID is the same whenever the same notice is sent again.
	ID string
	// At is when it was due: that of the entry, or of the batch.
	At time.Time
	// To is the address of the person.
	To string
	// Trial is the trial; empty for what is about the server.
	Trial string
	Kind  Kind
}

// noticeID returns the ID of what entry index of a list tells a user.
func noticeID(list string, index int64, k Kind, user string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "lodd notice 1\n%s\n%d\n%s\n%s\n", list, index, k, user))
	return hex.EncodeToString(sum[:16])
}

// subject says no more than where the mail comes from: it stands on locked
// screens and in the logs of relays.
func (n Notice) subject() string { return strings.TrimSpace("Lodd " + n.Trial) }

func (n Notice) body() string {
	nb, en := texts(n.Kind)
	return nb + " Logg inn i Lodd for å lese mer.\r\n" +
		"Meldingen har verken lenker eller opplysninger om deltakere.\r\n\r\n" +
		en + " Sign in to Lodd to read more.\r\n" +
		"This notice has neither links nor information about participants.\r\n"
}

// message returns the notice as a mail. The same notice gives the same bytes.
//
// Source: RFC 5322 (2008); RFC 3834 (2004), section 5, so that no machine answers.
func (n Notice) message(from string) (*gomail.Msg, error) {
	m := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	if err := m.From(from); err != nil {
		return nil, fmt.Errorf("outbox: the address that notices come from can't be used: %w", err)
	}
	to, err := mail.ParseAddress(n.To)
	if err != nil { // whose text would hold the address
		return nil, fmt.Errorf("outbox: an address: %w", ErrRefused)
	}
	m.ToMailAddress(&mail.Address{Address: to.Address})
	_, domain, _ := strings.Cut(from, "@")
	m.SetMessageIDWithValue(n.ID + "@" + strings.TrimSuffix(domain, ">"))
	m.SetDateWithValue(n.At.UTC())
	m.Subject(n.subject())
	m.SetGenHeader("Auto-Submitted", "auto-generated")
	m.SetBodyString(gomail.TypeTextPlain, n.body())
	return m, nil
}

// bytes returns the mail as it stands in a file.
func (n Notice) bytes(from string) ([]byte, error) {
	m, err := n.message(from)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if _, err := m.WriteTo(&b); err != nil {
		return nil, fmt.Errorf("outbox: write a notice: %w", err)
	}
	return b.Bytes(), nil
}
