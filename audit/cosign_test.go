package audit_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/note"
	"pgregory.net/rapid"

	"github.com/lodd-rct/lodd/audit"
)

// A checkpoint of a public log of certificates as four public witnesses
// co-signed it, with their published keys: the form that others write is the
// form that is read here.
const (
	publicLog  = "arche2025h1.staging.ct.transparency.dev+ba2f06c0+AU0vHmlGCS/PdN8b2OaGmKprLI8HKM+dJ472xgFYh15f"
	publicNote = `arche2025h1.staging.ct.transparency.dev
1432088532
U7WM79jrzyhGZ5/GUBTpM7NzwdyfFx61t3RovgcC4Ro=

— arche2025h1.staging.ct.transparency.dev zTM8sQAAAZ5W0WdjBAMARjBEAiBjW5IQf9pvsYLfQFX6hoGREPMHbdQ3urbllzalApkptQIgIpwtEroeW2BXaHAI4kJXFbon5Ch9MNL5zRNZ55lvGt0=
— arche2025h1.staging.ct.transparency.dev ui8GwCF1+kWqZrxGdhj4aX3gcw7XUlXQQabg/27lefwhUkzbC3NygNI75MdhL1bfTW9g8Ei59RA23oHP7Ry1k3ZFWwQ=
— transparency.dev/DEV:witness-little-garden 2AQqhwAAAABqEiEgzgFIqqhbUoDwjMWE6UP8nd8/KYTzwZ2rhIgcqoXHAwVkjZr4AscylP3v7sEodkRAErumC2q44vdgJY096st5BQ==
— witness1.smartit.nu/witness1 pIyCDwAAAABqEiEghIp82KWebrw7/oHQwlTAm3g2RKS4+eebl8eO0WH+/iEcxZ75W3u5hNI7TOQtmJbqmNWVuE0tgh0XwzdZsDsUAQ==
— remora.n621.de 2net5wAAAABqEiEgPlfF3V06o0Y+fHM+J5J9s27wgxxcOVSpZ/2g/KSiXCg9DEZI+aVCIobWX9sXTynk5XeU/zZ0WBxtqB0DrAWfBw==
— witness.stagemole.eu Z/euoAAAAABqEiEgw0i+7g2ENfDAWHmtRzCfKTHSDwYDJA2NmKeGi9Y8FtEyOUvVr+AJmIY/2TUFucgKi7lI7cUiOvKFYe/TmN9DAg==
`
)

var publicWitnesses = []string{
	"transparency.dev/DEV:witness-little-garden+d8042a87+BCtusOxINQNUTN5Oj8HObRkh2yHf/MwYaGX4CPdiVEPM",
	"witness1.smartit.nu/witness1+a48c820f+BPSFWg9G6KPiO7QPryYO5Xq4oYJJ+kAvLKLSimDhoxMO",
	"remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2",
	"witness.stagemole.eu+67f7aea0+BEqSG3yu9YrmcM3BHvQYTxwFj3uSWakQepafafpUqklv",
}

func TestCosignaturesOfOthersAreRead(t *testing.T) {
	log, err := note.NewVerifier(publicLog)
	if err != nil {
		t.Fatal(err)
	}
	var known []*audit.CosignatureVerifier
	for _, key := range publicWitnesses {
		w, err := audit.NewCosignatureVerifier(key)
		if err != nil || w.String() != key {
			t.Fatalf("%s is read as %v, %v", key, w, err)
		}
		known = append(known, w)
	}
	c, err := audit.OpenCosigned([]byte(publicNote), log, known...)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 5, 23, 21, 50, 24, 0, time.UTC)
	want := []audit.Cosignature{
		{Witness: "remora.n621.de", At: at},
		{Witness: "transparency.dev/DEV:witness-little-garden", At: at},
		{Witness: "witness.stagemole.eu", At: at},
		{Witness: "witness1.smartit.nu/witness1", At: at},
	}
	if diff := cmp.Diff(want, c.Cosignatures); diff != "" || c.Size != 1432088532 {
		t.Errorf("size %d, co-signatures (-want +got):\n%s", c.Size, diff)
	}
	for _, change := range [][2]string{{"1432088532", "1432088533"}, {"Z/euoAAAAABqEiEg", "Z/euoAAAAABqEiEh"}} {
		if _, err := audit.OpenCosigned([]byte(strings.Replace(publicNote, change[0], change[1], 1)), log, known...); err == nil {
			t.Errorf("%s may be changed to %s", change[0], change[1])
		}
	}
}

