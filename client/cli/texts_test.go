package cli

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	logv1 "github.com/lodd-rct/lodd/proto/lodd/log/v1"
)

// The two languages have the same texts, with the same arguments.
func TestCataloguesAgree(t *testing.T) {
	nb, en := catalogue("nb"), catalogue("en")
	if diff := cmp.Diff(sortedKeys(en), sortedKeys(nb)); diff != "" {
		t.Errorf("keys differ (-en +nb):\n%s", diff)
	}
	argument := regexp.MustCompile(`%(\[\d\])?[a-z%]`)
	arguments := func(text any) []string {
		b, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		return argument.FindAllString(string(b), -1)
	}
	for key := range en {
		if diff := cmp.Diff(arguments(en[key]), arguments(nb[key])); diff != "" {
			t.Errorf("%s: arguments differ (-en +nb):\n%s", key, diff)
		}
	}
}

// sources is the text of the package without its tests.
func sources(t *testing.T) string {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, f := range files {
		if !strings.HasSuffix(f, "_test.go") {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			b.Write(text)
		}
	}
	return b.String()
}

// Every kind of entry has a name in the list of the log.
func TestEveryKindOfEntryHasAName(t *testing.T) {
	kinds := (&logv1.Entry{}).ProtoReflect().Descriptor().Oneofs().ByName("kind").Fields()
	for i := range kinds.Len() {
		if key := "state." + string(kinds.Get(i).Name()); catalogue("en")[key] == nil || catalogue("nb")[key] == nil {
			t.Errorf("%s is missing", key)
		}
	}
}

// Every text that the code names is there, and none is there that nothing
// names. States come from the server: they stand in the comments of the API, or
// are kinds of entries.
func TestCatalogueIsNeitherShortNorLong(t *testing.T) {
	code := sources(t)
	api, err := filepath.Glob("../../proto/lodd/v1/*.proto")
	if err != nil || len(api) == 0 {
		t.Fatal(err, len(api))
	}
	words := code
	for _, f := range append(api, "../../proto/lodd/log/v1/entry.proto") {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		words += string(text)
	}
	states := map[string]bool{}
	for _, word := range regexp.MustCompile(`[a-z]+([-_][a-z0-9]+)*`).FindAllString(words, -1) {
		states[word] = true
	}
	texts := catalogue("en")
	for _, m := range regexp.MustCompile(`"((?:error|hint|note|ask)\.[A-Za-z_-]+)"`).FindAllStringSubmatch(code, -1) {
		if texts[m[1]] == nil {
			t.Errorf("%s is used and missing", m[1])
		}
	}
	for _, key := range sortedKeys(texts) {
		family, name, _ := strings.Cut(key, ".")
		used := strings.Contains(code, `"`+key+`"`)
		switch family {
		case "column":
			used = strings.Contains(code, `"`+name+`"`)
		case "state":
			used = states[name]
		case "reason", "hint":
			used = used || strings.Contains(words, "ERROR_REASON_"+name+" =") || strings.Contains(code, `"`+name+`"`)
		}
		if !used {
			t.Errorf("%s is there and not used", key)
		}
	}
}

// The help of the program and of every noun and verb, as people read it.
func TestHelp(t *testing.T) {
	root := New(newWorld(t, nil).deps())
	commands := map[string][]string{"root": {""}}
	for _, c := range root.Commands() {
		if c.Name() == "help" || c.Name() == "completion" {
			continue
		}
		commands[c.Name()] = paths(c)
	}
	for _, name := range slices.Sorted(maps.Keys(commands)) {
		t.Run(name, func(t *testing.T) {
			var b strings.Builder
			for _, path := range commands[name] {
				w := newWorld(t, nil)
				o := w.mustRun(append(strings.Fields(path), "--help")...)
				text, _, _ := strings.Cut(o.stdout, "\nGlobal Flags:")
				b.WriteString("$ lodd " + strings.TrimSpace(path+" --help") + "\n" + strings.TrimSpace(text) + "\n\n")
			}
			golden(t, "help-"+name, b.String())
		})
	}
}

// paths returns the command lines of a command and those below it.
func paths(c *cobra.Command) []string {
	all := []string{strings.TrimPrefix(c.CommandPath(), "lodd ")}
	for _, sub := range c.Commands() {
		all = append(all, paths(sub)...)
	}
	return all
}

// Every command says in one line what it does, and none takes a secret as a
// flag, where others on the machine can read it.
func TestEveryCommandIsDescribed(t *testing.T) {
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		if c.Short == "" {
			t.Errorf("%s has no description", c.CommandPath())
		}
		for _, secret := range []string{"password", "token", "code", "secret"} {
			if c.Flags().Lookup(secret) != nil {
				t.Errorf("%s takes --%s", c.CommandPath(), secret)
			}
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(New(newWorld(t, nil).deps()))
}

func TestCompletionScripts(t *testing.T) {
	for shell, want := range map[string]string{"bash": "__start_lodd", "zsh": "#compdef lodd", "fish": "complete -c lodd", "powershell": "Register-ArgumentCompleter"} {
		if o := newWorld(t, nil).mustRun("completion", shell); !strings.Contains(o.stdout, want) || o.stderr != "" {
			t.Errorf("%s: no %q in %d bytes; stderr %q", shell, want, len(o.stdout), o.stderr)
		}
	}
	if o := newWorld(t, nil).mustRun("__complete", "trial", "se"); !strings.HasPrefix(o.stdout, "seal\t") {
		t.Errorf("completed %q", o.stdout)
	}
}

func TestVersionAsJSON(t *testing.T) {
	var v struct{ Schema, Version string }
	o := newWorld(t, nil).mustRun("version", "--output", "json")
	if err := json.Unmarshal([]byte(o.stdout), &v); err != nil || v.Schema != "lodd.version/1" || v.Version != "1.2.3" {
		t.Errorf("%s: %v", o.stdout, err)
	}
}
