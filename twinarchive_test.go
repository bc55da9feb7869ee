package main

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/client"
	"github.com/lodd-rct/lodd/proto/invite"
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/server/replay"
)

// takeArchive writes the archive of whoever the token belongs to.
func takeArchive(ctx context.Context, i invite.Invite, token, path string) error {
	config := client.Config{Address: i.Addresses[0], Pin: i.Pin, Token: func() (string, error) { return token, nil }}
	stranger, err := client.New(config)
	if err != nil {
		return err
	}
	defer stranger.Close()
	who, err := stranger.Session().WhoAmI(ctx, &loddv1.WhoAmIRequest{})
	if err != nil {
		return err
	}
	config.LogKey = who.GetLogKey()
	c, err := client.New(config)
	if err != nil {
		return err
	}
	defer c.Close()
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return c.DownloadArchive(ctx, "IPS", filepath.Dir(path), f, nil)
}

// compareArchives wants archives that verify and are of one size. What a blinded
// role holds of the entries is equal to the byte; an auditor holds the sealed
// arms and the commitment, too.
func compareArchives(t *testing.T, a, b worldView) {
	t.Helper()
	for _, user := range []string{"tove", "olav", "mona", "per", "aud"} {
		name := "log-" + user + ".zip"
		x, y := members(t, filepath.Join(a.dir, name)), members(t, filepath.Join(b.dir, name))
		if names := slices.Sorted(maps.Keys(x)); !slices.Equal(names, slices.Sorted(maps.Keys(y))) {
			t.Fatalf("%s: members %v and %v", name, names, slices.Sorted(maps.Keys(y)))
		}
		for member := range x {
			if len(x[member]) != len(y[member]) {
				t.Errorf("%s: %s has %d and %d bytes", name, member, len(x[member]), len(y[member]))
			}
			if blinded := user != "aud"; blinded && strings.HasSuffix(member, "/entries") && x[member] != y[member] {
				t.Errorf("%s: %s differs", name, member)
			}
		}
		for _, world := range []worldView{a, b} {
			replayed := replayArchive(t, filepath.Join(world.dir, name))
			if whole := user == "aud"; whole != (replayed > 100) {
				t.Errorf("%s: %d entries were replayed", name, replayed)
			}
		}
	}
}

// replayArchive verifies an archive and returns how many entries the rules were
// applied to.
func replayArchive(t *testing.T, path string) int64 {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	r, err := audit.ReadArchive(f, info.Size(), nil)
	if err != nil {
		t.Fatal(err)
	}
	replayed, err := replay.Verify(r)
	if err != nil {
		t.Fatal(err)
	}
	n := int64(0)
	for _, of := range replayed {
		n += of
	}
	return n
}
