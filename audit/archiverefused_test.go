package audit_test

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/audit/audittest"
)

// place is where an archive is wrong.
type place struct {
	list  string
	index int64
}

// wantWrong checks that an archive is refused and says where it is wrong. The second
// verifier gets it, too.
func wantWrong(t testing.TB, b []byte, what string) place {
	t.Helper()
	audittest.Keep(t, b)
	return wrongAt(t, b, what)
}

// wrongAt is wantWrong without the second verifier.
func wrongAt(t testing.TB, b []byte, what string) place {
	t.Helper()
	_, err := readArchive(t, b)
	wrong, ok := errors.AsType[*audit.ArchiveError](err)
	if !ok {
		t.Fatalf("%s: %v, want an ArchiveError", what, err)
	}
	if wrong.Reason == "" || !strings.Contains(wrong.Error(), wrong.Reason) {
		t.Errorf("%s: %q doesn't say what is wrong", what, wrong.Error())
	}
	return place{wrong.List, wrong.Index}
}

// Every change of any byte is found; one in an entry names the entry, one in
// another member of a list names the list.
func TestEveryChangeOfAnArchiveIsFoundAndLocated(t *testing.T) {
	b := archive(t)
	want := map[int]place{} // else nothing and -1
	inHead := map[int]bool{}
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range z.File[1:] {
		begin, err := f.DataOffset()
		if err != nil {
			t.Fatal(err)
		}
		list, member, _ := cutLast(f.Name)
		for i := range int(f.UncompressedSize64) {
			want[int(begin)+i], inHead[int(begin)+i] = place{list, -1}, member == "checkpoint"
		}
		if member == "entries" {
			for at := int(begin); at < int(begin)+int(f.UncompressedSize64); {
				index, n := int64(b[at+7]), int(b[at+9])
				for i := at + 8; i < at+10+n; i++ { // its length and itself
					want[i] = place{list, index}
				}
				at += 10 + n
			}
		}
	}
	for at := range b {
		flips := []byte{1 << (at % 8), 0xFF}
		if inHead[at] { // there is base64, in which some bits mean nothing
			flips = []byte{1, 2, 4, 8, 16, 32, 64, 128}
		}
		wrong := wrongAt
		if at%16 == 0 { // or the second verifier would be at it for minutes
			wrong = wantWrong
		}
		for _, flip := range flips {
			changed := bytes.Clone(b)
			changed[at] ^= flip
			got, where := wrong(t, changed, fmt.Sprintf("byte %d, bits %#x", at, flip)), want[at]
			if where == (place{}) {
				where = place{"", -1}
			}
			inEntry := where.index >= 0
			if got.list != where.list || inEntry && got != where {
				t.Errorf("byte %d, bits %#x: found in %+v, want %+v", at, flip, got, where)
			}
		}
		wrong(t, b[:at], fmt.Sprintf("cut to %d", at))
		wrong(t, append(bytes.Clone(b[:at]), b[at+1:]...), fmt.Sprintf("without byte %d", at))
		wrong(t, append(append(bytes.Clone(b[:at]), b[at]), b[at:]...), fmt.Sprintf("with byte %d twice", at))
	}
	wantWrong(t, append(bytes.Clone(b), 0), "with a tail")
	wantWrong(t, append(bytes.Clone(b), b...), "twice")
}

func cutLast(name string) (before, after string, ok bool) {
	i := strings.LastIndex(name, "/")
	return name[:max(i, 0)], name[i+1:], i >= 0
}

