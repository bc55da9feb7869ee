package trial_test

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lodd-rct/lodd/server/trial"
)

var (
	awaiting    = then(created, trial.DesignSealed{Commitment: [32]byte{2}, AwaitsEntropy: true}, trial.DesignKept{Sealed: []byte{1}})
	dice        = trial.EntropyContributed{Entropy: []byte("3 5 1 6")}
	abandon     = trial.SealingAbandoned{Reason: "design-fault"}
	contributed = then(awaiting, dice)
)

func printed(n int) trial.ContingencyPrinted {
	return trial.ContingencyPrinted{Envelopes: n, Recipients: [2][32]byte{{1}, {2}}}
}

// The statistician's part of the seed comes after the commitment to the
// server's, from somebody else, once, and before anybody is enrolled.
func TestSealingByTwoPartiesRefuses(t *testing.T) {
	checkRefusals(t, []refusal{
		{"a contribution before the sealing", created, dice, trial.ErrNotSealed},
		{"a contribution to a design that isn't kept", awaiting[:len(awaiting)-1], dice, trial.ErrNotSealed},
		{"a contribution that nobody awaits", sealed, dice, trial.ErrNoContribution},
		{"a second contribution", contributed, dice, trial.ErrNoContribution},
		{"an empty contribution", awaiting, trial.EntropyContributed{}, invalid("entropy")},
		{"a long contribution", awaiting, trial.EntropyContributed{Entropy: make([]byte, trial.MaxEntropy+1)}, invalid("entropy")},
		{"opening before the contribution", awaiting, trial.EnrolmentOpened{}, trial.ErrAwaitsEntropy},
		{"abandoning nothing", created, abandon, trial.ErrNotSealed},
		{"abandoning for no reason", sealed, trial.SealingAbandoned{Reason: "unlucky"}, invalid("reason")},
		{"abandoning after opening", opened, abandon, trial.ErrAlreadySealed},
		{"abandoning after closing", closed, abandon, trial.ErrAlreadySealed},
		{"abandoning after a restore", then(sealed, trial.Restored{Allocation: 4}), abandon, trial.ErrFenced},
		{"abandoning what somebody was enrolled with", then(sealed, trial.Restored{}, trial.Reconciled{Lost: []trial.LostSlots{{Stratum: "OSLO/drug=other", Slots: 1}}}), abandon, trial.ErrAlreadySealed},
		{"abandoning twice", then(sealed, abandon), abandon, trial.ErrNotSealed},
		{"opening after abandoning", then(sealed, abandon), trial.EnrolmentOpened{}, trial.ErrNotSealed},
	})
	t.Run("a contribution by the custodian", func(t *testing.T) {
		h := tell(t, awaiting...)
		m := h.meta(dice)
		m.Actor = "kari"
		if _, err := h.Decide(m, dice); !is(err, trial.ErrSamePerson) {
			t.Error(err)
		}
	})
}

// Whoever dislikes a sealing can only abandon it, and every later one says how
// often that was done.
func TestAbandonedSealingsAreCounted(t *testing.T) {
	h := tell(t, then(awaiting, abandon)...)
	if _, is := h.Sealing(); is {
		t.Error("the abandoned sealing is still one")
	}
	for _, e := range []trial.Event{
		trial.DesignSealed{Commitment: [32]byte{3}, AwaitsEntropy: true},
		trial.DesignKept{Sealed: []byte{1}},
		abandon,
		trial.DesignSealed{Commitment: [32]byte{4}, AwaitsEntropy: true},
		trial.DesignKept{Sealed: []byte{1}},
		dice,
		trial.EnrolmentOpened{},
	} {
		if err := h.do(e); err != nil {
			t.Fatalf("%T: %v", e, err)
		}
	}
	got, ok := h.Sealing()
	if !ok || got.Abandoned != 2 || got.Commitment != [32]byte{4} || got.By != "kari" || got.Contributor != "stine" ||
		!bytes.Equal(got.Entropy, dice.Entropy) || got.Awaits || h.log[got.Index+2].meta.At != got.At { // two designs were kept elsewhere
		t.Errorf("the sealing is %+v", got)
	}
}

func TestEnvelopesRefuse(t *testing.T) {
	same := printed(3)
	same.Recipients[1] = same.Recipients[0]
	checkRefusals(t, []refusal{
		{"before the sealing", created, printed(3), trial.ErrNotSealed},
		{"before the contribution", awaiting, printed(3), trial.ErrAwaitsEntropy},
		{"none", sealed, printed(0), invalid("envelopes")},
		{"too many", sealed, printed(trial.MaxEnvelopes + 1), invalid("envelopes")},
		{"fewer than before", then(sealed, printed(5)), printed(4), invalid("envelopes")},
		{"one person twice", sealed, same, invalid("recipients")},
		{"after the unsealing", unsealed, printed(3), trial.ErrUnsealed},
		{
			"those of an abandoned sealing", then(sealed, then([]any{printed(3), abandon},
				then([]any{trial.DesignSealed{}, trial.DesignKept{Sealed: []byte{1}}, trial.EnrolmentOpened{}}, readied("P1")...)...)...),
			opensEnvelope("P1", 1, date("2020-03-01")), invalid("envelope"),
		},
	})
	if h := tell(t, then(sealed, printed(5), printed(5))...); h.Envelopes() != 5 {
		t.Errorf("%d envelopes", h.Envelopes())
	}
}

