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
			plain, err := audit.OpenCosigned([]byte(m.server.head(list, tt.entries)), log)
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
