package ledger_test

import (
	"encoding/binary"
	"strconv"

	"github.com/lodd-rct/lodd/randomization"
	"github.com/lodd-rct/lodd/server/trial"
)

// This file opens what is sealed in the log with the vault alone, as a second
// reader of the format would.

// bound is the associated data of a sealed text: each part after its length.
func bound(parts ...string) []byte {
	var b []byte
	for _, p := range parts {
		b = binary.BigEndian.AppendUint32(b, uint32(len(p)))
		b = append(b, p...)
	}
	return b
}

// unsealed returns what is sealed under the key of the allocation, without its
// padding.
func (w *world) unsealed(sealed, ad []byte) []byte {
	w.Helper()
	plain, err := w.vault.Open(w.Context(), "IPS/allocation", sealed, ad)
	if err != nil {
		w.Fatal(err)
	}
	end := len(plain) - 1
	for plain[end] == 0 {
		end--
	}
	return plain[:end] // without the byte 80
}

// arms returns the sealed arm of every participant.
func arms(w *world) map[trial.ParticipantID]trial.ArmID {
	w.Helper()
	out := map[trial.ParticipantID]trial.ArmID{}
	for _, l := range of[trial.Allocated](w) {
		e := l.Event.(trial.Allocated)
		plain := w.unsealed(e.Sealed, bound("arm", string(e.Participant), string(e.Stratum), strconv.Itoa(e.Slot)))
		out[e.Participant] = protocol().Arms[plain[0]].ID
	}
	return out
}

// sequence returns the sequence of a stratum as the sealed design gives it, and
// the commitment to that.
func sequence(w *world, stratum trial.Stratum) (*randomization.Sequence, randomization.Commitment) {
	w.Helper()
	kept := of[trial.DesignKept](w)[0].Event.(trial.DesignKept)
	plain := w.unsealed(kept.Sealed, bound("design"))
	n := 3 + int(binary.BigEndian.Uint16(plain[1:]))
	design, err := randomization.DecodeDesign(plain[3:n])
	if err != nil {
		w.Fatal(err)
	}
	seed, err := randomization.SeedFromBytes(plain[n : n+32])
	if err != nil {
		w.Fatal(err)
	}
	salt, err := randomization.SaltFromBytes(plain[n+32:])
	if err != nil {
		w.Fatal(err)
	}
	s, err := randomization.NewSequence(seed, design, "IPS", string(stratum))
	if err != nil {
		w.Fatal(err)
	}
	return s, randomization.Commit("IPS", design, seed, salt)
}
