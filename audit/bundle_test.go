package audit_test

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/lodd-rct/lodd/audit"
)

func manifest() audit.Manifest {
	return audit.Manifest{
		Study: "T1", View: "pooled", Blinded: true,
		Lock:         audit.Lock{Number: 2, ID: "lock-2", At: "2024-03-01T10:00:00.000Z"},
		CreatedAt:    "2024-03-01T10:00:00.000Z",
		Producer:     audit.Producer{Name: "lodd", Version: "1.0.0"},
		Compartments: []audit.Compartment{{List: "T1/outcome", Size: 3, Root: tlog.Hash{1}.String()}},
		RevisedBy:    []string{"erasure 4"},
	}
}

func members() []audit.Member {
	return []audit.Member{
		{Name: "csv/outcome.csv", Format: "csv", Records: 2, Open: audit.Bytes([]byte("id,score\n1,<2>\n2,3\n"))},
		{Name: "dictionary.json", Format: "json", Open: audit.Bytes([]byte("{}\n"))},
		{Name: "empty.txt", Format: "text", Open: audit.Bytes(nil)},
	}
}

func bundle(t testing.TB) []byte {
	t.Helper()
	signer, _ := key(t, origin)
	var b bytes.Buffer
	if err := audit.WriteBundle(&b, manifest(), members(), signer); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func verify(t testing.TB, b []byte) (audit.Manifest, error) {
	_, verifier := key(t, origin)
	return audit.VerifyBundle(bytes.NewReader(b), int64(len(b)), note.VerifierList(verifier))
}

func TestBundleReadsBack(t *testing.T) {
	b := bundle(t)
	got, err := verify(t, b)
	if err != nil {
		t.Fatal(err)
	}
	want := manifest()
	want.Schema = "lodd.manifest/1"
	want.Files = []audit.File{
		{Name: "csv/outcome.csv", SHA256: "0a65f8b1a2645454ad1c427320a12a7575f09f10e3037a5d099ab7e782f188ec", Bytes: 19, Records: 2, Format: "csv"},
		{Name: "dictionary.json", SHA256: "ca3d163bab055381827226140568f3bef7eaac187cebd76878e0b63e9e442356", Bytes: 3, Format: "json"},
		{Name: "empty.txt", SHA256: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", Format: "text"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("manifest (-want +got):\n%s", diff)
	}
	if !bytes.Equal(b, bundle(t)) {
		t.Error("the same bundle has other bytes the second time")
	}
	golden(t, "bundle.golden", b)
}

// Other programs can open it.
func TestBundleIsAZipFile(t *testing.T) {
	b := bundle(t)
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range z.File {
		names = append(names, f.Name)
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, r); err != nil { // checks the checksum
			t.Errorf("%s: %v", f.Name, err)
		}
	}
	if diff := cmp.Diff([]string{"csv/outcome.csv", "dictionary.json", "empty.txt", "manifest.json", "manifest.sig"}, names); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
}

// wantBad checks that a bundle is refused and says what is wrong.
func wantBad(t *testing.T, b []byte, what string) *audit.BundleError {
	t.Helper()
	_, err := verify(t, b)
	bad, ok := errors.AsType[*audit.BundleError](err)
	if !ok {
		t.Fatalf("%s: %v, want a BundleError", what, err)
	}
	return bad
}

// Every change of any byte of the file is found, also of those that no ZIP
// program looks at; a change to a member's content names the member.
func TestEveryChangeOfABundleIsFound(t *testing.T) {
	b := bundle(t)
	content := map[string][2]int{}
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range z.File {
		at, err := f.DataOffset()
		if err != nil {
			t.Fatal(err)
		}
		content[f.Name] = [2]int{int(at), int(at) + int(f.UncompressedSize64)}
	}
	for at := range b {
		flips := []byte{1 << (at % 8), 0xFF}
		if r := content["manifest.sig"]; at >= r[0] && at < r[1] { // base64 has bits that mean nothing
			flips = []byte{1, 2, 4, 8, 16, 32, 64, 128}
		}
		for _, flip := range flips {
			changed := bytes.Clone(b)
			changed[at] ^= flip
			bad := wantBad(t, changed, fmt.Sprintf("byte %d, bits %#x", at, flip))
			for name, r := range content {
				if at >= r[0] && at < r[1] && bad.Member != name && !strings.HasPrefix(name, "manifest.") {
					t.Errorf("byte %d is of %s: %v", at, name, bad)
				}
			}
		}
		wantBad(t, b[:at], fmt.Sprintf("cut to %d", at))
		wantBad(t, append(bytes.Clone(b[:at]), b[at+1:]...), fmt.Sprintf("without byte %d", at))
		for _, extra := range []byte{0, b[at], '\n'} {
			wantBad(t, append(append(bytes.Clone(b[:at]), extra), b[at:]...), fmt.Sprintf("with byte %d before %d", extra, at))
		}
	}
	for _, tail := range []string{"\x00", "\n", "PK\x05\x06", string(b)} {
		wantBad(t, append(bytes.Clone(b), tail...), "with a tail")
		wantBad(t, append([]byte(tail), b...), "with a head")
	}
}

func TestBundleOfAnUnknownKeyIsRefused(t *testing.T) {
	signer, _ := key(t, "other.example.org")
	var b bytes.Buffer
	if err := audit.WriteBundle(&b, manifest(), members(), signer); err != nil {
		t.Fatal(err)
	}
	if bad := wantBad(t, b.Bytes(), "unknown key"); bad.Member != "manifest.sig" || !strings.Contains(bad.Reason, "isn't known") {
		t.Errorf("%v", bad)
	}
}

func TestBundleIsNotWrittenOf(t *testing.T) {
	signer, _ := key(t, origin)
	calls := 0
	for name, ms := range map[string][]audit.Member{
		"no name":        {{Open: audit.Bytes(nil)}},
		"upwards":        {{Name: "../x", Open: audit.Bytes(nil)}},
		"absolute":       {{Name: "/x", Open: audit.Bytes(nil)}},
		"hidden":         {{Name: "a/.x", Open: audit.Bytes(nil)}},
		"backslash":      {{Name: `a\x`, Open: audit.Bytes(nil)}},
		"reserved":       {{Name: "Manifest.json", Open: audit.Bytes(nil)}},
		"long name":      {{Name: strings.Repeat("a", 201), Open: audit.Bytes(nil)}},
		"twice":          {{Name: "a", Open: audit.Bytes(nil)}, {Name: "A", Open: audit.Bytes(nil)}},
		"too many":       make([]audit.Member, audit.MaxMembers+1),
		"failing member": {{Name: "a", Open: func() (io.ReadCloser, error) { return nil, io.ErrUnexpectedEOF }}},
		"fickle member": {{Name: "a", Open: func() (io.ReadCloser, error) {
			calls++
			return audit.Bytes([]byte{byte(calls)})()
		}}},
		"growing member": {{Name: "a", Open: func() (io.ReadCloser, error) {
			calls++
			return audit.Bytes(make([]byte, calls))()
		}}},
	} {
		if err := audit.WriteBundle(io.Discard, manifest(), ms, signer); err == nil {
			t.Errorf("%s: WriteBundle succeeded", name)
		}
	}
}

// A file that claims to be huge costs neither memory nor time.
func TestHugeClaimsAreRefused(t *testing.T) {
	b := bundle(t)
	end := len(b) - 22
	for name, change := range map[string]func([]byte){
		"members":   func(b []byte) { b[end+10], b[end+11] = 0xFF, 0xFF },
		"directory": func(b []byte) { copy(b[end+12:], "\xFF\xFF\xFF\xFF") },
		"start":     func(b []byte) { copy(b[end+16:], "\xFF\xFF\xFF\xFF") },
		"manifest":  func(b []byte) { copy(b[bytes.LastIndex(b, []byte("manifest.json"))-22:], "\xFF\xFF\xFF\xFF") },
	} {
		changed := bytes.Clone(b)
		change(changed)
		if n := testing.AllocsPerRun(1, func() { verify(t, changed) }); n > 1000 {
			t.Errorf("%s: %f allocations", name, n)
		}
		wantBad(t, changed, name)
	}
}

func FuzzVerifyBundle(f *testing.F) {
	good := bundle(f)
	f.Add(good)
	f.Add(good[100:])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := verify(t, b); err == nil && !bytes.Equal(b, good) {
			t.Errorf("a forged bundle of %d bytes was accepted", len(b))
		}
	})
}
