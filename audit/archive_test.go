package audit_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/note"
	"pgregory.net/rapid"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/audit/audittest"
	"github.com/lodd-rct/lodd/audit/store/storetest"
)

// kept is which entries of a list an archive holds.
type kept map[string][]int64

// copyOf returns what an archive holds of a list.
func copyOf(t testing.TB, l *audit.Log, list string, indexes []int64) audit.Copy {
	t.Helper()
	signed, err := l.Checkpoint(t.Context(), list)
	if err != nil {
		t.Fatal(err)
	}
	size := l.Len(list)
	leaves, err := l.Leaves(t.Context(), list, 0, size)
	if err != nil {
		t.Fatal(err)
	}
	var hashes, records []byte
	for _, leaf := range leaves {
		hashes = append(hashes, leaf[:]...)
	}
	for _, i := range indexes {
		e, err := l.Read(t.Context(), list, i, i+1)
		if err != nil {
			t.Fatal(err)
		}
		records = audit.AppendRecord(records, i, e[0])
	}
	return audit.Copy{
		ArchivedList: audit.ArchivedList{List: list, Size: size, Entries: int64(len(indexes))},
		Checkpoint:   signed, Leaves: audit.Bytes(hashes), Records: audit.Bytes(records),
	}
}

func copies(t testing.TB, l *audit.Log, which kept) []audit.Copy {
	t.Helper()
	var out []audit.Copy
	for _, list := range slices.Sorted(maps.Keys(which)) {
		out = append(out, copyOf(t, l, list, which[list]))
	}
	return out
}

func about(t testing.TB) audit.Archive {
	t.Helper()
	seed := sha256.Sum256([]byte(origin)) // as key does
	_, text, err := note.GenerateKey(bytes.NewReader(seed[:]), origin)
	if err != nil {
		t.Fatal(err)
	}
	return audit.Archive{Origin: origin, Trial: "T1", Key: text}
}

func write(t testing.TB, a audit.Archive, copies []audit.Copy) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := audit.WriteArchive(&b, a, copies); err != nil {
		t.Fatal(err)
	}
	audittest.Keep(t, b.Bytes())
	return b.Bytes()
}

// small is the log of the tests.
func small(t testing.TB) *audit.Log {
	l := open(t, config(t, &storetest.Memory{}))
	grow(t, l, "T1/conduct", 5)
	grow(t, l, "system", 3)
	return l
}

func archive(t testing.TB) []byte {
	t.Helper()
	return write(t, about(t), copies(t, small(t), kept{"T1/conduct": {0, 1, 2, 3, 4}, "T1/delivery": nil, "system": {1}}))
}

func readArchive(t testing.TB, b []byte) (*audit.ArchiveReader, error) {
	_, verifier := key(t, origin)
	return audit.ReadArchive(bytes.NewReader(b), int64(len(b)), note.VerifierList(verifier))
}

// records returns all entries of an archive.
func records(t testing.TB, a *audit.ArchiveReader) map[string][]audit.Record {
	t.Helper()
	out := map[string][]audit.Record{}
	for _, l := range a.Lists {
		for r, err := range a.Entries(l.List) {
			if err != nil {
				t.Fatal(err)
			}
			out[l.List] = append(out[l.List], r)
		}
	}
	return out
}

func TestArchiveReadsBack(t *testing.T) {
	b := archive(t)
	a, err := readArchive(t, b)
	if err != nil {
		t.Fatal(err)
	}
	want := about(t)
	want.Schema = "lodd.archive/1"
	want.Lists = []audit.ArchivedList{{List: "T1/conduct", Size: 5, Entries: 5}, {List: "T1/delivery"}, {List: "system", Size: 3, Entries: 1}}
	if diff := cmp.Diff(want, a.Archive); diff != "" {
		t.Errorf("archive.json (-want +got):\n%s", diff)
	}
	if !a.Lists[0].Whole() || !a.Lists[1].Whole() || a.Lists[2].Whole() {
		t.Errorf("whole: %+v", a.Lists)
	}
	var conduct []audit.Record
	for i, e := range entries("T1/conduct", 0, 5) {
		conduct = append(conduct, audit.Record{Index: int64(i), Entry: e})
	}
	wantRecords := map[string][]audit.Record{"T1/conduct": conduct, "system": {{Index: 1, Entry: entries("system", 1, 1)[0]}}}
	if diff := cmp.Diff(wantRecords, records(t, a)); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
	for r, err := range a.Entries("T1/outcome") {
		t.Errorf("a list that isn't there has entry %+v, %v", r, err)
	}
	if !bytes.Equal(b, archive(t)) {
		t.Error("the same archive has other bytes the second time")
	}
	golden(t, "archive.golden", b)
}

