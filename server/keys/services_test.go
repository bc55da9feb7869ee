package keys_test

import (
	"errors"

	"github.com/tink-crypto/tink-go/v2/core/registry"
	"github.com/tink-crypto/tink-go/v2/tink"
)

var errDeaf = errors.New("no route to host")

// deaf is a service that never answers.
type deaf struct{ tink.AEAD }

func (deaf) Supported(string) bool               { return true }
func (d deaf) GetAEAD(string) (tink.AEAD, error) { return d, nil }
func (deaf) Encrypt(_, _ []byte) ([]byte, error) { return nil, errDeaf }
func (deaf) Decrypt(_, _ []byte) ([]byte, error) { return nil, errDeaf }

// forgetful is a service that seals and never opens.
type forgetful struct{ registry.KMSClient }

func (f forgetful) GetAEAD(uri string) (tink.AEAD, error) {
	a, err := f.KMSClient.GetAEAD(uri)
	return struct {
		encrypter
		decrypter
	}{a, deaf{}}, err
}

type encrypter interface {
	Encrypt(plaintext, ad []byte) ([]byte, error)
}

type decrypter interface {
	Decrypt(sealed, ad []byte) ([]byte, error)
}

// interrupted is a service during whose calls something else happens.
type interrupted struct {
	registry.KMSClient
	meanwhile func()
}

func (i interrupted) GetAEAD(uri string) (tink.AEAD, error) {
	i.meanwhile()
	return i.KMSClient.GetAEAD(uri)
}
