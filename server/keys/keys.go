// Package keys keeps the server's own keys on disk: the master key of the
// vault, the keys that sign log checkpoints and exports, and the certificate
// authority that vouches for the server. The master key may lie sealed, with a
// passphrase or a key management service. It never overwrites a key.
package keys

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"

	"golang.org/x/mod/sumdb/note"
)

// Config says how to load the keys.
type Config struct {
	// Fresh allows keys to be made. It is true only while there is no database
	// yet: keys made beside an older database could neither open nor continue
	// it. Missing keys are then an error.
	Fresh bool

	// Name is the name of the server in the new signing keys, which become
	// Name/log and Name/export. It holds neither spaces nor pluses; the default
	// is "lodd". An existing key keeps its name.
	Name string

	// Hosts are the names and addresses, without a port, by which clients reach
	// the server. localhost and the loopback addresses are always added.
	Hosts []string

	// Seal is how the master key is sealed; nil means in clear. The other keys
	// always lie in clear. With a Seal, a new master key never lies there. A key
	// that lies there otherwise is refused: see [Reseal].
	Seal Seal

	// Now is the time of the start. The server's certificate is valid from a
	// day before, for clients whose clocks are behind, until 825 days after.
	Now time.Time

	// Random is the source of the master key and the signing keys. Go takes the
	// keys and signatures of TLS from the system whatever it is given.
	Random io.Reader
}

// Keys are the server's keys. They don't change, so all methods may be called
// concurrently.
type Keys struct {
	LogSigner    note.Signer // signs checkpoints of the log
	LogVerifier  string      // its public half, as [note.NewVerifier] reads it
	ExportSigner note.Signer // signs exports
	// ExportVerifier is the public half of ExportSigner.
	ExportVerifier string

	master    Master
	authority *ecdsa.PrivateKey
	root      *x509.Certificate
	server    tls.Certificate
}

// Format implements [fmt.Formatter]: keys don't print.
func (Keys) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "sealed") }

// MarshalText implements [encoding.TextMarshaler], for JSON and structured logs.
func (Keys) MarshalText() ([]byte, error) { return []byte("sealed"), nil }

// Master returns the master key.
func (k *Keys) Master() Master { return k.master }

// Load reads the keys in the folder dir. If c.Fresh is set it makes the folder
// and whatever key is missing, so that it may be repeated after a crash; two
// servers that do so at once end up with the same keys.
//
// The folder must be closed to everyone but its owner, and so must the files.
func Load(dir string, c Config) (*Keys, error) {
	if c.Name == "" {
		c.Name = "lodd"
	}
	switch {
	case c.Random == nil || c.Now.IsZero():
		return nil, errors.New("keys: Random and Now are needed")
	case strings.ContainsFunc(c.Name, func(r rune) bool { return r == '+' || unicode.IsSpace(r) }):
		return nil, fmt.Errorf("keys: the server name %q holds a space or a plus: use another", c.Name)
	}
	names, err := newNames(c.Hosts)
	if err != nil {
		return nil, err
	}
	f, err := openFolder(dir, c.Fresh)
	if err != nil {
		return nil, err
	}
	k := &Keys{}
	if k.master, err = f.master(c); err != nil {
		return nil, err
	}
	for _, key := range []struct {
		file string
		make func() ([]byte, error)
		read func([]byte) error
	}{
		{"log.key", c.newSigner("log"), readSigner(&k.LogSigner, &k.LogVerifier)},
		{"export.key", c.newSigner("export"), readSigner(&k.ExportSigner, &k.ExportVerifier)},
		{"tls-ca.key", c.newAuthority, k.readAuthority},
	} {
		text, err := f.load(key.file, key.make)
		if err != nil {
			return nil, err
		}
		if err := key.read(text); err != nil {
			return nil, fmt.Errorf("keys: read %s: %w; %s", f.path(key.file), err, toRestore)
		}
	}
	if err := k.certify(c.Now, names); err != nil {
		return nil, fmt.Errorf("keys: certify the server: %w", err)
	}
	return k, nil
}

// newSigner returns how to make the key that signs what purpose names.
//
// Source: package golang.org/x/mod/sumdb/note, "Signing and verifying keys".
func (c Config) newSigner(purpose string) func() ([]byte, error) {
	return func() ([]byte, error) {
		private, _, err := note.GenerateKey(c.Random, c.Name+"/"+purpose)
		return []byte(private + "\n"), err
	}
}

// readSigner returns how to read a signing key into signer and verifier.
func readSigner(signer *note.Signer, verifier *string) func([]byte) error {
	return func(text []byte) error {
		private := strings.TrimSuffix(string(text), "\n")
		s, err := note.NewSigner(private)
		if err != nil {
			return errors.New("this is no whole signing key") // note's error speaks of verifiers
		}
		// NewSigner found five fields and, after a byte for the algorithm, a seed.
		seed, err := base64.StdEncoding.DecodeString(strings.SplitN(private, "+", 5)[4])
		if err != nil {
			return err
		}
		public, _ := ed25519.NewKeyFromSeed(seed[1:]).Public().(ed25519.PublicKey)
		*signer = s
		*verifier, err = note.NewEd25519VerifierKey(s.Name(), public)
		return err
	}
}
