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
		kind := "arm"
		if e.Contingency {
			kind = "envelope"
		}
		plain := w.unsealed(e.Sealed, bound(kind, string(e.Participant), string(e.Stratum), strconv.Itoa(e.Slot)))
		out[e.Participant] = protocol().Arms[plain[0]].ID
	}
	return out
}

// kept returns the present design as it is sealed, and the commitment to it.
func kept(w *world) (d randomization.Design, drawn randomization.Seed, salt randomization.Salt) {
	w.Helper()
	sealed := of[trial.DesignKept](w)
	plain := w.unsealed(sealed[len(sealed)-1].Event.(trial.DesignKept).Sealed, bound("design"))
	n := 3 + int(binary.BigEndian.Uint16(plain[1:]))
	d, err := randomization.DecodeDesign(plain[3:n])
	if err != nil {
		w.Fatal(err)
	}
	if drawn, err = randomization.SeedFromBytes(plain[n : n+32]); err != nil {
		w.Fatal(err)
	}
	if salt, err = randomization.SaltFromBytes(plain[n+32:]); err != nil {
		w.Fatal(err)
	}
	return d, drawn, salt
}

// sequence returns the sequence of a stratum as the sealed design gives it, and
// the commitment to that.
func sequence(w *world, stratum trial.Stratum) (*randomization.Sequence, randomization.Commitment) {
	w.Helper()
	design, seed, salt := kept(w)
	s, err := randomization.NewSequence(seed, design, "IPS", string(stratum))
	if err != nil {
		w.Fatal(err)
	}
	return s, randomization.Commit("IPS", design, seed, salt)
}

// revealed is what an outsider would be given of the trial, made of the log and
// the vault alone.
func revealed(w *world) randomization.Reveal {
	w.Helper()
	r := randomization.Reveal{Trial: "IPS"}
	r.Design, r.Drawn, r.Salt = kept(w)
	_, adaptive := r.Design.(randomization.Minimization)
	drawn, slots := arms(w), 0
	p := view(w, func(s *trial.State) trial.Protocol { return *s.Protocol() })
	for _, l := range w.entries() {
		switch e := l.Event.(type) {
		case trial.DesignSealed:
			r.Commitment, r.Contributed = e.Commitment, false
		case trial.EntropyContributed:
			r.Entropy, r.Contributed = e.Entropy, true
		case trial.Reconciled:
			for _, lost := range e.Lost {
				r.Allocations = append(r.Allocations, randomization.Allocation{
					Kind: randomization.Lost, Stratum: string(lost.Stratum), Slot: slots, Arm: randomization.NoArm,
				}) // one slot each; of use with minimization
				slots++
			}
		case trial.Allocated:
			a := randomization.Allocation{Kind: randomization.Drawn, Stratum: string(e.Stratum), Slot: e.Slot}
			for i, arm := range p.Arms {
				if arm.ID == drawn[e.Participant] {
					a.Arm = randomization.Arm(i)
				}
			}
			if adaptive {
				a.Slot = slots
				a.Levels = view(w, func(s *trial.State) []int { who, _ := s.Participant(e.Participant); return p.LevelIndexes(who) })
			}
			if e.Contingency {
				a.Kind, a.Slot = randomization.Contingency, e.Slot
			} else {
				slots++
			}
			r.Allocations = append(r.Allocations, a)
		}
	}
	return r
}

// checkReveal demands that a number of allocations follow from the design that
// was committed to.
func checkReveal(w *world, n int) {
	w.Helper()
	r := revealed(w)
	if err := randomization.Verify(r); err != nil {
		w.Error(err)
	}
	if len(r.Allocations) != n {
		w.Errorf("%d allocations, want %d", len(r.Allocations), n)
	}
}