func spoiled(stratum trial.Stratum, n int) trial.EnvelopeSpoiled {
	return trial.EnvelopeSpoiled{Stratum: stratum, Envelope: n, Reason: "damaged"}
}

func TestSpoiledEnvelopesRefuse(t *testing.T) {
	ready := then(opened, then([]any{printed(2)}, readied("P1")...)...)
	use := opensEnvelope("P1", 1, date("2020-03-01"))
	bored := spoiled(alcohol, 1)
	bored.Reason = "bored"
	checkRefusals(t, []refusal{
		{"before the sealing", created, spoiled(alcohol, 1), trial.ErrNotSealed},
		{"before the contribution", awaiting, spoiled(alcohol, 1), trial.ErrAwaitsEntropy},
		{"before they are printed", opened, spoiled(alcohol, 1), invalid("envelope")},
		{"of no stratum", ready, spoiled("OSLO", 1), invalid("stratum")},
		{"of an unknown site", ready, spoiled("NARVIK/drug=alcohol", 1), invalid("stratum")},
		{"number 0", ready, spoiled(alcohol, 0), invalid("envelope")},
		{"one too many", ready, spoiled(alcohol, 3), invalid("envelope")},
		{"a used one", then(ready, use), spoiled(alcohol, 1), invalid("envelope")},
		{"twice", then(ready, spoiled(alcohol, 1)), spoiled(alcohol, 1), trial.ErrExists},
		{"no reason", ready, bored, invalid("reason")},
		{"the use of a spoiled one", then(ready, spoiled(alcohol, 1)), use, invalid("envelope")},
	})
	tell(t, then(ready, spoiled("OSLO/drug=other", 1), use)...) // another stratum's
}

// A sealing tells what was printed of it, and how many envelopes of which stratum
// are spoiled; the next sealing begins anew.
func TestSealingTellsOfItsEnvelopes(t *testing.T) {
	before := then(sealed, printed(2), printed(3), spoiled("OSLO/drug=other", 2), spoiled("OSLO/drug=alcohol", 1), spoiled("OSLO/drug=other", 1))
	got, _ := tell(t, before...).Sealing()
	if diff := cmp.Diff([]trial.ContingencyPrinted{printed(2), printed(3)}, got.Printed); diff != "" {
		t.Errorf("printed (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff([]trial.SpoiledEnvelopes{{Stratum: "OSLO/drug=alcohol", Envelopes: 1}, {Stratum: "OSLO/drug=other", Envelopes: 2}}, got.Spoiled); diff != "" {
		t.Errorf("spoiled (-want +got)\n%s", diff)
	}
	if got, _ := tell(t, then(before, abandon)...).Sealing(); got.Printed != nil || got.Spoiled != nil {
		t.Errorf("after the sealing was abandoned: %+v", got)
	}
}

// The next envelope is the lowest that is neither used nor spoiled. Those of an
// abandoned sealing say nothing of those of the next.
func TestNextEnvelope(t *testing.T) {
	ready := then(opened, then([]any{printed(3)}, readied("P1")...)...)
	use := opensEnvelope("P1", 2, date("2020-03-01"))
	resealed := []any{abandon, trial.DesignSealed{}, trial.DesignKept{Sealed: []byte{1}}, printed(2)}
	for name, tt := range map[string]struct {
		history []any
		want    int
	}{
		"before the creation":      {nil, 0},
		"none printed":             {opened, 0},
		"all there":                {ready, 1},
		"one spoiled":              {then(ready, spoiled(alcohol, 1)), 2},
		"one spoiled, one used":    {then(ready, spoiled(alcohol, 1), use), 3},
		"none left":                {then(ready, spoiled(alcohol, 1), use, spoiled(alcohol, 3)), 0},
		"more printed":             {then(ready, spoiled(alcohol, 1), use, spoiled(alcohol, 3), printed(4)), 4},
		"another stratum's":        {then(ready, spoiled("OSLO/drug=other", 1)), 1},
		"of an abandoned sealing":  {then(sealed, printed(2), spoiled(alcohol, 1), abandon), 0},
		"of the sealing after it":  {then(then(sealed, printed(2), spoiled(alcohol, 1)), resealed...), 1},
		"spoiled again after that": {then(then(sealed, printed(2), spoiled(alcohol, 1)), then(resealed, spoiled(alcohol, 1))...), 2},
	} {
		if got := tell(t, tt.history...).NextEnvelope(alcohol); got != tt.want {
			t.Errorf("%s: envelope %d, want %d", name, got, tt.want)
		}
	}
}
