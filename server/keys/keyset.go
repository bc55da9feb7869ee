package keys

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/core/registry"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"
)

// The format of the file, and what binds each of its two parts to its purpose.
const (
	keySetFormat = "lodd master key 1"
	keySetAD     = "lodd/keys/v1/keyset"
	masterAD     = "lodd/keys/v1/master"
)

// KeySet seals the master key with a key set of Tink that a key management
// service keeps sealed: the service never sees the master key, and the disk
// never the key set.
//
// To seal what a KeySet has opened adds a key to the set, which is from then on
// the primary one. The older keys stay and open what they have sealed.
type KeySet struct {
	// URI names the key of the service, which never leaves it. It comes from the
	// operator and not from the folder: whoever could change it there would be
	// sent the token of the server.
	URI string

	// KMS is the client of the service.
	KMS registry.KMSClient
}

// Format implements [fmt.Formatter]: the client holds a token.
func (KeySet) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "sealed") }

func (KeySet) file() string { return keySetFile }

// A keySet is a key set in clear.
type keySet struct{ handle *keyset.Handle }

// keySetContent is the content of the file: one file, so that a key set and what
// it has sealed are always of one another.
type keySetContent struct {
	Format string `json:"format"`
	// KeySet is an encrypted keyset as Tink writes it in JSON.
	KeySet json.RawMessage `json:"keyset"`
	// Master is the text of the master key, sealed with the primary key of KeySet.
	Master []byte `json:"master"`
}

func (k KeySet) seal(o opened) ([]byte, error) {
	kek, err := k.kek()
	if err != nil {
		return nil, err
	}
	handle, err := o.set.grown()
	if err != nil {
		return nil, fmt.Errorf("add a key to the key set: %w", err)
	}
	primitive, err := aead.New(handle)
	if err != nil {
		return nil, err
	}
	c := keySetContent{Format: keySetFormat}
	if c.Master, err = primitive.Encrypt(o.text, []byte(masterAD)); err != nil {
		return nil, err
	}
	var set bytes.Buffer
	if err := handle.WriteWithAssociatedData(keyset.NewJSONWriter(&set), kek, []byte(keySetAD)); err != nil {
		return nil, kek.explain("seal", err)
	}
	c.KeySet = set.Bytes()
	text, err := json.MarshalIndent(c, "", "  ")
	return append(text, '\n'), err
}

// grown returns the key set with one key more, which is the primary one.
func (s *keySet) grown() (*keyset.Handle, error) {
	m := keyset.NewManager()
	if s != nil {
		m = keyset.NewManagerFromHandle(s.handle)
	}
	id, err := m.Add(aead.AES256GCMKeyTemplate())
	if err != nil {
		return nil, err
	}
	if err := m.SetPrimary(id); err != nil {
		return nil, err
	}
	return m.Handle()
}

func (k KeySet) open(sealed []byte) (opened, error) {
	c, err := readKeySet(sealed)
	if err != nil {
		return opened{}, err
	}
	kek, err := k.kek()
	if err != nil {
		return opened{}, err
	}
	handle, err := keyset.ReadWithAssociatedData(keyset.NewJSONReader(bytes.NewReader(c.KeySet)), kek, []byte(keySetAD))
	if err != nil {
		return opened{}, kek.explain("open", err)
	}
	primitive, err := aead.New(handle)
	if err != nil {
		return opened{}, fmt.Errorf("its key set: %w; %s", err, toRestore)
	}
	text, err := primitive.Decrypt(c.Master, []byte(masterAD))
	if err != nil {
		return opened{}, fmt.Errorf("its key set does not open its master key: it was changed; %s", toRestore)
	}
	return opened{text: text, set: &keySet{handle}}, nil
}

func readKeySet(sealed []byte) (c keySetContent, err error) {
	d := json.NewDecoder(bytes.NewReader(sealed))
	err = d.Decode(&c)
	if err == nil {
		if _, end := d.Token(); !errors.Is(end, io.EOF) {
			err = errors.New("something follows it")
		}
	}
	switch {
	case err != nil:
		return c, fmt.Errorf("this is no whole file of a key set: %w; %s", err, toRestore)
	case c.Format != keySetFormat:
		return c, fmt.Errorf("its format is %q and this program reads %q: use a newer program, or %s", c.Format, keySetFormat, toRestore)
	}
	return c, nil
}

// A kek is the key of the service. It keeps the error of a call, which Tink
// hands on as mere text.
type kek struct {
	tink.AEAD
	uri string
	err error
}

func (k KeySet) kek() (*kek, error) {
	if k.KMS == nil || !k.KMS.Supported(k.URI) {
		return nil, fmt.Errorf("no key management service is known for %s", k.URI)
	}
	a, err := k.KMS.GetAEAD(k.URI)
	if err != nil {
		return nil, fmt.Errorf("key %s: %w", k.URI, err)
	}
	return &kek{AEAD: a, uri: k.URI}, nil
}

// Encrypt implements [tink.AEAD].
func (k *kek) Encrypt(plaintext, ad []byte) (sealed []byte, err error) {
	sealed, k.err = k.AEAD.Encrypt(plaintext, ad)
	return sealed, k.err
}

// Decrypt implements [tink.AEAD].
func (k *kek) Decrypt(sealed, ad []byte) (plaintext []byte, err error) {
	plaintext, k.err = k.AEAD.Decrypt(sealed, ad)
	return plaintext, k.err
}

// explain tells an error of the service from one of the file.
func (k *kek) explain(verb string, err error) error {
	if k.err != nil {
		return fmt.Errorf("the key management service did not %s the key set with %s: %w; nothing was changed", verb, k.uri, k.err)
	}
	return fmt.Errorf("its key set: %w; %s", err, toRestore)
}
