package main

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"os"
	"strings"
	"testing"

	"github.com/lodd-rct/lodd/audit"
)

// stepsWith returns the worked example of docs/log-format.md, with another
// checkpoint and another key in archive.json.
func stepsWith(t *testing.T, a *audit.ArchiveReader, checkpoint, key string) []byte {
	t.Helper()
	c := audit.Copy{ArchivedList: a.Lists[0], Checkpoint: []byte(checkpoint)}
	var leaves, records []byte
	for r, err := range a.Entries("system") {
		if err != nil {
			t.Fatal(err)
		}
		leaf := audit.Leaf(r.Entry)
		leaves, records = append(leaves, leaf[:]...), audit.AppendRecord(records, r.Index, r.Entry)
	}
	c.Leaves, c.Records = audit.Bytes(leaves), audit.Bytes(records)
	about := a.Archive
	about.Key = key
	var b bytes.Buffer
	if err := audit.WriteArchive(&b, about, []audit.Copy{c}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Both verifiers take the worked example, and read the signatures under its
// checkpoint in the same way: what has the form of one, how many, and which
// count.
func TestBothVerifiersReadTheSignaturesOfTheSteps(t *testing.T) {
	golden, err := os.ReadFile("audit/testdata/steps.golden")
	if err != nil {
		t.Fatal(err)
	}
	a, err := audit.ReadArchive(bytes.NewReader(golden), int64(len(golden)), nil)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := bytes.Cut(golden, []byte("system/checkpoint"))
	rest = rest[:bytes.Index(rest, []byte("PK\x03\x04"))]
	text, lines, _ := strings.Cut(string(rest), "\n\n")
	text += "\n\n"
	own, witness, _ := strings.Cut(lines, "\n")
	own += "\n"
	wrong := strings.Replace(own, "rMV4Gblv", "rMV4GbLV", 1)
	whole, refused := verdict{OK: true, Index: -1}, verdict{List: "system", Index: -1}
	s := newSecond(t, a.Key)
	for name, tt := range map[string]struct {
		note string
		want verdict
	}{
		"as it is":                      {text + own + witness, whole},
		"a wrong one behind the first":  {text + own + wrong, whole},
		"a wrong one before the right":  {text + wrong + own, refused},
		"none of the log":               {text + witness, refused},
		"unused bits":                   {text + strings.Replace(own, "wU=\n", "wV=\n", 1), whole},
		"no base64 of a stranger":       {text + own + "— other.example.org AAAA*AAA\n", refused},
		"four bytes of a stranger":      {text + own + "— other.example.org AAAAAA==\n", refused},
		"five bytes of a stranger":      {text + own + "— other.example.org AAAAAAA=\n", whole},
		"a stranger with a plus":        {text + own + "— other+example.org AAAAAAA=\n", refused},
		"a stranger with a space":       {text + own + "— other\u00a0example.org AAAAAAA=\n", refused},
		"a control character":           {text + own + "— other\x1bexample.org AAAAAAA=\n", refused},
		"no UTF-8":                      {text + own + "— other\xffexample.org AAAAAAA=\n", refused},
		"a hundred":                     {text + own + strings.Repeat(witness, 99), whole},
		"one more":                      {text + own + strings.Repeat(witness, 100), refused},
		"an extension":                  {strings.TrimSuffix(text, "\n") + "more\n\n" + own, refused}, // not what was signed
		"a name of nearly 64 KiB":       {text + own + "— " + strings.Repeat("x", 65000) + " AAAAAAA=\n", whole},
		"a checkpoint of above 64 KiB":  {text + own + "— " + strings.Repeat("x", 66000) + " AAAAAAA=\n", refused},
		"a checkpoint without its text": {own, refused},
	} {
		if got := s.mustAgree(t, a.Key, stepsWith(t, a, tt.note, a.Key)); got.place() != tt.want {
			t.Errorf("%s: %+v, want %+v", name, got, tt.want)
		}
	}
	capitals := strings.Replace(a.Key, "+acc57819+", "+ACC57819+", 1)
	for _, b := range [][]byte{golden, stepsWith(t, a, text+own, capitals)} {
		if got := s.mustAgree(t, a.Key, b); got.place() != whole {
			t.Errorf("%+v", got)
		}
	}
	if got := s.mustAgree(t, a.Key, withKeyOf(golden, "+acc57819+", "+acc57818+")); got.place() != (verdict{Index: -1}) {
		t.Errorf("a key with another hash: %+v", got)
	}
}

// withKeyOf changes archive.json, which is the first member, and its checksum.
func withKeyOf(archive []byte, old, new string) []byte {
	about := func(b []byte) []byte {
		json := b[bytes.IndexByte(b, '{'):]
		return json[:bytes.Index(json, []byte("PK\x03\x04"))]
	}
	sum := func(b []byte) []byte { return binary.LittleEndian.AppendUint32(nil, crc32.ChecksumIEEE(about(b))) }
	changed := bytes.Replace(archive, []byte(old), []byte(new), 1)
	return bytes.ReplaceAll(changed, sum(archive), sum(changed))
}
