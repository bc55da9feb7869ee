package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/lodd-rct/lodd/server/keys"
)

// masterKeyConfig is the table master_key of the configuration: how the master
// key is sealed. With nothing in it the key lies in clear, or a terminal is asked
// for its passphrase.
type masterKeyConfig struct {
	// PassphraseFile names a file, closed to others, whose first line is the
	// passphrase. The default is what LODD_PASSPHRASE_FILE names.
	PassphraseFile string `toml:"passphrase_file"`
	// URI names the key of a key management service, for example
	// hcvault://vault.example.org:8200/transit/keys/lodd.
	URI string `toml:"uri"`
	// TokenFile names a file, closed to others, whose first line is the token of
	// the service. The default is the token itself in VAULT_TOKEN.
	TokenFile string `toml:"token_file"`
	// CAFile names a file of certificates in PEM that vouch for the service. By
	// default the system's do.
	CAFile string `toml:"ca_file"`
}

// masterKeyFlags adds the flags of whatever opens a master key.
func masterKeyFlags(f *pflag.FlagSet, m *masterKeyConfig) {
	f.StringVar(&m.PassphraseFile, "passphrase-file", "", "`FILE` with the passphrase of the master key (default that in LODD_PASSPHRASE_FILE)")
	f.StringVar(&m.URI, "master-key-uri", "", "`URI` of the key that opens the master key, as hcvault://HOST:PORT/MOUNT/keys/NAME")
	f.StringVar(&m.TokenFile, "kms-token-file", "", "`FILE` with the token of the key management service (default the token in VAULT_TOKEN)")
	f.StringVar(&m.CAFile, "kms-ca-file", "", "`FILE` of certificates that vouch for the key management service (default the system's)")
}

// over returns what flags say, then the configuration, then the environment.
func (m masterKeyConfig) over(file masterKeyConfig) masterKeyConfig {
	if m.PassphraseFile == "" && m.URI == "" {
		m.PassphraseFile, m.URI = file.PassphraseFile, file.URI
	}
	if m.PassphraseFile == "" && m.URI == "" {
		m.PassphraseFile = os.Getenv("LODD_PASSPHRASE_FILE")
	}
	if m.TokenFile == "" {
		m.TokenFile = file.TokenFile
	}
	if m.CAFile == "" {
		m.CAFile = file.CAFile
	}
	return m
}

// loadKeys loads the keys of a folder in the way that the configuration says, or
// asks the terminal for the passphrase if it says none and one is needed.
func loadKeys(ctx context.Context, c config, k keys.Config) (_ *keys.Keys, err error) {
	if k.Seal, err = c.MasterKey.seal(); err != nil {
		return nil, err
	}
	if k.Seal == nil && term.IsTerminal(int(os.Stdin.Fd())) {
		kept, err := keys.Stat(c.Keys)
		if err != nil {
			return nil, err
		}
		if len(kept) == 1 && kept[0].Form == keys.FormPassphrase {
			k.Seal = asked(ctx, "passphrase of the master key")
		}
	}
	return keys.Load(c.Keys, k)
}

// readable reports what is wrong with the file of the passphrase, if one is named.
// What can be read only once is read when it is needed.
func (m masterKeyConfig) readable() error {
	if m.PassphraseFile == "" {
		return nil
	}
	if info, err := os.Stat(m.PassphraseFile); err == nil && !info.Mode().IsRegular() {
		return nil
	}
	_, err := keys.ReadSecret(m.PassphraseFile)
	return err
}

// seal returns how the master key is sealed, nil if nothing is said about it.
func (m masterKeyConfig) seal() (keys.Seal, error) {
	switch {
	case m.PassphraseFile != "" && m.URI != "":
		return nil, errors.New("a passphrase and a key management service are named for the master key: name one")
	case m.PassphraseFile != "":
		return keys.Passphrase{Ask: func() (string, error) { return keys.ReadSecret(m.PassphraseFile) }}, nil
	case m.URI != "":
		kms, err := m.kms()
		if err != nil {
			return nil, err
		}
		return keys.KeySet{URI: m.URI, KMS: kms}, nil
	}
	return nil, nil
}

// after returns how a master key is sealed anew that from opens by the settings
// old: as m says, or else with one key more in a key set, or a passphrase that
// the terminal is asked for.
func (m masterKeyConfig) after(ctx context.Context, old masterKeyConfig, from keys.Seal) (keys.Seal, error) {
	if m.TokenFile == "" {
		m.TokenFile = old.TokenFile
	}
	if m.CAFile == "" {
		m.CAFile = old.CAFile
	}
	seal, err := m.seal()
	if seal != nil || err != nil {
		return seal, err
	}
	if _, set := from.(keys.KeySet); set {
		return from, nil
	}
	return askedTwice(ctx), nil
}

// asked is a passphrase that somebody at the terminal types, once.
func asked(ctx context.Context, what string) keys.Passphrase {
	return keys.Passphrase{Ask: sync.OnceValues(func() (string, error) { return typed(ctx, what) })}
}

// askedTwice is a new passphrase that somebody at the terminal types.
func askedTwice(ctx context.Context) keys.Passphrase {
	return keys.Passphrase{Ask: sync.OnceValues(func() (string, error) {
		first, err := typed(ctx, "new passphrase of the master key")
		if err != nil {
			return "", err
		}
		again, err := typed(ctx, "new passphrase of the master key once more")
		if err == nil && again != first {
			err = errors.New("the two passphrases differ; nothing was changed")
		}
		return first, err
	})}
}

// typed asks the terminal for a line that isn't shown. It reads in the
// background, because a read can't be interrupted: if ctx ends, so does the
// program.
func typed(ctx context.Context, what string) (string, error) {
	in := int(os.Stdin.Fd())
	state, err := term.GetState(in)
	if err != nil {
		return "", fmt.Errorf("there is no terminal to ask for the %s: name its file with --passphrase-file, or that of another one with --new-passphrase-file (%w)", what, err)
	}
	defer fmt.Fprintln(os.Stderr) // the Enter that wasn't shown
	defer term.Restore(in, state) //nolint:errcheck // nothing can be done about it
	fmt.Fprintf(os.Stderr, "lodd: %s: ", what)
	type answer struct {
		line []byte
		err  error
	}
	answers := make(chan answer, 1)
	go func() {
		line, err := term.ReadPassword(in)
		answers <- answer{line, err}
	}()
	select {
	case <-ctx.Done():
		return "", ctx.Err()
	case a := <-answers:
		return string(a.line), a.err
	}
}
