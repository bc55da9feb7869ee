package storetest

import (
	"bytes"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/lodd-rct/lodd/audit/store"
)

// grows checks that a reader sees an append of two lists in both or in neither,
// and that all below a length can be read at once.
func grows(t *testing.T, open Open) {
	s := use(t, open)
	const n = 60
	var wg sync.WaitGroup
	var stopped atomic.Bool
	for range 3 {
		wg.Go(func() {
			for seen := int64(0); seen < n && !stopped.Load(); {
				a, errA := s.Len(t.Context(), "a")
				b, errB := s.Len(t.Context(), "b")
				records, err := s.Read(t.Context(), "b", seen, b)
				if errA != nil || errB != nil || err != nil || b < a || b < seen {
					t.Errorf("lengths %d and then %d, %d seen before; %v, %v, %v", a, b, seen, errA, errB, err)
					return
				}
				for i, r := range records {
					if want := fmt.Sprint(seen + int64(i)); string(r) != want {
						t.Errorf("record %d is %q", seen+int64(i), r)
					}
				}
				seen = b
			}
		})
	}
	for i := range int64(n) {
		if err := s.Append(t.Context(), part("a", i, fmt.Sprint(i)), part("b", i, fmt.Sprint(i))); err != nil {
			t.Errorf("Append: %v", err)
			break
		}
	}
	stopped.Store(true)
	wg.Wait()
}

// large appends as much at once as the log ever does.
func large(t *testing.T, open Open) {
	s := use(t, open)
	p := store.Part{List: "a"}
	for i := range 1024 {
		p.Records = append(p.Records, bytes.Repeat([]byte{byte(i)}, 1024))
	}
	mustAppend(t, s, p, part("b", 0, "x"))
	got, err := s.Read(t.Context(), "a", 0, 1024)
	if err != nil || len(got) != 1024 {
		t.Fatalf("Read = %d records, %v", len(got), err)
	}
	for i := range got {
		if !bytes.Equal(got[i], p.Records[i]) {
			t.Fatalf("record %d isn't what was written", i)
		}
	}
}
