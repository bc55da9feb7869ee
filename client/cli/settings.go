package cli

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/lodd-rct/lodd/client"
)

// flags are the flags of every command.
type flags struct {
	server, trial, lang, output string
	requestID                   string
	timeout                     time.Duration
	quiet, verbose, yes         bool
}

func (f *flags) register(set *pflag.FlagSet) {
	set.StringVar(&f.server, "server", "", "address of the server, `HOST:PORT`, or several with commas between (LODD_SERVER)")
	set.StringVar(&f.trial, "trial", "", "`ID` of the trial (LODD_TRIAL)")
	set.StringVar(&f.lang, "lang", "", "language for people, `nb|en` (LODD_LANG)")
	set.StringVarP(&f.output, "output", "o", "", "`table|json|jsonl|csv`; table on a terminal, else json (LODD_OUTPUT)")
	set.StringVar(&f.requestID, "request-id", "", "repeat an earlier request with its `ID`: it is carried out once")
	set.DurationVar(&f.timeout, "timeout", 0, "how long a call may take, with its repeats (LODD_TIMEOUT; default 30s)")
	set.BoolVarP(&f.quiet, "quiet", "q", false, "errors only on standard error")
	set.BoolVarP(&f.verbose, "verbose", "v", false, "tell the request id")
	set.BoolVarP(&f.yes, "yes", "y", false, "answer questions with yes; never replaces --confirm")
}

// settings are what the flags, the environment and the profile add up to.
type settings struct {
	server, pin, trial string
	output             string
	timeout            time.Duration
}

// prepare reads the profile and settles the settings: a flag goes before an
// environment variable, and that before the profile.
func (a *app) prepare() error {
	var err error
	if a.dirs, err = client.FindDirs(a.deps.Env); err != nil {
		return err
	}
	if a.profile, err = a.dirs.LoadProfile(); err != nil {
		return err
	}
	env := a.deps.Env
	lang := first(a.flags.lang, env("LODD_LANG"), a.profile.Lang, language(env))
	if lang != "nb" && lang != "en" {
		return &usageError{fmt.Sprintf("--lang is nb or en, not %q", lang)}
	}
	if lang != a.words.lang {
		a.words = newWords(lang)
	}
	a.settings = settings{
		server:  first(a.flags.server, env("LODD_SERVER"), a.profile.Server),
		pin:     first(env("LODD_PIN"), a.profile.Pin),
		trial:   first(a.flags.trial, env("LODD_TRIAL"), a.profile.Trial),
		output:  first(a.flags.output, env("LODD_OUTPUT")),
		timeout: a.flags.timeout,
	}
	if a.settings.output == "" {
		a.settings.output = "json"
		if isTerminal(a.deps.Stdout) {
			a.settings.output = "table"
		}
	}
	if !slices.Contains([]string{"table", "json", "jsonl", "csv"}, a.settings.output) {
		return &usageError{fmt.Sprintf("--output is table, json, jsonl or csv, not %q", a.settings.output)}
	}
	if text := env("LODD_TIMEOUT"); a.settings.timeout == 0 && text != "" {
		if a.settings.timeout, err = time.ParseDuration(text); err != nil {
			return &usageError{fmt.Sprintf("LODD_TIMEOUT is a time such as 30s, not %q", text)}
		}
	}
	if a.settings.timeout < 0 {
		return &usageError{"--timeout is more than nothing, for example 30s"}
	}
	return nil
}

// first returns the first of the texts that isn't empty.
func first(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}

// language returns the language of the environment: nb for the Norwegian
// locales, else en.
func language(env func(string) string) string {
	locale := first(env("LODD_LANG"), env("LC_ALL"), env("LC_MESSAGES"), env("LANG"))
	for _, norwegian := range []string{"nb", "nn", "no"} {
		if locale == norwegian || strings.HasPrefix(locale, norwegian+"_") || strings.HasPrefix(locale, norwegian+"-") {
			return "nb"
		}
	}
	return "en"
}

// isTerminal reports whether a stream is a terminal.
func isTerminal(stream any) bool {
	f, ok := stream.(interface{ Fd() uintptr })
	return ok && term.IsTerminal(int(f.Fd()))
}
