package main

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// Whatever a record of a restore holds, it is read to its last byte and kept as it was,
// or refused.
func FuzzForkRecord(f *testing.F) {
	f.Add([]byte(`{"time": "2026-01-02T03:04:05Z", "kind": "restore", "earlier": ["a.json"], "lists": [{"list": "T/conduct", "restored": 3, "known": 5, "lost": 2, "evidence": "x", "noted": "y"}]}`))
	f.Add([]byte(`{"lists": [{"list": "/", "restored": -1}, null]}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, record []byte) {
		dir, copied := t.TempDir(), t.TempDir()
		forks, err := makeForks(dir)
		if err == nil {
			err = os.WriteFile(filepath.Join(forks, "1.json"), record, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		known, err := readForks(dir)
		if err != nil {
			return
		}
		if err := keepForks(copied, known); err != nil {
			t.Fatal(err)
		}
		again, err := os.ReadFile(filepath.Join(copied, forksFolder, "1.json"))
		if err != nil || !slices.Equal(again, record) {
			t.Errorf("%q was kept as %q, %v", record, again, err)
		}
		for _, l := range known[0].Lists {
			if found, ok := known[0].of(l.List); !ok || found.List != l.List {
				t.Errorf("list %q isn't found", l.List)
			}
		}
	})
}