// witness returns the witness of a name at a time; its key is the same in each
// run.
func witness(t testing.TB, name string, at time.Time) *audit.Cosigner {
	t.Helper()
	private, public, err := audit.GenerateCosigner(bytes.NewReader(bytes.Repeat([]byte(name[:1]), 32)), name)
	if err != nil {
		t.Fatal(err)
	}
	w, err := audit.NewCosigner(private, at)
	if err != nil || w.Verifier().String() != public {
		t.Fatalf("%v, %v", w, err)
	}
	return w
}

func checkpoint(size int64) audit.Checkpoint {
	return audit.Checkpoint{Origin: origin + "/IPS/conduct", Size: size, Root: audit.Leaf(fmt.Append(nil, size))}
}

// The signature is over the text that the format prescribes, computed here by
// hand.
func TestCosignerSignsTheTextOfTheFormat(t *testing.T) {
	at := time.Unix(1679315147, 900)
	w := witness(t, "w1.example.org", at)
	signer, log := key(t, origin)
	signed, err := checkpoint(7).Sign(signer, w)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(signed)), "\n")
	b, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(lines[len(lines)-1], "— w1.example.org "))
	if err != nil || len(b) != 4+8+64 {
		t.Fatalf("%q: %d bytes, %v", lines[len(lines)-1], len(b), err)
	}
	private := ed25519.NewKeyFromSeed(bytes.Repeat([]byte("w"), 32))
	text := "cosignature/v1\ntime 1679315147\n" + checkpoint(7).String()
	if !ed25519.Verify(private.Public().(ed25519.PublicKey), []byte(text), b[12:]) || binary.BigEndian.Uint64(b[4:]) != 1679315147 {
		t.Errorf("signature is not over %q", text)
	}
	c, err := audit.OpenCosigned(signed, log, w.Verifier())
	if err != nil || len(c.Cosignatures) != 1 || !c.Cosignatures[0].At.Equal(at.Truncate(time.Second)) {
		t.Errorf("read back: %+v, %v", c, err)
	}
	// A witness's key is no log's key: neither can take the other's place.
	if _, err := note.NewVerifier(w.Verifier().String()); err == nil {
		t.Error("the key of a witness is taken for that of a log")
	}
	if got := fmt.Sprintf("%v %+v %d %s", w, w, w, w); strings.Count(got, "sealed") != 4 {
		t.Errorf("a cosigner prints as %q", got)
	}
}

func TestKeysOfWitnessesAreReadStrictly(t *testing.T) {
	_, good, err := audit.GenerateCosigner(bytes.NewReader(make([]byte, 32)), "w")
	if err != nil {
		t.Fatal(err)
	}
	seed, _, err := audit.GenerateCosigner(bytes.NewReader(make([]byte, 32)), "w")
	if err != nil {
		t.Fatal(err)
	}
	name, rest, _ := strings.Cut(good, "+")
	hash, encoded, _ := strings.Cut(rest, "+")
	for _, bad := range []string{
		"", name, name + "+" + hash, name + "+" + hash + "+", "+" + rest, "w w+" + rest, "x+" + rest, name + "+0" + hash + "+" + encoded,
		name + "+00000000+" + encoded, name + "+" + hash + "+" + encoded[:len(encoded)-4], name + "+" + hash + "+" + encoded + "AAAA", publicLog, seed,
	} {
		if w, err := audit.NewCosignatureVerifier(bad); err == nil {
			t.Errorf("%q is read as %v", bad, w)
		}
	}
	for _, bad := range []string{"", good, strings.Replace(seed, hash, "00000000", 1), seed[:len(seed)-4], seed + "AAAA"} {
		if _, err := audit.NewCosigner(bad, time.Unix(1, 0)); err == nil || strings.Contains(err.Error(), encoded) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if _, err := audit.NewCosigner(seed, time.Unix(-1, 0)); err == nil {
		t.Error("a time before 1970 is taken")
	}
	for _, bad := range []string{"", "a b", "a+b", "a\nb", strings.Repeat("a", 201)} {
		if _, _, err := audit.GenerateCosigner(bytes.NewReader(make([]byte, 32)), bad); err == nil {
			t.Errorf("a witness may be called %q", bad)
		}
	}
	if _, _, err := audit.GenerateCosigner(bytes.NewReader(make([]byte, 31)), "w"); err == nil {
		t.Error("a key is made of too little entropy")
	}
}

func TestOpenCosignedWantsTheLogsOwnSignature(t *testing.T) {
	signer, log := key(t, origin)
	stranger, _ := key(t, "stranger")
	w := witness(t, "w", time.Unix(9, 0))
	for _, tt := range []struct {
		name    string
		signers []note.Signer
		ok      bool
	}{
		{"log and witness", []note.Signer{signer, w}, true},
		{"log alone", []note.Signer{signer}, true},
		{"log and strangers", []note.Signer{signer, stranger, witness(t, "x", time.Unix(9, 0))}, true},
		{"witness alone", []note.Signer{w}, false},
		{"witness and stranger", []note.Signer{w, stranger}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			signed, err := checkpoint(3).Sign(tt.signers...)
			if err != nil {
				t.Fatal(err)
			}
			c, err := audit.OpenCosigned(signed, log, w.Verifier())
			if (err == nil) != tt.ok {
				t.Errorf("%+v, %v", c, err)
			}
		})
	}
	if _, err := audit.OpenCosigned(make([]byte, 1<<20), log); err == nil {
		t.Error("a checkpoint of a megabyte is read")
	}
}

