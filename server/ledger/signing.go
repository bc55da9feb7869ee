package ledger

import (
	"context"
	"crypto/sha256"
	"slices"

	"github.com/lodd-rct/lodd/server/trial"
)

// A Signing is a signature that somebody wants to make.
type Signing struct {
	Version int64 // of the form, as [Answered] tells it
	Meaning trial.Code
	Name    string // the printed name of the signer
}

// Sign signs a form as it stands, once proof has shown who the signer is. It
// fails with [trial.ErrChanged] if the form was corrected since the version that
// the signer has read. Authorship is of whoever wrote that version, a review of
// anybody else.
//
// Source: 21 CFR part 11 (1997), sections 11.50 and 11.70; product.md of the
// design, "What people complain of elsewhere", 5.
func (t *Trial) Sign(ctx context.Context, by Caller, p Place, s Signing, proof Proof) (Answer, error) {
	digest, writer, err := t.digest(ctx, p, s.Version)
	if err != nil {
		return Answer{}, err
	}
	if s.Meaning == trial.Authorship && writer != by.Actor {
		return Answer{}, &trial.Invalid{Field: "meaning", Problem: "authorship is signed by whoever wrote the form as it stands; sign the review"}
	}
	if s.Meaning == trial.Review && writer == by.Actor {
		return Answer{}, &trial.Invalid{Field: "meaning", Problem: "a review is signed by another than who wrote the form; sign the authorship"}
	}
	return t.doProven(ctx, by, trial.FormSigned{
		Participant: p.Participant, Visit: p.Visit, Form: p.Form, At: s.Version, Digest: digest, Meaning: s.Meaning, Name: s.Name,
	}, proof)
}

// digest returns the SHA-256 over the leaf hashes of the entries of a form, from
// its submission up to a version, in their order, and who wrote that version.
func (t *Trial) digest(ctx context.Context, p Place, version int64) (digest [32]byte, writer string, err error) {
	var r trial.FormRecord
	if err := t.View(func(s *trial.State) error {
		r, err = s.FormRecord(p.Participant, p.Visit, p.Form)
		return err
	}); err != nil {
		return digest, "", err
	}
	entries := append([]int64{r.At}, r.Corrections...)
	upTo := slices.Index(entries, version)
	if upTo < 0 {
		return digest, "", trial.ErrChanged
	}
	h := sha256.New()
	for _, at := range entries[:upTo+1] {
		receipt, e, err := t.receipt(ctx, place{r.In, at})
		if err != nil {
			return digest, "", err
		}
		h.Write(receipt.Leaf[:])
		writer = e.Actor
	}
	return [32]byte(h.Sum(nil)), writer, nil
}
