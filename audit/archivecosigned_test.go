package audit_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/note"

	"github.com/lodd-rct/lodd/audit"
)

// What a known witness has signed is listed. What anybody can have written below
// a checkpoint is counted, and a signature that pretends to be a known witness's
// is refused.
func TestArchiveListsTheCosignaturesThatItVerified(t *testing.T) {
	private, public, err := audit.GenerateCosigner(strings.NewReader(strings.Repeat("w", 32)), "witness.example.org")
	if err != nil {
		t.Fatal(err)
	}
	at := time.Unix(1800000000, 0).UTC()
	cosigner, err := audit.NewCosigner(private, at)
	if err != nil {
		t.Fatal(err)
	}
	known, err := audit.NewCosignatureVerifier(public)
	if err != nil {
		t.Fatal(err)
	}
	l := small(t)
	signer, _ := key(t, origin)
	stranger, _ := key(t, "stranger.example.org")
	size, root := l.Root("system")
	signed, err := audit.Checkpoint{Origin: origin + "/system", Size: size, Root: root}.Sign(signer, cosigner, stranger)
	if err != nil {
		t.Fatal(err)
	}
	read := func(signed []byte, witnesses ...*audit.CosignatureVerifier) (*audit.ArchiveReader, error) {
		cs := copies(t, l, kept{"system": {1}})
		cs[0].Checkpoint = signed
		b := write(t, about(t), cs)
		_, verifier := key(t, origin)
		return audit.ReadArchive(bytes.NewReader(b), int64(len(b)), note.VerifierList(verifier), witnesses...)
	}
	a, err := read(signed, known)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string][]audit.Cosignature{"system": {{Witness: "witness.example.org", At: at}}}, a.Cosignatures); diff != "" || a.Unknown["system"] != 1 {
		t.Errorf("%d others, %s", a.Unknown["system"], diff)
	}
	if a, err = read(signed); err != nil || len(a.Cosignatures) != 0 || a.Unknown["system"] != 2 {
		t.Errorf("without the witness's key: %+v, %v, %v", a.Cosignatures, a.Unknown, err)
	}
	line := fmt.Sprintf("— witness.example.org %s\n", base64.StdEncoding.EncodeToString(append(binary.BigEndian.AppendUint32(nil, known.KeyHash()), make([]byte, 72)...)))
	forged := append(bytes.Clone(copies(t, l, kept{"system": {1}})[0].Checkpoint), line...)
	if a, err := read(forged); err != nil || a.Unknown["system"] != 1 {
		t.Errorf("forged, and nobody knows: %v", err)
	}
	_, err = read(forged, known)
	if wrong, ok := errors.AsType[*audit.ArchiveError](err); !ok || wrong.List != "system" || wrong.Index != -1 {
		t.Errorf("forged: %v", err)
	}
}
