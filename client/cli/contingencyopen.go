package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"filippo.io/age"
	"github.com/spf13/cobra"
)

// maxSheet is the most bytes of a sealed sheet: a thousand slips, and some.
const maxSheet = 16 << 20

func (a *app) contingencyOpen() *cobra.Command {
	var keys []string
	var envelope int
	cmd := a.local(spec{
		use: "open FILE", short: "Open the sealed sheet of a stratum, two people together", args: cobra.ExactArgs(1),
		long: `Open the sealed sheet of a stratum, two people together, without a server. Both give
the file of their age key. The slips go to standard output and nowhere else: to a
printer, or with --envelope N one of them to the screen. A file in clear is never
written; do not make one.

Without --envelope everybody who looks learns the arms of all envelopes. Use that
only to print the slips, by two people who recruit nobody, and put each into its
envelope at once.`,
		example: `  lodd contingency open OSL.txt.age.age --identity kari.key --identity ola.key | lp
  lodd contingency open OSL.txt.age.age --identity kari.key --identity ola.key --envelope 3`,
	}, func(_ context.Context, args []string) error {
		if len(keys) != 2 {
			return &usageError{a.words.say("error.identities")}
		}
		if f, ok := a.deps.Stdout.(*os.File); ok && isRegular(f) {
			return &usageError{a.words.say("error.clear-file")}
		}
		sheet, err := a.openSheet(args[0], keys)
		if err != nil {
			return err
		}
		slips := strings.Split(strings.TrimRight(sheet, " \r\n\f\x00"), "\f")
		switch {
		case envelope < 0 || envelope > len(slips):
			return &usageError{a.words.say("error.envelope", envelope, len(slips))}
		case envelope > 0:
			slips = slips[envelope-1 : envelope]
		default:
			a.note("note.all-slips")
		}
		if _, err := io.WriteString(a.deps.Stdout, printable(strings.Join(slips, "\f"))+"\n"); err != nil {
			return fmt.Errorf("write output: %w", err)
		}
		a.note("note.slip")
		return nil
	})
	cmd.Flags().StringArrayVar(&keys, "identity", nil, "the `FILE` of a person's age key; give two")
	cmd.Flags().IntVar(&envelope, "envelope", 0, "only the slip of this `NUMBER`")
	mustRequire(cmd, "identity")
	return cmd
}

func isRegular(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode().IsRegular()
}

// openSheet opens the two layers of a sheet with the keys of two people, in
// whichever order they are given.
func (a *app) openSheet(path string, keys []string) (string, error) {
	sealed, err := readAtMost(path, maxSheet)
	if err != nil {
		return "", err
	}
	var people [2][]age.Identity
	for i, key := range keys {
		b, err := readAtMost(key, maxInput)
		if err != nil {
			return "", err
		}
		if people[i], err = age.ParseIdentities(bytes.NewReader(b)); err != nil {
			return "", &usageError{a.words.say("error.identity", key)}
		}
	}
	for i := range people {
		inner, err := unwrap(sealed, people[i])
		if _, wrong := errors.AsType[*age.NoIdentityMatchError](err); wrong {
			continue // it is the other one's layer
		}
		if err != nil {
			return "", a.noSheet(path, err)
		}
		sheet, err := unwrap(inner, people[1-i])
		if _, wrong := errors.AsType[*age.NoIdentityMatchError](err); wrong {
			return "", &notVerifiedError{message: a.words.say("error.second-key", keys[1-i])}
		}
		if err == nil && !utf8.Valid(sheet) {
			err = errors.New("what is inside is no text")
		}
		if err != nil {
			return "", a.noSheet(path, err)
		}
		return string(sheet), nil
	}
	return "", &notVerifiedError{message: a.words.say("error.no-key-fits", path)}
}

func (a *app) noSheet(path string, err error) error {
	return &notVerifiedError{message: a.words.say("error.sheet", path, err)}
}

// unwrap takes one layer off.
func unwrap(sealed []byte, with []age.Identity) ([]byte, error) {
	r, err := age.Decrypt(bytes.NewReader(sealed), with...)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// readAtMost reads a file that isn't larger than it can be.
func readAtMost(path string, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, &fileError{err}
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, most+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read %s: %w", path, err)
	case int64(len(b)) > most:
		return nil, &invalidError{message: fmt.Sprintf("%s has more than %d bytes: is it the right file?", path, most)}
	}
	return b, nil
}

// printable makes a text visible line by line and page by page.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\f' {
			return r
		}
		return []rune(visible(string(r)))[0]
	}, text)
}
