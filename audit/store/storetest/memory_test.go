package storetest_test

import (
	"bytes"
	"testing"

	"github.com/lodd-rct/lodd/audit/store"
	"github.com/lodd-rct/lodd/audit/store/storetest"
)

func TestMemoryKeepsTheContract(t *testing.T) {
	storetest.Run(t, func(testing.TB) storetest.Open {
		m := &storetest.Memory{}
		return func(testing.TB) store.Store {
			m = m.Reopen()
			return m
		}
	})
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
