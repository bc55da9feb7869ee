package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
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
