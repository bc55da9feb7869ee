package ledger_test

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"filippo.io/age"

	"github.com/lodd-rct/lodd/server/envelope"
	"github.com/lodd-rct/lodd/server/trial"
)

func person(t *testing.T) *age.X25519Identity {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func recipients(t *testing.T, first, second *age.X25519Identity) envelope.Recipients {
	t.Helper()
	to, err := envelope.ParseRecipients([]string{first.Recipient().String(), second.Recipient().String()})
	if err != nil {
		t.Fatal(err)
	}
	return to
}

// slips returns the arms of a sealed sheet, as two people read them.
func slips(t *testing.T, sealed []byte, first, second age.Identity) (arms []trial.ArmID) {
	t.Helper()
	outer, err := age.Decrypt(bytes.NewReader(sealed), second)
	if err != nil {
		t.Fatal(err)
	}
	inner, err := age.Decrypt(outer, first)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(inner)
	if err != nil {
		t.Fatal(err)
	}
	for slip := range strings.SplitSeq(strings.TrimSuffix(string(plain), "\f"), "\f") {
		_, code, _ := strings.Cut(slip, "Kode / Code:")
		code, _, _ = strings.Cut(code, "\n")
		arms = append(arms, trial.ArmID(strings.TrimSpace(code)))
	}
	return arms
}
