package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"testing"

	"github.com/lodd-rct/lodd/client/demo"
	"github.com/lodd-rct/lodd/randomization"
)

// twinSeeds returns two seeds whose sequences are opposite in every stratum as
// far as the story goes: 10, 7 and 7 slots, and one behind a lost slot. Among some ten thousand seeds there
// are such pairs, as there are shared birthdays in a school.
func twinSeeds(t *testing.T) (a, b []byte) {
	t.Helper()
	sizes := []randomization.BlockSize{{Size: 4, Weight: 1}, {Size: 6, Weight: 1}, {Size: 8, Weight: 1}}
	design := randomization.Blocks{Ratio: []int{1, 1}, Sizes: sizes}
	known := map[string][]byte{} // seed by the arms that it draws
	for i := range uint64(200_000) {
		seed := binary.BigEndian.AppendUint64(bytes.Repeat([]byte{7}, 24), i)
		arms, opposite := drawn(t, design, seed)
		if twin, ok := known[opposite]; ok {
			return twin, seed
		}
		known[arms] = seed
	}
	t.Fatal("no twins among 200,000 seeds")
	return nil, nil
}

// secondContribution is the statistician's part of the seed of the second trial.
const secondContribution = "heads, tails, tails"

// secondSeeds returns two seeds of the second trial with opposite arms for the
// four people who are randomized and for the one with an envelope.
func secondSeeds(t *testing.T) (a, b []byte) {
	t.Helper()
	design := randomization.Blocks{Ratio: []int{1, 1}, Sizes: []randomization.BlockSize{{Size: 4, Weight: 1}, {Size: 6, Weight: 1}}}
	const stratum = "OSL/sex=female"
	known := map[string][]byte{}
	for i := range uint64(10_000) {
		secret := binary.BigEndian.AppendUint64(bytes.Repeat([]byte{9}, 24), i)
		seed, err := randomization.SeedFromBytes(secret)
		if err != nil {
			t.Fatal(err)
		}
		seed = seed.Contribute([]byte(secondContribution))
		q, err := randomization.NewSequence(seed, design, secondTrial, stratum)
		if err != nil {
			t.Fatal(err)
		}
		envelopes, err := randomization.NewContingency(seed, design, secondTrial, stratum)
		if err != nil {
			t.Fatal(err)
		}
		arms, opposite := "", ""
		for _, arm := range append(q.First(4), envelopes.At(0)) {
			arms, opposite = arms+fmt.Sprint(int(arm)), opposite+fmt.Sprint(1-int(arm))
		}
		if twin, ok := known[opposite]; ok {
			return twin, secret
		}
		known[arms] = secret
	}
	t.Fatal("no twins among 10,000 seeds")
	return nil, nil
}

// secrets are what the server draws in a world, in this order: for the first
// trial, for the sealing of the second that is abandoned, and for its next.
func secrets(first, second []byte) io.Reader {
	const salt = 32
	part := func(name string, n int64) io.Reader { return io.LimitReader(newEntropy(1, name), n) }
	return io.MultiReader(
		bytes.NewReader(first), part("salt", salt), part("abandoned", 32+salt), bytes.NewReader(second), part("second salt", salt),
	)
}

// drawn returns the arms that the story's participants get from a seed, and
// their opposites.
func drawn(t *testing.T, design randomization.Blocks, secret []byte) (arms, opposite string) {
	t.Helper()
	seed, err := randomization.SeedFromBytes(secret)
	if err != nil {
		t.Fatal(err)
	}
	seed = seed.Contribute([]byte(demo.Contribution))
	for _, stratum := range []struct {
		name        string
		slots, lost int
	}{{"OSL", 12, 10}, {"BGO", 7, -1}, {"TRD", 7, -1}} {
		q, err := randomization.NewSequence(seed, design, "IPS", stratum.name)
		if err != nil {
			t.Fatal(err)
		}
		for slot, arm := range q.First(stratum.slots) {
			if slot != stratum.lost {
				arms, opposite = arms+fmt.Sprint(int(arm)), opposite+fmt.Sprint(1-int(arm))
			}
		}
	}
	return arms, opposite
}
