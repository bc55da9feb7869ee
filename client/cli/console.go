package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"
)

// A Console asks a person. Both methods return an error if the context ends or
// the person closes the input.
type Console interface {
	// Line asks for a line of text.
	Line(ctx context.Context, prompt string) (string, error)

	// Secret asks for a line that isn't shown.
	Secret(ctx context.Context, prompt string) (string, error)
}

// terminal returns a console on the terminal behind in, nil if that is none.
// Prompts go to out.
func terminal(in io.Reader, out io.Writer) Console {
	f, ok := in.(*os.File)
	if !ok || !isTerminal(f) {
		return nil
	}
	return &tty{file: f, lines: bufio.NewReader(f), out: out}
}

type tty struct {
	file  *os.File
	lines *bufio.Reader
	out   io.Writer
}

// Line implements Console.
func (t *tty) Line(ctx context.Context, prompt string) (string, error) {
	return t.ask(ctx, prompt, func() (string, error) { return t.lines.ReadString('\n') })
}

// Secret implements Console.
func (t *tty) Secret(ctx context.Context, prompt string) (string, error) {
	state, err := term.GetState(int(t.file.Fd()))
	if err != nil {
		return "", fmt.Errorf("read without echo: %w", err)
	}
	defer fmt.Fprintln(t.out)                   // the Enter that wasn't shown
	defer term.Restore(int(t.file.Fd()), state) //nolint:errcheck // nothing can be done about it
	return t.ask(ctx, prompt, func() (string, error) {
		b, err := term.ReadPassword(int(t.file.Fd()))
		return string(b), err
	})
}

// ask reads in the background, because a read can't be interrupted. If the
// context ends, the program does too, and the read with it.
func (t *tty) ask(ctx context.Context, prompt string, read func() (string, error)) (string, error) {
	type answer struct {
		line string
		err  error
	}
	fmt.Fprint(t.out, prompt)
	answers := make(chan answer, 1)
	go func() {
		line, err := read()
		answers <- answer{line, err}
	}()
	select {
	case <-ctx.Done():
		return "", ctx.Err()
	case a := <-answers:
		if errors.Is(a.err, io.EOF) {
			return "", errStopped
		}
		return strings.TrimRight(a.line, "\r\n"), a.err
	}
}

// confirm asks a question to be answered with yes. It is not asked with --yes,
// which is needed where nobody sits.
func (a *app) confirm(ctx context.Context, key string, args ...any) error {
	if a.flags.yes {
		return nil
	}
	if a.console == nil {
		return &usageError{a.words.say("error.yes")}
	}
	line, err := a.console.Line(ctx, "lodd: "+a.words.say(key, args...)+" ["+a.words.say("ask.yes-no")+"] ")
	if err != nil {
		return err
	}
	switch strings.ToLower(strings.TrimSpace(line)) {
	case "y", "yes", "j", "ja":
		return nil
	}
	return errStopped
}

// typed returns what was given by a flag, or else asks for it.
func (a *app) typed(ctx context.Context, given, key string) (string, error) {
	if given != "" || a.console == nil {
		return given, nil
	}
	line, err := a.console.Line(ctx, "lodd: "+a.words.say(key)+": ")
	return strings.TrimSpace(line), err
}

// password reads a password from the next line of standard input, if fromStdin,
// or asks for it. A new password is asked for twice.
func (a *app) password(ctx context.Context, fromStdin, isNew bool) (string, error) {
	return a.secret(ctx, fromStdin, isNew, "ask.password")
}

// secret is password for what the text with this key asks for.
func (a *app) secret(ctx context.Context, fromStdin, isNew bool, key string) (string, error) {
	if fromStdin {
		return a.given(a.nextLine())
	}
	if a.console == nil {
		return "", &usageError{a.words.say("error.no-terminal")}
	}
	password, err := a.given(a.console.Secret(ctx, "lodd: "+a.words.say(key)+": "))
	if err != nil || !isNew {
		return password, err
	}
	again, err := a.console.Secret(ctx, "lodd: "+a.words.say("ask.password-again")+": ")
	if err != nil {
		return "", err
	}
	if again != password {
		return "", &invalidError{message: a.words.say("error.passwords-differ")}
	}
	return password, nil
}

// given refuses a password that is empty: the server would count it as a guess.
func (a *app) given(password string, err error) (string, error) {
	if err != nil || password != "" {
		return password, err
	}
	return "", a.misused("error.no-password")
}

// misused says that a command line can't be carried out.
func (a *app) misused(key string, args ...any) error { return &usageError{a.words.say(key, args...)} }

// nextLine returns the next line of standard input, of at most 4 KiB: a command
// may want a password and then a code.
func (a *app) nextLine() (string, error) {
	in, ok := a.deps.Stdin.(*bufio.Reader)
	if !ok {
		in = bufio.NewReader(a.deps.Stdin)
		a.deps.Stdin = in
	}
	line, err := in.ReadSlice('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read standard input: %w", err)
	}
	return strings.TrimRight(string(line), "\r\n"), nil
}

// maxInput is the most bytes of a file that a command sends: what the server
// takes, and some.
const maxInput = 2 << 20

// readInput returns the text of a file, or of standard input for "-".
func (a *app) readInput(path string) ([]byte, error) {
	in := a.deps.Stdin
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, &fileError{err}
		}
		defer f.Close()
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, maxInput+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read %s: %w", path, err)
	case len(b) > maxInput:
		return nil, &invalidError{message: fmt.Sprintf("%s has more than %d bytes: is it the right file?", path, maxInput)}
	case !utf8.Valid(b):
		return nil, &invalidError{message: path + " is not text in UTF-8: save it as UTF-8"}
	}
	return b, nil
}
