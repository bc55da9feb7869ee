package audit_test

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"io"
	"strings"
	"testing"
)

// A bundle that somebody else's tool wrote again is named by what has changed,
// though the ZIP file is a good one.
func TestRewrittenBundleIsRefused(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(files []file) []file
		member string
	}{
		{"nothing but the tool", func(f []file) []file { return f }, "csv/outcome.csv"},
		{"member is missing", func(f []file) []file { return append(f[:1:1], f[2:]...) }, "dictionary.json"},
		{"member is extra", func(f []file) []file { return append([]file{{"extra.csv", "1"}}, f...) }, "extra.csv"},
		{"member has another name", func(f []file) []file { f[1].name = "other.json"; return f }, "other.json"},
		{"member occurs twice", func(f []file) []file { return append([]file{f[1]}, f...) }, "dictionary.json"},
		{"members in another order", func(f []file) []file { f[0], f[1] = f[1], f[0]; return f }, "csv/outcome.csv"},
		{"other content", func(f []file) []file { f[0].content = "id,score\n1,<3>\n2,3\n"; return f }, "csv/outcome.csv"},
		{"shorter content", func(f []file) []file { f[0].content = "id"; return f }, "csv/outcome.csv"},
		{"other manifest", func(f []file) []file { f[3].content = strings.Replace(f[3].content, "pooled", "closed", 1); return f }, "manifest.json"},
		{"no signature", func(f []file) []file { return f[:4] }, "manifest.json"},
		{"empty signature", func(f []file) []file { f[4].content = ""; return f }, "manifest.sig"},
		{"unknown signature beside", func(f []file) []file {
			f[4].content += "— other.example.org AAAAAAAAAAA=\n"
			return f
		}, "manifest.sig"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bad := wantBad(t, rezip(t, tt.change(unzip(t, bundle(t)))), tt.name)
			if bad.Member != tt.member {
				t.Errorf("%v, want %s to be named", bad, tt.member)
			}
		})
	}
}

// Other content is found by its SHA-256 even if all checksums of the ZIP file fit.
func TestOtherContentWithGoodChecksumsIsRefused(t *testing.T) {
	b := bundle(t)
	old := []byte("id,score\n1,<2>\n2,3\n")
	forged := []byte("id,score\n1,<3>\n2,3\n")
	sum := func(b []byte) []byte { return binary.LittleEndian.AppendUint32(nil, crc32.ChecksumIEEE(b)) }
	b = bytes.ReplaceAll(bytes.ReplaceAll(b, old, forged), sum(old), sum(forged))
	if _, err := zip.NewReader(bytes.NewReader(b), int64(len(b))); err != nil {
		t.Fatal(err)
	}
	if bad := wantBad(t, b, "forged"); bad.Member != "csv/outcome.csv" || !strings.Contains(bad.Reason, "content") {
		t.Errorf("%v, want the content to be named", bad)
	}
}

type file struct{ name, content string }

func unzip(t *testing.T, b []byte) (files []file) {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file{f.Name, string(content)})
	}
	return files
}

func rezip(t *testing.T, files []file) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, f := range files {
		w, err := z.CreateHeader(&zip.FileHeader{Name: f.name, Method: zip.Store})
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(w, f.content)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