// An archive is refused where its content is wrong, though the file around it
// is a good one.
func TestArchiveIsRefusedWhere(t *testing.T) {
	l := small(t)
	which := kept{"T1/conduct": {0, 2, 4}, "system": {1}}
	other := func(list string, size int64, root tlog.Hash, signer note.Signer) []byte {
		signed, err := audit.Checkpoint{Origin: list, Size: size, Root: root}.Sign(signer)
		if err != nil {
			t.Fatal(err)
		}
		return signed
	}
	signer, _ := key(t, origin)
	stranger, _ := key(t, "other.example.org")
	size, root := l.Root("T1/conduct")
	record := func(index int64, entry string) []byte { return audit.AppendRecord(nil, index, []byte(entry)) }
	joined := func(bs ...[]byte) func() (io.ReadCloser, error) { return audit.Bytes(bytes.Join(bs, nil)) }
	zero, two, four := record(0, "T1/conduct 0"), record(2, "T1/conduct 2"), record(4, "T1/conduct 4")
	for _, tt := range []struct {
		name   string
		change func(c *audit.Copy) // of conduct
		want   place
	}{
		{"another key", func(c *audit.Copy) { c.Checkpoint = other(origin+"/T1/conduct", size, root, stranger) }, place{"T1/conduct", -1}},
		{"another origin", func(c *audit.Copy) { c.Checkpoint = other("other.example.org/T1/conduct", size, root, signer) }, place{"T1/conduct", -1}},
		{"another list", func(c *audit.Copy) { c.Checkpoint = other(origin+"/T1/outcome", size, root, signer) }, place{"T1/conduct", -1}},
		{"another size", func(c *audit.Copy) { c.Checkpoint = other(origin+"/T1/conduct", size-1, root, signer) }, place{"T1/conduct", -1}},
		{"another root", func(c *audit.Copy) { c.Checkpoint = other(origin+"/T1/conduct", size, tlog.Hash{}, signer) }, place{"T1/conduct", -1}},
		{"no checkpoint", func(c *audit.Copy) { c.Checkpoint = nil }, place{"T1/conduct", -1}},
		{"a long checkpoint", func(c *audit.Copy) { c.Checkpoint = append(c.Checkpoint, make([]byte, 1<<16)...) }, place{"T1/conduct", -1}},
		{"hashes in another order", func(c *audit.Copy) { c.Leaves = swapped(t, c.Leaves) }, place{"T1/conduct", -1}},
		{"too few hashes", func(c *audit.Copy) { c.Leaves = audit.Bytes(make([]byte, 4*32)) }, place{"", -1}},
		{"another entry", func(c *audit.Copy) { c.Records = joined(zero, record(2, "T1/conduct 3"), four) }, place{"T1/conduct", 2}},
		{"an entry of another index", func(c *audit.Copy) { c.Records = joined(zero, record(3, "T1/conduct 2"), four) }, place{"T1/conduct", 3}},
		{"an entry twice", func(c *audit.Copy) { c.Records = joined(zero, zero, four) }, place{"T1/conduct", -1}},
		{"entries in another order", func(c *audit.Copy) { c.Records = joined(two, zero, four) }, place{"T1/conduct", -1}},
		{"an entry behind the last", func(c *audit.Copy) { c.Records = joined(zero, two, record(5, "T1/conduct 5")) }, place{"T1/conduct", -1}},
		{"an entry of an index below 0", func(c *audit.Copy) { c.Records = joined(zero, two, record(-1, "")) }, place{"T1/conduct", -1}},
		{"an entry too few", func(c *audit.Copy) { c.Records = joined(zero, two) }, place{"T1/conduct", -1}},
		{"an entry too many", func(c *audit.Copy) { c.Entries = 2 }, place{"T1/conduct", -1}},
		{"an entry that is cut", func(c *audit.Copy) { c.Records = joined(zero, two, four[:15]) }, place{"T1/conduct", 4}},
		{"an index that is cut", func(c *audit.Copy) { c.Records = joined(zero, two, four[:5]) }, place{"T1/conduct", -1}},
		{"a byte behind", func(c *audit.Copy) { c.Records = joined(zero, two, four, []byte{0}) }, place{"T1/conduct", -1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cs := copies(t, l, which)
			tt.change(&cs[0])
			if got := wantWrong(t, write(t, about(t), cs), tt.name); got != tt.want {
				t.Errorf("wrong is %+v, want %+v", got, tt.want)
			}
		})
	}
	if _, err := readArchive(t, write(t, about(t), copies(t, l, which))); err != nil {
		t.Errorf("unchanged: %v", err)
	}
}

// swapped returns hashes of which the first two have changed places.
func swapped(t *testing.T, open func() (io.ReadCloser, error)) func() (io.ReadCloser, error) {
	r, err := open()
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return audit.Bytes(slices.Concat(b[32:64], b[:32], b[64:]))
}

