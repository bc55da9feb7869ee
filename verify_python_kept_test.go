package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/lodd-rct/lodd/audit/audittest"
)

// What the tests of all packages made of archives, good and bad, both judge alike.
// "./test" keeps them while it runs everything, and then runs this.
func TestBothVerifiersAgreeOnTheArchivesOfAllTests(t *testing.T) {
	dir := os.Getenv(audittest.Folder)
	if dir == "" {
		t.Skip("the archives of other tests are kept where " + audittest.Folder + " names a folder, as ./test does")
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.zip"))
	if err != nil {
		t.Fatal(err)
	}
	s := newSecond(t, "")
	good, none := 0, 0
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if len(b) < 42 || string(b[:4]) != "PK\x03\x04" || string(b[30:42]) != "archive.json" {
			none++ // the second one doesn't take it for one, see docs/log-format.md
			continue
		}
		v, err := s.compare("", b)
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if v.OK {
			good++
		}
	}
	if good == 0 || good+none == len(files) {
		t.Error("good or bad archives are missing")
	}
	t.Logf("%d files, %d of them good, %d no archives", len(files), good, none)
}
