package follower

import (
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"google.golang.org/protobuf/proto"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/audit/store/bolt"
	"github.com/lodd-rct/lodd/audit/store/storetest"
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// Whatever pieces a server sends, a copy takes no entries but those that the log's key
// has signed.
func FuzzPieces(f *testing.F) {
	const list = "T1/conduct"
	entries := [][]byte{[]byte("one"), []byte("two"), {}}
	verifier, tree, signed := signedList(f, list, entries)
	good := encoded(f, &loddv1.FollowResponse{Piece: &loddv1.FollowResponse_Entries{Entries: &loddv1.ListEntriesPiece{List: list, Entries: entries}}})
	head := encoded(f, &loddv1.FollowResponse{Piece: &loddv1.FollowResponse_Checkpoint{Checkpoint: &loddv1.ListCheckpoint{List: list, Checkpoint: string(signed)}}})
	f.Add(good, head)
	f.Add(encoded(f, &loddv1.FollowResponse{Piece: &loddv1.FollowResponse_Entries{Entries: &loddv1.ListEntriesPiece{List: list, At: -1, Entries: entries}}}), head)
	forged := [][]byte{[]byte("one"), []byte("2"), {}}
	f.Add(encoded(f, &loddv1.FollowResponse{Piece: &loddv1.FollowResponse_Entries{Entries: &loddv1.ListEntriesPiece{List: list, Entries: forged}}}), head)
	f.Add(encoded(f, &loddv1.FollowResponse{Piece: &loddv1.FollowResponse_Value{Value: &loddv1.ValueChange{Key: "key/T1/participant/P1"}}}), good)
	db, err := bolt.Open(filepath.Join(f.TempDir(), "lodd.db"), bolt.Options{InitialMmapSize: 1})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { db.Close() })
	f.Fuzz(func(t *testing.T, first, second []byte) {
		replica, err := audit.OpenReplica(t.Context(), audit.Config{Store: &storetest.Memory{}, Origin: "lodd.example.org", Verifier: verifier})
		if err != nil {
			t.Fatal(err)
		}
		s := &session{follower: &follower{store: db, replica: replica}}
		for _, b := range [][]byte{first, second} {
			var p loddv1.FollowResponse
			if proto.Unmarshal(b, &p) != nil || s.piece(t.Context(), &p) != nil {
				break // the session ends
			}
		}
		for taken, n := range replica.Sizes() {
			if _, root := replica.Root(taken); n > 0 && (taken != list || n != tree.Size() || root != tree.Root()) {
				t.Errorf("the copy took %d entries of %s that nobody has signed", n, taken)
			}
		}
		if taken := replica.Len(list); taken == 0 && string(first) == string(good) && string(second) == string(head) {
			t.Error("the copy doesn't take what is signed")
		}
	})
}

// signedList returns the tree of a list and its signed head, and the key of the log.
func signedList(f *testing.F, list string, entries [][]byte) (verifier note.Verifier, tree audit.Tree, signed []byte) {
	f.Helper()
	private, public, err := note.GenerateKey(strings.NewReader(strings.Repeat("f", 32)), "lodd.example.org/log")
	if err != nil {
		f.Fatal(err)
	}
	signer, err := note.NewSigner(private)
	if err != nil {
		f.Fatal(err)
	}
	if verifier, err = note.NewVerifier(public); err != nil {
		f.Fatal(err)
	}
	for _, e := range entries {
		tree.Add(audit.Leaf(e))
	}
	signed, err = audit.Checkpoint{Origin: "lodd.example.org/" + list, Size: tree.Size(), Root: tree.Root()}.Sign(signer)
	if err != nil {
		f.Fatal(err)
	}
	return verifier, tree, signed
}

func encoded(t testing.TB, m *loddv1.FollowResponse) []byte {
	t.Helper()
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
