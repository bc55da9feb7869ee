package export_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/randomization"
	"github.com/lodd-rct/lodd/server/ledger"
	"github.com/lodd-rct/lodd/server/trial"
	"github.com/lodd-rct/lodd/server/trial/entry"
)

// A haystack is all that anybody may hold in which a hash could stand.
type haystack struct {
	all     []byte
	windows map[[8]byte]bool
}

func newHaystack(all []byte) *haystack {
	h := &haystack{all, map[[8]byte]bool{}}
	for i := range max(len(all)-7, 0) {
		h.windows[[8]byte(all[i:])] = true
	}
	return h
}

// holds reports whether a hash stands in the haystack: as bytes, in hexadecimal
// digits or in base64.
func (h *haystack) holds(sum [32]byte) bool {
	small := hex.EncodeToString(sum[:])
	for _, text := range []string{
		string(sum[:]), small, strings.ToUpper(small),
		base64.RawStdEncoding.EncodeToString(sum[:]), base64.RawURLEncoding.EncodeToString(sum[:]),
	} {
		if h.windows[[8]byte([]byte(text))] && bytes.Contains(h.all, []byte(text)) {
			return true
		}
	}
	return false
}

// published returns all of the log and of what is made of it: the store, the
// hashes and heads of every list at every size, receipts, the commitment, and
// the bundle of a lock with its manifest. Whoever attacks has seen it all.
func (w *world) published(people int) []byte {
	w.t.Helper()
	var out bytes.Buffer
	w.must(w.store.Snapshot(w.t.Context(), &out))
	for _, list := range w.log.Lists("") {
		n := w.log.Len(list)
		leaves, err := w.log.Leaves(w.t.Context(), list, 0, n)
		w.must(err)
		for size, leaf := range leaves {
			out.Write(leaf[:])
			root, err := w.log.RootAt(w.t.Context(), list, int64(size+1))
			w.must(err)
			out.Write(root[:])
		}
		head, err := w.log.Checkpoint(w.t.Context(), list)
		w.must(err)
		out.Write(head)
	}
	for i := range people {
		r, _, err := w.trial.Randomization(w.t.Context(), person(i))
		w.must(err)
		out.Write(r.Leaf[:])
	}
	w.must(w.trial.View(func(s *trial.State) error {
		sealing, _ := s.Sealing()
		out.Write(sealing.Commitment[:])
		return nil
	}))
	b := w.bundle(1)
	for _, name := range b.names {
		out.WriteString(b.files[name])
	}
	return out.Bytes()
}

// An allocation is what an attacker knows of one: its entry as it is stored, with
// nonce and code, and which of the arms it may be.
type allocation struct {
	entry  entry.Entry
	event  trial.Allocated
	stored []byte
	index  int64
}

// arms returns an arm in every form that is published or that suggests itself.
func (a allocation) arms(of trial.Arm, index int) [][]byte {
	digit, next := fmt.Sprint(index), fmt.Sprint(index+1)
	forms := [][]byte{{byte(index)}, {byte(index + 1)}, {0, byte(index)}, []byte(digit), []byte(next), []byte(of.ID), []byte(of.Label.EN), []byte(of.Label.NB)}
	for _, n := range []int{4, 8, 16, 32, 64, len(a.event.Sealed)} { // padded
		for _, arm := range [][]byte{{byte(index)}, []byte(of.ID)} {
			if n >= len(arm) {
				forms = append(forms, append(arm[:len(arm):len(arm)], make([]byte, n-len(arm))...), append(make([]byte, n-len(arm)), arm...))
			}
		}
	}
	return append(forms, binary.LittleEndian.AppendUint64(nil, uint64(index)), fmt.Appendf(nil, `{"arm":%q}`, of.ID), fmt.Appendf(nil, `{"arm":%d}`, index))
}

