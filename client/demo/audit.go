package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// audit lets the auditor verify every compartment, hold the receipts of all
// randomizations against them, and look for an arm.
func (s *story) audit(ctx context.Context) error {
	c, err := s.as(ctx, "aud")
	if err != nil {
		return err
	}
	lists, err := c.Audit().ListCompartments(ctx, &loddv1.ListCompartmentsRequest{TrialId: s.trial})
	if err != nil {
		return err
	}
	for _, list := range lists.GetLists() {
		v, err := c.VerifyList(ctx, s.trial, list, nil)
		if err != nil {
			return fmt.Errorf("%s: %w", list, err)
		}
		s.say("aud verified %s: %d entries, root %v", list, v.Checkpoint.Size, v.Checkpoint.Root)
	}
	return s.checkReceipts(ctx)
}

// checkReceipts reads the log and wants every receipt of a randomization to
// name the entry that is there.
func (s *story) checkReceipts(ctx context.Context) error {
	c, err := s.as(ctx, "aud")
	if err != nil {
		return err
	}
	stream, err := c.Audit().ListEntries(ctx, &loddv1.ListEntriesRequest{TrialId: s.trial})
	if err != nil {
		return err
	}
	leaves := map[string][]byte{}
	kinds := map[string]int{}
	for {
		e, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		kinds[e.GetKind()]++
		leaves[fmt.Sprint(e.GetList(), e.GetIndex())] = e.GetLeafHash()
	}
	for _, p := range s.enrolled {
		if r := p.receipt; !bytes.Equal(leaves[fmt.Sprint(r.GetList(), r.GetIndex())], r.GetLeafHash()) {
			return fmt.Errorf("the receipt of %s names another entry than the log holds", p.number)
		}
	}
	if kinds["randomized"] != len(s.enrolled) || kinds["allocated"] != len(s.enrolled) || kinds["grant_refused"] != 1 {
		return fmt.Errorf("the log holds %d randomizations, %d allocations and %d refused grants", kinds["randomized"], kinds["allocated"], kinds["grant_refused"])
	}
	if kinds["erased"] != 1 {
		return fmt.Errorf("the log holds %d erasures, want 1", kinds["erased"])
	}
	s.say("the log holds %d randomizations with %d sealed allocations, and each receipt names its entry", kinds["randomized"], kinds["allocated"])
	return nil
}