// Whatever the order in which the signatures of witnesses come together, each
// witness ends with its latest one, and strangers with none.
func TestCosignaturesMergeInAnyOrder(t *testing.T) {
	signer, log := key(t, origin)
	rapid.Check(t, func(t *rapid.T) {
		names := []string{"a", "b", "c"}
		var known []*audit.CosignatureVerifier
		for _, name := range names {
			known = append(known, rapidWitness(t, name, 0).Verifier())
		}
		plain, err := checkpoint(5).Sign(signer)
		if err != nil {
			t.Fatal(err)
		}
		all, err := audit.OpenCosigned(plain, log, known...)
		if err != nil {
			t.Fatal(err)
		}
		latest := map[string]int64{}
		for range rapid.IntRange(0, 8).Draw(t, "signatures") {
			name, at := rapid.SampledFrom(append(names, "z")).Draw(t, "witness"), rapid.Int64Range(1, 9).Draw(t, "at")
			signed, err := checkpoint(5).Sign(signer, rapidWitness(t, name, at))
			if err != nil {
				t.Fatal(err)
			}
			one, err := audit.OpenCosigned(signed, log, known...)
			if err != nil {
				t.Fatal(err)
			}
			merged, err := all.Merge(one)
			if err != nil {
				t.Fatal(err)
			}
			if all, err = audit.OpenCosigned(merged, log, known...); err != nil {
				t.Fatal(err)
			}
			if name != "z" {
				latest[name] = max(latest[name], at)
			}
		}
		got := map[string]int64{}
		for _, c := range all.Cosignatures {
			got[c.Witness] = c.At.Unix()
		}
		if diff := cmp.Diff(latest, got); diff != "" {
			t.Error(diff)
		}
	})
}

func rapidWitness(t *rapid.T, name string, at int64) *audit.Cosigner {
	private, _, err := audit.GenerateCosigner(strings.NewReader(strings.Repeat(name, 32)), name)
	if err != nil {
		t.Fatal(err)
	}
	w, err := audit.NewCosigner(private, time.Unix(at, 0))
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestCosignaturesOfTwoCheckpointsDoNotMerge(t *testing.T) {
	signer, log := key(t, origin)
	var opened []audit.Cosigned
	for _, size := range []int64{5, 6} {
		signed, err := checkpoint(size).Sign(signer, witness(t, "w", time.Unix(size, 0)))
		if err != nil {
			t.Fatal(err)
		}
		c, err := audit.OpenCosigned(signed, log, witness(t, "w", time.Unix(1, 0)).Verifier())
		if err != nil {
			t.Fatal(err)
		}
		opened = append(opened, c)
	}
	if merged, err := opened[0].Merge(opened[1]); err == nil {
		t.Errorf("merged to %q", merged)
	}
}

// What OpenCosigned accepts, it accepts again in the form in which it would be
// handed on.
func FuzzOpenCosigned(f *testing.F) {
	signer, log := key(f, origin)
	w := witness(f, "w", time.Unix(1700000000, 0))
	for _, signers := range [][]note.Signer{{signer}, {signer, w}, {w}} {
		signed, err := checkpoint(8).Sign(signers...)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(signed)
	}
	f.Add([]byte(publicNote))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := audit.OpenCosigned(b, log, w.Verifier())
		if err != nil {
			return
		}
		again, err := c.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		d, err := audit.OpenCosigned(again, log, w.Verifier())
		if err != nil || d.Checkpoint != c.Checkpoint || cmp.Diff(c.Cosignatures, d.Cosignatures) != "" {
			t.Errorf("%q is read as %+v, then as %+v, %v", b, c, d, err)
		}
	})
}

func FuzzCosignatureVerifierKey(f *testing.F) {
	for _, key := range publicWitnesses {
		f.Add(key)
	}
	f.Fuzz(func(t *testing.T, text string) {
		v, err := audit.NewCosignatureVerifier(text)
		if err != nil {
			return
		}
		if again, err := audit.NewCosignatureVerifier(v.String()); err != nil || !strings.EqualFold(again.String(), text) {
			t.Errorf("%q is read as %v, then as %v, %v", text, v, again, err)
		}
	})
}
