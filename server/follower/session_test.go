package follower

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/audit/store/bolt"
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

func emptyStore(t *testing.T) *bolt.DB {
	t.Helper()
	db, err := bolt.Open(filepath.Join(t.TempDir(), "lodd.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// A copy with more values than a request may name is compared all the same.
func TestCopyWithManyValuesDropsWhatDidNotCome(t *testing.T) {
	db := emptyStore(t)
	for _, key := range []string{"a", "b", "key/T/allocation"} {
		if err := db.Put(t.Context(), key, []byte(key)); err != nil {
			t.Fatal(err)
		}
	}
	s := &session{follower: &follower{store: db}, sent: map[string]bool{}}
	for _, v := range []*loddv1.ValueChange{{Key: "b", Value: []byte("b")}, {Key: "c", Value: []byte{}}} {
		if err := s.value(t.Context(), v); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.valuesEnd(t.Context(), &loddv1.FollowResponse{}); err != nil {
		t.Fatal(err)
	}
	keys, err := db.Keys(t.Context(), "")
	if err != nil || !slices.Equal(keys, []string{"b", "c", "key/T/allocation"}) {
		t.Errorf("keys %v, %v", keys, err)
	}
}

// Before a server has shown the heads that are known here, nothing is taken from
// it: neither entries, nor values, nor the end of a value.
func TestNothingIsTakenFromAStranger(t *testing.T) {
	db := emptyStore(t)
	if err := db.Put(t.Context(), "a", []byte("1")); err != nil {
		t.Fatal(err)
	}
	for _, piece := range []*loddv1.FollowResponse{
		{},
		{Piece: &loddv1.FollowResponse_Value{Value: &loddv1.ValueChange{Key: "a"}}},
		{Piece: &loddv1.FollowResponse_Value{Value: &loddv1.ValueChange{Key: "a", Value: []byte("2")}}},
		{Piece: &loddv1.FollowResponse_Entries{Entries: &loddv1.ListEntriesPiece{List: "system", Entries: [][]byte{{1}}}}},
		{Piece: &loddv1.FollowResponse_Checkpoint{Checkpoint: &loddv1.ListCheckpoint{List: "another"}}},
	} {
		s := &session{follower: &follower{store: db}, unmet: map[string]bool{"system": true}}
		if err := s.piece(t.Context(), piece); err == nil || len(s.pending.Entries) > 0 {
			t.Errorf("it takes %v", piece)
		}
	}
	if value, err := db.Get(t.Context(), "a"); err != nil || string(value) != "1" {
		t.Errorf("the value is %q, %v", value, err)
	}
}

// A server that never signs makes the follower hold no more than one append.
func TestFewEntriesAreHeldWithoutASignedHead(t *testing.T) {
	for name, tt := range map[string]struct{ size, most int }{
		"small": {1, audit.MaxEntries},
		"large": {audit.MaxBytes / 4, 4},
	} {
		t.Run(name, func(t *testing.T) {
			s := &session{follower: &follower{}}
			var err error
			for n := 0; err == nil && n <= tt.most; n++ {
				err = s.entriesPiece(&loddv1.ListEntriesPiece{List: "T1/conduct", At: int64(n), Entries: [][]byte{make([]byte, tt.size)}})
				if refused := err != nil; refused != (n == tt.most) {
					t.Errorf("entry %d: %v", n, err)
				}
			}
		})
	}
}
