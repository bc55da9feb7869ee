package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/lodd-rct/lodd/client"
	"github.com/lodd-rct/lodd/client/cli"
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/server/protocol"
)

// A commandLine is that of one account on a machine of its own.
type commandLine struct {
	story     *forty
	user, dir string
}

// fortyReaders call all commands, and others some. reading are those that only
// read, and writing some that change something or are refused; WORLD is a folder
// of the account's own.
var (
	fortyReaders = []string{"tove", "olav", "mona", "per", "aud"}

	some = []string{"whoami", "trial show", "people review", "event list", "unblinding list", "audit list", "audit verify", "participant list"}

	reading = []string{
		"whoami", "trial list", "trial show", "trial sealing-record", "role list", "account list", "people review", "people proposals",
		"participant list", "participant show OSL-07", "participant show OSL-08", "randomize status OSL-07", "worklist list --due 400d",
		"form show mood", "form read OSL-07 month-6 mood", "form read OSL-01 month-6 mood", "team list", "contact list OSL-07",
		"event list", "review list", "lock list", "export list", "export download 1 --to WORLD", "unseal status",
		"unblinding list", "unblinding waiting", "unblinding broken", "audit list", "audit verify",
	}
	writing = []string{
		"contact add OSL-07 --on 2025-03-01 --kind meeting --minutes 5", "randomize prepare --screening OSL-07",
		"participant withdraw OSL-07 --scope follow-up --reason burden", "participant withdraw OSL-08 --scope follow-up --reason burden",
		"participant unblind OSL-07 --reason other --text curious-as-I-am --confirm OSL-08 --password-stdin",
		"event report OSL-07 --category relapse --text Drakk", "lock take", "logout",
	}
)

// hidingText is a hash, a signature or the commitment in what the command line
// prints: the fields of the schema in which they come are hiding.
var hidingText = regexp.MustCompile(`[0-9A-Za-z+/=_-]{40,}|\b[0-9a-f]{12,}\b`)

// commands lets the account of a command line call it. A quarter of the commands
// are called in Norwegian and a quarter in English, the next account's being others,
// so that each command is called in both; with LODD_LONG=1 every account calls every
// one in both.
func (v *fortyView) commands(t *testing.T, c commandLine) {
	t.Helper()
	who, err := c.story.as(c.user).Session().WhoAmI(c.story.ctx, &loddv1.WhoAmIRequest{})
	if err != nil {
		t.Fatal(err)
	}
	dirs := client.Dirs{Config: filepath.Join(c.dir, "config"), State: filepath.Join(c.dir, "state")}
	if err := dirs.SaveProfile(client.Profile{
		Server: "lodd.example:443", Pin: c.story.invite.Pin, User: c.user, Trial: fortyTrial, LogKey: who.GetLogKey(), ExportKey: who.GetExportKey(),
	}); err != nil {
		t.Fatal(err)
	}
	lines, long := some, os.Getenv("LODD_LONG") == "1"
	if slices.Contains(fortyReaders, c.user) {
		lines = slices.Concat(reading, writing)
	}
	turn := slices.Index(fortyReaders, c.user) + 1
	modes := [][2]string{{"nb", "table"}, {"en", "json"}}
	v.cli[c.user] = append(v.cli[c.user], c.run("login --user "+c.user+" --password-stdin", modes[turn%2]))
	for i, line := range lines {
		for n, mode := range modes {
			if long || (i+turn)%4 == n {
				v.cli[c.user] = append(v.cli[c.user], c.run(line, mode))
			}
		}
	}
	v.files[c.user] = keeps(t, c.dir)
}

// run returns what one command line leaves.
func (c commandLine) run(line string, mode [2]string) string {
	lang := mode[0]
	var stdout, stderr bytes.Buffer
	env := map[string]string{
		"LODD_CONFIG_DIR": filepath.Join(c.dir, "config"), "LODD_STATE_DIR": filepath.Join(c.dir, "state"), "LODD_LANG": lang, "LODD_OUTPUT": mode[1],
	}
	world := filepath.Join(c.dir, lang)
	if err := os.MkdirAll(world, 0o700); err != nil {
		panic(err)
	}
	code := cli.Run(c.story.ctx, strings.Fields(strings.ReplaceAll(line, "WORLD", world)), cli.Deps{
		Stdin: strings.NewReader(twinPassword + "\n"), Stdout: &stdout, Stderr: &stderr, Env: func(k string) string { return env[k] },
		Random: newEntropy(1, c.user+line+lang), Now: c.story.clock.now, Version: "1.2.3", ParseDesign: protocol.ParseRandomization,
		Dial: func(ctx context.Context, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", c.story.invite.Addresses[0])
		},
	})
	text := strings.ReplaceAll(fmt.Sprintf("%s\nexit %d\n%s\n%s", line, code, stdout.String(), stderr.String()), c.dir, "DIR")
	return hidingText.ReplaceAllStringFunc(text, func(hash string) string { return strings.Repeat("x", len(hash)) })
}
