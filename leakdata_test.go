package main

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"filippo.io/age"

	"github.com/lodd-rct/lodd/randomization"
)

// A clearing is what may lie in clear of the name of an arm: the protocol, which
// says which arms there are and not who is in which.
type clearing struct {
	arm      []byte
	protocol []byte // the entry
}

// around returns the name with what stands before and after it.
func (c clearing) around(text []byte, at int) string {
	return string(text[max(at-8, 0):min(at+len(c.arm)+8, len(text))])
}

// outside returns how often the name of the arm stands anywhere else.
func (c clearing) outside(text []byte) (n int) {
	known := map[string]bool{}
	places := func(text []byte) (at []int) {
		for i := 0; ; i++ {
			j := bytes.Index(text[i:], c.arm)
			if j < 0 {
				return at
			}
			i += j
			at = append(at, i)
		}
	}
	for _, at := range places(c.protocol) {
		known[c.around(c.protocol, at)] = true
	}
	for _, at := range places(text) {
		if !known[c.around(text, at)] {
			n++
		}
	}
	return n
}

// filesBelow returns the content of every file below some folders, by path.
func filesBelow(t *testing.T, folders ...string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	for _, dir := range folders {
		if err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			files[path], err = os.ReadFile(path)
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// After 60 randomizations neither an arm nor the design stands in clear anywhere:
// not in the data folder with all that the database has written and freed, not in
// the folder of a follower, and not in a backup, sealed or opened.
func TestLeakL25NoFileHoldsAnArm(t *testing.T) {
	r, copied := newFollowedRig(t)
	r.randomize(60)
	f := r.follow(copied)
	f.reach(r.entries())
	r.must(f.stop())
	b := r.backUp()
	c := clearing{[]byte("usual"), r.lists()[rigTrial+"/conduct"][0]}
	design := randomization.Blocks{Ratio: []int{1, 1}, Sizes: []randomization.BlockSize{{Size: 4, Weight: 1}, {Size: 6, Weight: 1}}}.Encode()
	r.stop()
	files := filesBelow(t, r.data, copied, filepath.Dir(b.store))
	files["the opened backup"] = r.opened(b.store)
	protocols := 0
	for path, text := range files {
		if n := c.outside(text); n > 0 {
			t.Errorf("%s: the arm stands in clear %d times", path, n)
		}
		if bytes.Contains(text, design) {
			t.Errorf("%s holds the design in clear", path)
		}
		if bytes.Contains(text, c.protocol) {
			protocols++
		}
	}
	if protocols != 3 || len(files) < 8 {
		t.Errorf("%d of %d files hold the protocol, want the database, the copy and the opened backup: the test is blind", protocols, len(files))
	}
	for name, leak := range map[string]string{
		"beside a participant": "OSL-00001 usual", "as JSON": `{"participant":"OSL-00001","arm":"usual"}`, "alone": "usual",
	} {
		if c.outside(append(bytes.Clone(c.protocol), leak...)) != 1 {
			t.Errorf("an arm %s isn't noticed", name)
		}
	}
}

// opened returns what is in a sealed file.
func (r *rig) opened(path string) []byte {
	r.t.Helper()
	text, err := os.ReadFile(r.identity)
	r.must(err)
	id, err := age.ParseIdentities(bytes.NewReader(text))
	r.must(err)
	sealed, err := os.ReadFile(path)
	r.must(err)
	plain, err := age.Decrypt(bytes.NewReader(sealed), id...)
	r.must(err)
	var out bytes.Buffer
	_, err = out.ReadFrom(plain)
	r.must(err)
	return out.Bytes()
}