// Other programs can open it.
func TestArchiveIsAZipFile(t *testing.T) {
	var names []string
	for _, f := range unzip(t, archive(t)) { // checks the checksums
		names = append(names, f.name)
	}
	if diff := cmp.Diff([]string{
		"archive.json", "T1/conduct/checkpoint", "T1/conduct/leaves", "T1/conduct/entries",
		"T1/delivery/checkpoint", "T1/delivery/leaves", "T1/delivery/entries", "system/checkpoint", "system/leaves", "system/entries",
	}, names); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
}

func TestHasArchiveTellsArchivesFromOtherFiles(t *testing.T) {
	b := archive(t)
	for _, tt := range []struct {
		name string
		b    []byte
		want bool
	}{
		{"an archive", b, true},
		{"one that was cut", b[:100], true},
		{"one with another beginning", append([]byte{0}, b[1:]...), true},
		{"one with another name", bytes.Replace(b, []byte("archive.json"), []byte("Archive.json"), 1), true},
		{"a bundle", bundle(t), false},
		{"nothing", nil, false},
		{"one byte", []byte{'P'}, false},
	} {
		if got := audit.HasArchive(bytes.NewReader(tt.b), int64(len(tt.b))); got != tt.want {
			t.Errorf("%s: %t", tt.name, got)
		}
	}
}

// Without a key from elsewhere the archive is read with its own, and with a
// stranger's not at all.
func TestArchiveAndItsKey(t *testing.T) {
	b := archive(t)
	read := func(v note.Verifiers) error {
		_, err := audit.ReadArchive(bytes.NewReader(b), int64(len(b)), v)
		return err
	}
	if err := read(nil); err != nil {
		t.Errorf("its own key: %v", err)
	}
	_, stranger := key(t, "other.example.org")
	if wrong, ok := errors.AsType[*audit.ArchiveError](read(note.VerifierList(stranger))); !ok || wrong.List != "T1/conduct" || wrong.Index != -1 {
		t.Errorf("a stranger's key: %v", wrong)
	}
}

// Whatever lists of whatever length and whichever entries: the archive of them
// reads back, with exactly these entries.
func TestArchiveHoldsWhatItWasGiven(t *testing.T) {
	l := open(t, config(t, &storetest.Memory{}))
	lists := []string{"T1/a", "T1/b", "T1/c"}
	rapid.Check(t, func(rt *rapid.T) {
		which := kept{}
		for _, list := range lists {
			grow(t, l, list, rapid.SampledFrom([]int{0, 1, 3, 300}).Draw(rt, "more"))
			if l.Len(list) == 0 || !rapid.Bool().Draw(rt, "in it") {
				continue
			}
			indexes := rapid.SliceOfNDistinct(rapid.Int64Range(0, l.Len(list)-1), 0, 20, rapid.ID).Draw(rt, "entries")
			slices.Sort(indexes)
			which[list] = indexes
		}
		if len(which) == 0 {
			return
		}
		a, err := readArchive(t, write(t, about(t), copies(t, l, which)))
		if err != nil {
			rt.Fatal(err)
		}
		got := kept{}
		for _, al := range a.Lists {
			got[al.List] = []int64{}
			for r, err := range a.Entries(al.List) {
				if err != nil || !bytes.Equal(r.Entry, entries(al.List, r.Index, 1)[0]) {
					rt.Fatalf("entry %d of %s: %q, %v", r.Index, al.List, r.Entry, err)
				}
				got[al.List] = append(got[al.List], r.Index)
			}
		}
		if diff := cmp.Diff(which, got); diff != "" {
			rt.Fatal(diff)
		}
	})
}

func FuzzReadArchive(f *testing.F) {
	good := archive(f)
	f.Add(good)
	f.Add(good[100:])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := readArchive(t, b); err == nil && !bytes.Equal(b, good) {
			// Only what nobody signed may differ, and that is read as it stands.
			t.Logf("another archive of %d bytes is in order", len(b))
		}
	})
}
