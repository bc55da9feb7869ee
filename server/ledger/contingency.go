package ledger

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/lodd-rct/lodd/server/envelope"
	"github.com/lodd-rct/lodd/server/trial"
)

// maxPrinted is the most bytes of all sheets of a trial: an answer that a client
// receives has at most 4 MiB.
const maxPrinted = 3 << 20

// A Sheet holds the backup envelopes of a stratum, sealed to two people.
type Sheet struct {
	Stratum  trial.Stratum
	FileName string
	Sealed   []byte
}

// PrintEnvelopes makes backup envelopes for each stratum, in the order of the
// names of the strata. The first ones are the same each time. That they were
// made is durable before anything is returned; their arms are nowhere but in
// the sealed sheets, and those are kept by nobody but the caller. A request that
// is repeated after its sealing was abandoned is refused.
//
// Beside the errors of [Trial.Do] it fails with [trial.ErrNotSealed],
// [trial.ErrAwaitsEntropy], [trial.ErrUnsealed] and a [trial.Invalid].
func (t *Trial) PrintEnvelopes(ctx context.Context, by Caller, envelopes int, to envelope.Recipients) ([]Sheet, Receipt, error) {
	a, err := t.do(&call{
		ctx: ctx, by: by, done: make(chan struct{}),
		proposal: trial.ContingencyPrinted{Envelopes: envelopes, Recipients: to.Digests()},
		unless:   func(s *trial.State) error { return printable(s.Protocol(), envelopes) },
	})
	if err != nil {
		return nil, Receipt{}, err
	}
	arms, p, err := t.envelopes(envelopes, a.Receipt.Index)
	if err != nil {
		return nil, Receipt{}, err
	}
	printer := envelope.NewPrinter(p, envelopes)
	var sheets []Sheet
	for i, s := range p.Strata() {
		sealed, err := printer.Seal(to, s, arms[s])
		if err != nil {
			return nil, Receipt{}, err
		}
		clear(arms[s])
		sheets = append(sheets, Sheet{s, sheetName(t.id, i+1, s), sealed})
	}
	slices.SortFunc(sheets, func(a, b Sheet) int { return strings.Compare(string(a.Stratum), string(b.Stratum)) })
	return sheets, a.Receipt, nil
}

// printable reports why so many envelopes can't be printed at once.
func printable(p *trial.Protocol, envelopes int) error {
	if envelopes < 1 || envelopes > trial.MaxEnvelopes {
		return nil // is refused with the bounds
	}
	if size := envelope.NewPrinter(p, envelopes).Size(); size > maxPrinted {
		return &trial.Invalid{Field: "envelopes", Problem: fmt.Sprintf("%d for each of %d strata make %d bytes, at most %d are sent at once; want at most %d",
			envelopes, p.CountStrata(), size, maxPrinted, envelopes*maxPrinted/size)}
	}
	return nil
}

// envelopes returns the arms of the first envelopes of each stratum, and the
// protocol. They were printed by entry at of conduct.
func (t *Trial) envelopes(n int, at int64) (arms map[trial.Stratum][]int, p *trial.Protocol, err error) {
	arms = map[trial.Stratum][]int{}
	err = t.View(func(s *trial.State) error {
		protocol := *s.Protocol()
		p = &protocol
		if sealing, ok := s.Sealing(); !ok || at < sealing.Index || t.deck == nil {
			return &trial.Invalid{Field: "request_id", Problem: "is of envelopes of a sealing that was abandoned since; ask for new ones with a new request"}
		}
		for _, stratum := range p.Strata() {
			for slot := range n {
				arm, err := t.deck.arm(turn{stratum: stratum, slot: slot, contingency: true})
				if err != nil {
					return fmt.Errorf("ledger: trial %s: %w", t.id, err)
				}
				arms[stratum] = append(arms[stratum], arm)
			}
		}
		return nil
	})
	return arms, p, err
}

// sheetName returns a file name that says which stratum of the protocol it is:
// the number tells apart what is left of two names without their signs.
func sheetName(id trial.ID, number int, s trial.Stratum) string {
	return fmt.Sprintf("contingency-%s-%03d-%s.txt.age.age", id, number, strings.NewReplacer("/", "_", "=", "-").Replace(string(s)))
}

// UseEnvelope enrols a participant whose backup envelope two people opened, and
// on which the stratum stands. Whoever enters the same envelope for the same
// participant again, and however often, gets the receipt of the one allocation.
//
// Beside the errors of [Trial.Do] it fails with a [trial.Invalid] for an envelope
// of another stratum, and for one that isn't the next of its stratum: who may
// choose among the envelopes may choose the arm.
func (t *Trial) UseEnvelope(ctx context.Context, by Caller, e trial.ContingencyUsed, stratum trial.Stratum) (Receipt, error) {
	return t.allocate(e.Participant, &call{
		ctx: ctx, by: by, done: make(chan struct{}), proposal: e,
		unless: func(s *trial.State) error { return due(s, e, stratum) },
	})
}

// due reports why an envelope isn't the one that is to be used now. Whether the
// participant may have any, and the envelope is there, is for the rules.
func due(s *trial.State, e trial.ContingencyUsed, stratum trial.Stratum) error {
	p, ok := s.Participant(e.Participant)
	if !ok {
		return nil
	}
	own := s.Protocol().StratumOf(p)
	if stratum != own {
		return &trial.Invalid{Field: "stratum", Problem: fmt.Sprintf("%q, but the participant's is %q; compare what stands on the envelope with the participant's site and levels", stratum, own)}
	}
	next := s.NextEnvelope(own)
	if p.Randomized() || next == 0 || e.Envelope <= next || e.Envelope > s.Envelopes() {
		return nil
	}
	return &trial.Invalid{Field: "envelope", Problem: fmt.Sprintf("%d, but number %d is next in stratum %q; record whom that one allocated first, or if it allocated nobody, let the list custodian record it as spoiled",
		e.Envelope, next, own)}
}
