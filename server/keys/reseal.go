package keys

import (
	"bytes"
	"crypto/subtle"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/tink-crypto/tink-go/v2/keyset"

	"github.com/lodd-rct/lodd/audit/durable"
)

// A Form is a way in which the master key is kept.
type Form string

// The forms.
const (
	FormClear      Form = "in clear"
	FormPassphrase Form = "sealed with a passphrase"
	FormKeySet     Form = "sealed with a key set"
)

func formOf(file string) Form {
	switch file {
	case passphraseFile:
		return FormPassphrase
	case keySetFile:
		return FormKeySet
	default:
		return FormClear
	}
}

// Kept says how the master key of a folder is kept.
type Kept struct {
	Form Form
	Path string // of the file

	// Keys is the number of keys in the key set and Primary the id of the one
	// that sealed the master key, both as the file says without being opened.
	Keys    int
	Primary uint32
}

// Stat returns how the master key in the folder dir is kept, without opening it.
// There are several answers if a change was cut off, and none if there is no
// master key.
func Stat(dir string) ([]Kept, error) {
	f := folder{dir: dir}
	names, err := f.kept()
	if err != nil {
		return nil, err
	}
	var all []Kept
	for _, name := range names {
		k := Kept{Form: formOf(name), Path: f.path(name)}
		if k.Form == FormKeySet {
			if err := k.readInfo(); err != nil {
				return nil, fmt.Errorf("keys: read %s: %w", k.Path, err)
			}
		}
		all = append(all, k)
	}
	return all, nil
}

// readInfo reads what a key set's file says of it.
func (k *Kept) readInfo() error {
	sealed, err := os.ReadFile(k.Path)
	if err != nil {
		return err
	}
	c, err := readKeySet(sealed)
	if err != nil {
		return err
	}
	set, err := keyset.NewJSONReader(bytes.NewReader(c.KeySet)).ReadEncrypted()
	if err != nil {
		return fmt.Errorf("its key set: %w; %s", err, toRestore)
	}
	k.Keys, k.Primary = len(set.GetKeysetInfo().GetKeyInfo()), set.GetKeysetInfo().GetPrimaryKeyId()
	return nil
}

// Reseal seals the master key of the folder dir, which from opens, with to. The
// master key itself stays the same. It may run beside a server, which reads the
// folder at its start only.
//
// Killed at any point it leaves a file that from opens or one that to opens, or
// both, and may be repeated until a key in clear is overwritten. No file is removed or replaced before what takes
// its place was proven to open. A key in clear is overwritten and removed; what
// the disk keeps of it all the same is in docs/keys.md.
func Reseal(dir string, from, to Seal) error {
	return reseal(system{}, dir, orClear(from), to)
}

// A disk is where files change, one durable step a call.
type disk interface {
	create(path string, data []byte) error
	replace(path string, data []byte) error
	wipe(path string) error
	remove(path string) error
}

func reseal(d disk, dir string, from, to Seal) (err error) {
	if to == nil {
		return errors.New("keys: nothing is named to seal the master key with")
	}
	f, err := openFolder(dir, false)
	if err != nil {
		return err
	}
	unlock, err := lock(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	if err := f.suits(from); err != nil {
		return err
	}
	sealed, err := f.load(from.file(), nil)
	if err != nil {
		return err
	}
	o, err := f.open(from, sealed)
	if err != nil {
		return err
	}
	if err := f.put(d, to, o, to.file() == from.file()); err != nil || to.file() == from.file() {
		return err
	}
	if from.file() == clearFile {
		if err := d.wipe(f.path(clearFile)); err != nil {
			return fmt.Errorf("keys: overwrite %s: %w; it is sealed as well: do the same again", f.path(clearFile), err)
		}
	}
	if err := d.remove(f.path(from.file())); err != nil {
		return fmt.Errorf("keys: remove %s: %w; it is sealed anew as well: do the same again", f.path(from.file()), err)
	}
	return nil
}

// put makes to's file hold the key. A file that is there already is replaced only
// if the key was opened from it. Else somebody was cut off: it stays, and must
// hold the same key.
func (f folder) put(d disk, to Seal, o opened, again bool) error {
	path := f.path(to.file())
	if _, err := os.Lstat(path); err == nil && !again {
		sealed, err := f.load(to.file(), nil)
		if err != nil {
			return err
		}
		if err := f.prove(to, sealed, o); err != nil {
			return fmt.Errorf("%w; it is left as it is: move it away if it is of no use", err)
		}
		return nil
	}
	sealed, err := to.seal(o)
	if err != nil {
		return fmt.Errorf("keys: seal %s: %w", path, err)
	}
	if err := f.prove(to, sealed, o); err != nil {
		return err
	}
	write := d.create
	if again {
		write = d.replace
	}
	if err := write(path, sealed); err != nil {
		return fmt.Errorf("keys: write %s: %w", path, err)
	}
	// The very bytes that were proven to open.
	if back, err := os.ReadFile(path); err != nil || !bytes.Equal(back, sealed) {
		return errors.Join(fmt.Errorf("keys: %s does not hold what was written to it", path), err)
	}
	return nil
}

// prove opens a file's content and wants the same key in it.
func (f folder) prove(seal Seal, sealed []byte, want opened) error {
	got, err := f.open(seal, sealed)
	if err == nil && subtle.ConstantTimeCompare(got.text, want.text) == 0 {
		err = fmt.Errorf("keys: %s holds another master key", f.path(seal.file()))
	}
	return err
}

// system is the disk of the machine.
type system struct{}

func (system) create(path string, data []byte) error  { return durable.Create(path, data) }
func (system) replace(path string, data []byte) error { return durable.Replace(path, data) }

// wipe overwrites a file in place, as far as its file system does that.
func (system) wipe(path string) error {
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err == nil {
		_, err = file.Write(make([]byte, info.Size()))
	}
	return errors.Join(err, file.Sync(), file.Close())
}

func (system) remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return durable.SyncDir(filepath.Dir(path))
}