// preimages returns everything that a careless server could have hashed of an
// allocation with an arm in one of its forms: the entry in its own encoding, with
// nonce and code and without, and the fields in the orders and with the
// separators in which they are published.
func (a allocation) preimages(t *testing.T, arm []byte) (out [][]byte) {
	t.Helper()
	code := a.stored[len(a.stored)-entry.MACOverhead:]
	for _, nonce := range [][entry.NonceSize]byte{a.entry.Nonce, {}} {
		e, event := a.entry, a.event
		event.Sealed = arm
		e.Nonce, e.Event = nonce, event
		b, err := entry.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		kind, detail, err := entry.Describe(b)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, b, append(b[:len(b):len(b)], code...), audit.AppendRecord(nil, a.index, b), []byte(detail), []byte(kind+detail), fmt.Appendf(nil, "%s%s", detail, arm))
	}
	p, stratum, slot := string(a.event.Participant), string(a.event.Stratum), fmt.Sprint(a.event.Slot)
	for _, fields := range [][]string{
		{string(arm)},
		{p, string(arm)},
		{string(arm), p},
		{p, slot, string(arm)},
		{stratum, slot, string(arm)},
		{slot, string(arm)},
		{"TRIAL-1", p, string(arm)},
		{"TRIAL-1", stratum, slot, string(arm)},
		{p, stratum, slot, string(arm)},
		{"TRIAL-1", p, stratum, slot, string(arm)},
		{fmt.Sprint(a.index), p, string(arm)},
		{string(a.entry.Nonce[:]), string(arm)},
		{string(arm), string(a.entry.Nonce[:])},
		{string(a.entry.Nonce[:]), p, string(arm)},
	} {
		for _, separator := range []string{"", ",", "/", ":", "|", "\n", " ", "\x00"} {
			text := strings.Join(fields, separator)
			out = append(out, []byte(text), []byte(text+"\n"))
		}
		list, err := json.Marshal(fields)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, list)
	}
	return out
}

// matches returns how many of an attacker's hashes with either arm stand in the
// haystack, and how many were tried.
func (h *haystack) matches(t *testing.T, protocol *trial.Protocol, allocations []allocation) (found, tried int) {
	t.Helper()
	for _, a := range allocations {
		for index, of := range protocol.Arms {
			for _, arm := range a.arms(of, index) {
				for _, b := range a.preimages(t, arm) {
					mac := hmac.New(sha256.New, nil)
					mac.Write(b)
					once := sha256.Sum256(b)
					for _, sum := range [][32]byte{once, audit.Leaf(b), sha256.Sum256(once[:]), [32]byte(mac.Sum(nil))} {
						if tried++; h.holds(sum) {
							found++
						}
					}
				}
			}
		}
	}
	return found, tried
}

// Whoever knows all of an allocation but the arm can try both, and learns nothing
// from any hash: not one is over content of which only the arm is unknown.
// Servers that hash such content are found out by the same attack.
func TestLeakL12NoHashIsAnOracle(t *testing.T) {
	people := 8
	if testing.Short() {
		people = 2
	}
	w := newWorld(t, "seed one")
	for i := range people {
		w.enrol(person(i), "OSLO")
	}
	w.lock()
	var allocations []allocation
	n := w.log.Len("TRIAL-1/allocation")
	stored, err := w.log.Read(t.Context(), "TRIAL-1/allocation", 0, n)
	w.must(err)
	for l, err := range w.trial.Replay(t.Context(), ledger.Position{trial.Allocation: n}) {
		w.must(err)
		if e, ok := l.Event.(trial.Allocated); ok {
			allocations = append(allocations, allocation{l.Entry, e, stored[l.Index], l.Index})
		}
	}
	if len(allocations) != people {
		t.Fatalf("%d allocations of %d people", len(allocations), people)
	}
	p := protocol(t)
	published := w.published(people)
	real := newHaystack(published)
	if !real.holds(audit.Leaf(stored[n-1])) || !real.holds(sha256.Sum256([]byte(w.bundle(1).files["participants.csv"]))) {
		t.Fatal("hashes that are published aren't found: the test is blind")
	}
	found, tried := real.matches(t, &p, allocations)
	if found > 0 || tried < 50_000*people {
		t.Errorf("%d of %d hashes with an arm are published", found, tried)
	}

	arms := w.armsByPerson()
	first := allocations[0]
	arm := arms[first.event.Participant]
	bare := first.entry
	event := first.event
	event.Sealed = []byte{byte(arm)}
	bare.Event = event
	unsealed, err := entry.Marshal(bare)
	w.must(err)
	plain := sha256.Sum256(fmt.Appendf(nil, "%s|%d|%s", first.event.Participant, first.event.Slot, p.Arms[arm].ID))
	leaf := audit.Leaf(unsealed)
	for name, leak := range map[string][]byte{
		"a digest over participant, slot and arm": []byte(hex.EncodeToString(plain[:])),
		"the leaf of an entry in clear":           leaf[:],
		"a digest of the arm alone":               []byte(base64.StdEncoding.EncodeToString(sum(arm))),
	} {
		leaky := newHaystack(bytes.Join([][]byte{published, leak}, nil))
		if found, _ := leaky.matches(t, &p, allocations[:1]); found == 0 {
			t.Errorf("%s isn't noticed", name)
		}
	}
}

func sum(arm randomization.Arm) []byte {
	s := sha256.Sum256([]byte{byte(arm)})
	return s[:]
}
