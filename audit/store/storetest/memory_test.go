package storetest_test

import (
	"bytes"
	"context"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"github.com/lodd-rct/lodd/audit/store"
	"github.com/lodd-rct/lodd/audit/store/storetest"
)

func TestMemoryKeepsTheContract(t *testing.T) {
	storetest.Run(t, func(testing.TB) storetest.Open { return memory() })
}

// Two stores in memory agree, and one that loses records is told from the other.
func TestModelTellsADifference(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		if err := storetest.Model(t, memory(), 40, choices(rt)); err != nil {
			rt.Fatal(err)
		}
	})
	noticed := false
	for seed := uint64(0); seed < 20 && !noticed; seed++ {
		r := rand.New(rand.NewPCG(seed, 0))
		forgetful := func(testing.TB) store.Store { return forgetful{&storetest.Memory{}} }
		noticed = storetest.Model(t, forgetful, 40, r.IntN) != nil
	}
	if !noticed {
		t.Error("a store that loses records was not noticed")
	}
}

func choices(rt *rapid.T) func(int) int {
	return func(n int) int { return rapid.IntRange(0, n-1).Draw(rt, "choice") }
}

func memory() storetest.Open {
	m := &storetest.Memory{}
	return func(testing.TB) store.Store {
		m = m.Reopen()
		return m
	}
}

// A forgetful store loses the last record of an append of several.
type forgetful struct{ *storetest.Memory }

func (f forgetful) Append(ctx context.Context, parts ...store.Part) error {
	for i, p := range parts {
		if n := len(p.Records); n > 3 {
			parts[i].Records = p.Records[:n-1]
		}
	}
	return f.Memory.Append(ctx, parts...)
}

func TestMemoryRestoresItsSnapshot(t *testing.T) {
	m := &storetest.Memory{}
	if err := m.Append(t.Context(), store.Part{List: "a", Records: [][]byte{{}, []byte("x")}}); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := m.Snapshot(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	restored, err := storetest.Restore(&b)
	if err != nil {
		t.Fatal(err)
	}
	records, err := restored.Read(t.Context(), "a", 0, 2)
	if err != nil || len(records) != 2 || string(records[1]) != "x" {
		t.Errorf("Read = %q, %v", records, err)
	}
}
