package client

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/note"

	"github.com/lodd-rct/lodd/audit"
)

// Whoever knows a witness sees what it has signed; a log that was shown to the
// witness in another version is found, and so is a signature that isn't its own.
func TestVerifyListHoldsTheLogAgainstWitnesses(t *testing.T) {
	private, public, err := audit.GenerateCosigner(bytes.NewReader(make([]byte, 32)), "w")
	if err != nil {
		t.Fatal(err)
	}
	w, err := audit.NewCosigner(private, time.Unix(1700000000, 0))
	if err != nil {
		t.Fatal(err)
	}
	key, err := audit.NewCosignatureVerifier(public)
	if err != nil {
		t.Fatal(err)
	}
	seen := []audit.Cosignature{{Witness: "w", At: time.Unix(1700000000, 0).UTC()}}
	for _, tt := range []struct {
		name    string
		entries []string // that the witness saw
		known   bool
		change  func(string) string
		want    []audit.Cosignature
		says    string
	}{
		{"at a smaller size", []string{"P1", "P2"}, true, nil, seen, ""},
		{"at this size", []string{"P1", "P2", "P3"}, true, nil, seen, ""},
		{"by a stranger", []string{"P1", "P2"}, false, nil, nil, ""},
		{"of another log", []string{"P1", "PX"}, true, nil, nil, "shown in two versions"},
		{"of another log, at this size", []string{"P1", "P2", "PX"}, true, nil, nil, "shown in two versions"},
		{"at a larger size", []string{"P1", "P2", "P3", "P4"}, true, nil, nil, "it has 4 entries, but the log shows 3"},
		{"changed", []string{"P1", "P2"}, true, func(s string) string { return strings.Replace(s, "\n2\n", "\n3\n", 1) }, nil, "invalid signature"},
		{"of another list", []string{"P1", "P2"}, true, func(string) string { return "other" }, nil, "is of"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := newMachine(t)
			if tt.known {
				m.config.Witnesses = []*audit.CosignatureVerifier{key}
			}
			c := m.begin()
			for _, p := range []string{"P1", "P2", "P3"} {
				m.must(m.exclude(c, p))
			}
			list := "IPS/conduct"
			if tt.change != nil && tt.change("") == "other" {
				list, tt.change = "IPS/outcome", nil
			}
			log, err := note.NewVerifier(m.config.LogKey)
			m.must(err)
			var entries []string
			for _, p := range tt.entries {
				entries = append(entries, excluded("kari", requestOf(p), p))
			}
			plain, err := audit.OpenCosigned([]byte(m.server.head(list, entries)), log)
			m.must(err)
			signed, err := plain.Sign(w)
			m.must(err)
			if tt.change != nil {
				signed = []byte(tt.change(string(signed)))
			}
			m.server.lie(func() { m.server.cosigned = string(signed) })
			v, err := c.VerifyList(t.Context(), "IPS", "IPS/conduct", nil)
			if tt.says != "" {
				m.wrong(err, tt.says)
				return
			}
			m.must(err)
			var got []audit.Cosignature
			if v.Cosigned != nil {
				got = v.Cosigned.Cosignatures
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A witness's signature that was seen once is still there, or one of a larger
// size: a server can't drop what a witness has signed.
func TestVerifyListMissesWitnesses(t *testing.T) {
	witness := func(name string, seed byte) (*audit.Cosigner, *audit.CosignatureVerifier) {
		private, public, err := audit.GenerateCosigner(bytes.NewReader(bytes.Repeat([]byte{seed}, 32)), name)
		if err != nil {
			t.Fatal(err)
		}
		w, err := audit.NewCosigner(private, time.Unix(1700000000, 0))
		if err != nil {
			t.Fatal(err)
		}
		key, err := audit.NewCosignatureVerifier(public)
		if err != nil {
			t.Fatal(err)
		}
		return w, key
	}
	w, key := witness("w", 1)
	other, known := witness("other", 2)
	stranger, _ := witness("stranger", 3)
	for _, tt := range []struct {
		name      string
		size      int // of what is shown; 0 for nothing
		by        []*audit.Cosigner
		says      string
		displaced bool
	}{
		{"the same", 2, []*audit.Cosigner{w}, "", false},
		{"the same, and another", 2, []*audit.Cosigner{w, other}, "", false},
		{"a larger one", 3, []*audit.Cosigner{w}, "", false},
		{"a larger one by another", 3, []*audit.Cosigner{other}, "", false},
		{"a larger one by a stranger", 3, []*audit.Cosigner{stranger}, "", true},
		{"none", 0, nil, "w had co-signed 2 entries, and the server shows no", false},
		{"a smaller one", 1, []*audit.Cosigner{w}, "w had co-signed 2 entries, and the server shows no", false},
		{"another's", 2, []*audit.Cosigner{other}, "w had co-signed these 2 entries", false},
		{"a stranger's", 2, []*audit.Cosigner{stranger}, "w had co-signed these 2 entries", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := newMachine(t)
			m.config.Witnesses = []*audit.CosignatureVerifier{key, known}
			c := m.begin()
			for _, p := range []string{"P1", "P2", "P3"} {
				m.must(m.exclude(c, p))
			}
			log, err := note.NewVerifier(m.config.LogKey)
			m.must(err)
			show := func(size int, by ...*audit.Cosigner) {
				signed := ""
				if size > 0 {
					signed = m.server.head("IPS/conduct", m.server.entries[:size])
				}
				for _, w := range by {
					plain, err := audit.OpenCosigned([]byte(signed), log, key, known)
					m.must(err)
					b, err := plain.Sign(w)
					m.must(err)
					signed = string(b)
				}
				m.server.lie(func() { m.server.cosigned = signed })
			}
			show(2, w)
			_, err = c.VerifyList(t.Context(), "IPS", "IPS/conduct", nil)
			m.must(err)
			show(tt.size, tt.by...)
			for range 2 { // also a finding doesn't forget what was seen
				v, err := m.begin().VerifyList(t.Context(), "IPS", "IPS/conduct", nil)
				if tt.says != "" {
					if f := m.wrong(err, tt.says); f.Remembered == "" || f.Cosigned != m.server.cosigned {
						t.Errorf("evidence %+v", f)
					}
					continue
				}
				m.must(err)
				if tt.displaced != (len(v.Displaced) == 1 && v.Displaced[0] == "w") {
					t.Errorf("displaced %v", v.Displaced)
				}
			}
			if moved, err := c.AcceptFork("IPS"); err != nil || len(m.files("checkpoints/*.cosigned")) != 0 || len(moved) < 2 {
				t.Errorf("a fork was accepted, and %v are moved: %v", moved, err)
			}
		})
	}
}
