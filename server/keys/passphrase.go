package keys

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"filippo.io/age"
)

// Bounds of a passphrase and of what it costs to try one.
const (
	// minPassphrase is the least number of bytes of a new passphrase: whoever has
	// the file may try passphrases for as long as they like.
	minPassphrase = 16

	// workFactor takes about a second and 256 MiB on a machine of today.
	workFactor = 18

	// maxWorkFactor bounds what a file that somebody has changed can cost: four
	// seconds and 1 GiB.
	maxWorkFactor = 20
)

// Passphrase seals the master key with a passphrase, as an age file: "age -d"
// opens it too.
//
// Source: age-encryption.org/v1, "The scrypt recipient type".
type Passphrase struct {
	// Ask returns the passphrase. It is called each time that one is needed.
	Ask func() (string, error)

	// WorkFactor is the logarithm to the base 2 of what it costs to try a
	// passphrase on a file that is sealed from now on, 1 to 20. The default, 18,
	// is for everything but tests.
	WorkFactor int
}

func (Passphrase) file() string { return passphraseFile }

func (p Passphrase) seal(o opened) ([]byte, error) {
	passphrase, err := p.Ask()
	if err != nil {
		return nil, err
	}
	if len(passphrase) < minPassphrase {
		return nil, fmt.Errorf("the passphrase has %d bytes: take at least %d, best drawn at random, since whoever has the file may try as many as they like", len(passphrase), minPassphrase)
	}
	recipient, err := age.NewScryptRecipient(passphrase)
	if err != nil {
		return nil, err
	}
	factor, err := p.factor()
	if err != nil {
		return nil, err
	}
	recipient.SetWorkFactor(factor)
	var sealed bytes.Buffer
	w, err := age.Encrypt(&sealed, recipient)
	if err != nil {
		return nil, err
	}
	_, err = w.Write(o.text)
	if err = errors.Join(err, w.Close()); err != nil {
		return nil, err
	}
	return sealed.Bytes(), nil
}

// factor returns the work factor of what is sealed from now on.
func (p Passphrase) factor() (int, error) {
	switch {
	case p.WorkFactor == 0:
		return workFactor, nil
	case p.WorkFactor < 1 || p.WorkFactor > maxWorkFactor:
		return 0, fmt.Errorf("work factor %d: want 1 to %d", p.WorkFactor, maxWorkFactor)
	}
	return p.WorkFactor, nil
}

func (p Passphrase) open(sealed []byte) (opened, error) {
	passphrase, err := p.Ask()
	if err != nil {
		return opened{}, err
	}
	identity, err := age.NewScryptIdentity(passphrase)
	if err != nil {
		return opened{}, err
	}
	identity.SetMaxWorkFactor(maxWorkFactor)
	r, err := age.Decrypt(bytes.NewReader(sealed), identity)
	if errors.Is(err, age.ErrIncorrectIdentity) {
		return opened{}, errors.New("it does not open with this passphrase: name the one that it was sealed with; nothing was changed")
	}
	if err != nil {
		return opened{}, fmt.Errorf("%w; %s", err, toRestore)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		return opened{}, fmt.Errorf("%w; %s", err, toRestore)
	}
	return opened{text: text}, nil
}