func TestArchiveIsNotWrittenOf(t *testing.T) {
	l := small(t)
	good := func() (audit.Archive, []audit.Copy) {
		return about(t), copies(t, l, kept{"T1/conduct": {0}, "system": {1}})
	}
	for _, tt := range []struct {
		name   string
		change func(a *audit.Archive, cs *[]audit.Copy)
	}{
		{"no origin", func(a *audit.Archive, _ *[]audit.Copy) { a.Origin = "" }},
		{"an origin with a plus", func(a *audit.Archive, _ *[]audit.Copy) { a.Origin = "a+b" }},
		{"an origin with a letter of other scripts", func(a *audit.Archive, _ *[]audit.Copy) { a.Origin = "ø" }},
		{"a trial in small letters", func(a *audit.Archive, _ *[]audit.Copy) { a.Trial = "t1" }},
		{"no trial", func(a *audit.Archive, _ *[]audit.Copy) { a.Trial = "" }},
		{"no key", func(a *audit.Archive, _ *[]audit.Copy) { a.Key = "key" }},
		{"no list", func(_ *audit.Archive, cs *[]audit.Copy) { *cs = nil }},
		{"a list twice", func(_ *audit.Archive, cs *[]audit.Copy) { (*cs)[1] = (*cs)[0] }},
		{"lists that aren't sorted", func(_ *audit.Archive, cs *[]audit.Copy) { slices.Reverse(*cs) }},
		{"a list without a name", func(_ *audit.Archive, cs *[]audit.Copy) { (*cs)[0].List = "" }},
		{"too many lists", func(_ *audit.Archive, cs *[]audit.Copy) {
			for i := range 16 {
				c := (*cs)[1]
				c.List += fmt.Sprintf("%02d", i)
				*cs = append(*cs, c)
			}
		}},
		{"more entries than there are", func(_ *audit.Archive, cs *[]audit.Copy) { (*cs)[0].Entries = 6 }},
		{"fewer than none", func(_ *audit.Archive, cs *[]audit.Copy) { (*cs)[0].Entries = -1 }},
		{"too many entries", func(_ *audit.Archive, cs *[]audit.Copy) { (*cs)[0].Size = 1 << 40 }},
		{"leaves that fail", func(_ *audit.Archive, cs *[]audit.Copy) {
			(*cs)[0].Leaves = func() (io.ReadCloser, error) { return nil, io.ErrUnexpectedEOF }
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a, cs := good()
			tt.change(&a, &cs)
			if err := audit.WriteArchive(io.Discard, a, cs); err == nil {
				t.Error("WriteArchive succeeded")
			}
		})
	}
	a, cs := good()
	if err := audit.WriteArchive(io.Discard, a, cs); err != nil {
		t.Errorf("unchanged: %v", err)
	}
}

// What an archive says of itself in another way is refused, though it means the
// same.
func TestArchiveSaysWhatItHoldsInOneWay(t *testing.T) {
	files := unzip(t, archive(t))
	for _, tt := range [][2]string{
		{"\"schema\"", "\"Schema\""},
		{"  \"trial\"", "\t\"trial\""},
		{"T1", "\\u00541"},
		{"lodd.archive/1", "lodd.archive/2"},
		{"\n}\n", "\n}"},
		{"\n}\n", ",\n  \"more\": 1\n}\n"},
		{"\"size\": 5", "\"size\": 5.0"},
		{"\"size\": 5,", "\"size\": 5,\n      \"size\": 5,"},
	} {
		changed := strings.Replace(files[0].content, tt[0], tt[1], 1)
		if changed == files[0].content {
			t.Fatalf("%q isn't in %s", tt[0], changed)
		}
		b := plainZip(append([]file{{"archive.json", changed}}, files[1:]...))
		if got := wantWrong(t, b, tt[1]); got != (place{"", -1}) {
			t.Errorf("%q: wrong is %+v", tt[1], got)
		}
	}
	if _, err := readArchive(t, plainZip(files)); err != nil {
		t.Errorf("unchanged: %v", err)
	}
}

// plainZip writes a ZIP file as docs/log-format.md says, written here a second
// time.
func plainZip(files []file) []byte {
	little := binary.LittleEndian
	var b, directory []byte
	for _, f := range files {
		var common []byte
		for _, v := range []uint16{10, 0, 0, 0, 33} {
			common = little.AppendUint16(common, v)
		}
		common = little.AppendUint32(common, crc32.ChecksumIEEE([]byte(f.content)))
		common = little.AppendUint32(common, uint32(len(f.content)))
		common = little.AppendUint32(common, uint32(len(f.content)))
		common = little.AppendUint16(common, uint16(len(f.name)))
		common = append(common, 0, 0)
		directory = append(append(append(directory, "PK\x01\x02\x0a\x00"...), common...), make([]byte, 10)...)
		directory = append(little.AppendUint32(directory, uint32(len(b))), f.name...)
		b = append(append(append(append(b, "PK\x03\x04"...), common...), f.name...), f.content...)
	}
	end := append([]byte("PK\x05\x06"), 0, 0, 0, 0)
	end = little.AppendUint16(little.AppendUint16(end, uint16(len(files))), uint16(len(files)))
	end = little.AppendUint32(little.AppendUint32(end, uint32(len(directory))), uint32(len(b)))
	return slices.Concat(b, directory, end, []byte{0, 0})
}
