package keys

import (
	"bytes"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
)

// Master is the key from which the vault derives its keys. It doesn't print:
// every verb of package fmt and every encoder of text shows it as "sealed".
type Master [32]byte

// Format implements [fmt.Formatter].
func (Master) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "sealed") }

// MarshalText implements [encoding.TextMarshaler], for JSON and structured logs.
func (Master) MarshalText() ([]byte, error) { return []byte("sealed"), nil }

const masterType = "LODD MASTER KEY"

func (c Config) newMaster() ([]byte, error) {
	var m Master
	if _, err := io.ReadFull(c.Random, m[:]); err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: masterType, Bytes: m[:]}), nil
}

// parseMaster reads the text of a master key in clear.
func parseMaster(text []byte) (m Master, err error) {
	b, rest := pem.Decode(text)
	if b == nil || b.Type != masterType || len(b.Bytes) != len(m) || len(rest) > 0 {
		return m, errors.New("this is no whole master key")
	}
	copy(m[:], b.Bytes)
	return m, nil
}

// The files in which the master key may lie. Each is whole by itself.
const (
	clearFile      = "master.key"
	passphraseFile = "master.key.age"
	keySetFile     = "master.key.tink"
)

// A Seal is how the master key is sealed in its folder: [Passphrase] or
// [KeySet]. A Seal that is nil means that it lies in clear.
type Seal interface {
	// file returns the name of the file, which is another one for each kind.
	file() string

	// seal returns the content of the file for a key that was opened, by the
	// same kind of Seal or another.
	seal(opened) ([]byte, error)

	// open is the inverse of seal. It changes nothing.
	open(sealed []byte) (opened, error)
}

// What was opened.
type opened struct {
	text []byte  // as in clearFile
	set  *keySet // nil unless a key set sealed it
}

// inClear is what a Seal that is nil stands for.
type inClear struct{}

func (inClear) file() string                  { return clearFile }
func (inClear) seal(o opened) ([]byte, error) { return o.text, nil }
func (inClear) open(text []byte) (opened, error) {
	if _, err := parseMaster(text); err != nil {
		return opened{}, fmt.Errorf("%w; %s", err, toRestore)
	}
	return opened{text: text}, nil
}

func orClear(s Seal) Seal {
	if s == nil {
		return inClear{}
	}
	return s
}

// toRestore ends an error about a key that nothing but its backup can mend.
const toRestore = "restore it from the backup of the keys"

// master opens the master key. If there is none in any form and the folder is
// fresh, it makes one first, which then lies in no other form at any time.
func (f folder) master(c Config) (Master, error) {
	seal := orClear(c.Seal)
	if err := f.suits(seal); err != nil {
		return Master{}, err
	}
	sealed, err := f.load(seal.file(), func() ([]byte, error) {
		text, err := c.newMaster()
		if err != nil {
			return nil, err
		}
		return seal.seal(opened{text: text})
	})
	if err != nil {
		return Master{}, err
	}
	o, err := f.open(seal, sealed)
	if err != nil {
		return Master{}, err
	}
	return parseMaster(o.text)
}

// open opens the content of a file, and wants a whole master key in it.
func (f folder) open(seal Seal, sealed []byte) (opened, error) {
	o, err := seal.open(sealed)
	if err != nil {
		return o, fmt.Errorf("keys: open %s: %w", f.path(seal.file()), err)
	}
	if _, err := parseMaster(o.text); err != nil {
		return o, fmt.Errorf("keys: what %s holds: %w; %s", f.path(seal.file()), err, toRestore)
	}
	return o, nil
}

// suits refuses a Seal other than that of the master key in the folder, if there
// is one. A key in clear is refused as well: whoever names a Seal believes that
// nobody can read it off the disk.
func (f folder) suits(seal Seal) error {
	kept, err := f.kept()
	if err != nil || len(kept) == 0 {
		return err
	}
	isKept := func(name string) bool { return slices.Contains(kept, name) }
	switch {
	case seal.file() == clearFile && isKept(clearFile), seal.file() != clearFile && isKept(seal.file()) && !isKept(clearFile):
		return nil
	case isKept(clearFile):
		return fmt.Errorf("keys: the master key lies in clear in %s: seal it with \"lodd keys seal\" and the same options, also if that was interrupted, or leave the options out", f.path(clearFile))
	}
	return fmt.Errorf("keys: the master key is %s, in %s: %s", formOf(kept[0]), f.path(kept[0]), howToOpen[kept[0]])
}

// howToOpen says what the operator must name to open a file.
var howToOpen = map[string]string{
	passphraseFile: "name the file of the passphrase, with --passphrase-file FILE or LODD_PASSPHRASE_FILE, or type it at a terminal",
	keySetFile:     "name the key of the key management service, with --master-key-uri URI",
}

// kept returns the files in which the master key lies: none, one, or several if
// a change was cut off. A file in clear that was overwritten beside a sealed one
// doesn't count.
func (f folder) kept() ([]string, error) {
	var kept []string
	for _, name := range []string{keySetFile, passphraseFile, clearFile} {
		_, err := os.Lstat(f.path(name))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return nil, fmt.Errorf("keys: %w", err)
		case name == clearFile && len(kept) > 0:
			text, err := os.ReadFile(f.path(name))
			if err != nil {
				return nil, fmt.Errorf("keys: %w", err)
			}
			if len(bytes.Trim(text, "\x00")) == 0 {
				continue
			}
		}
		kept = append(kept, name)
	}
	return kept, nil
}
