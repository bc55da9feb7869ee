package server_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lodd-rct/lodd/audit/store/storetest"
)

// Whoever can write the database puts an older copy back, and beside it notes that
// the trials know of what is lost: in the form of an earlier version, with a code
// of their own, and the true notes of the past that is gone. None keeps the fence
// down, and no slot is used twice.
func TestLeakL25NotesBesideAnOlderCopyKeepNoFenceDown(t *testing.T) {
	w := newTrial(t, nil)
	older := w.store.Reopen()
	for i := range 3 {
		w.randomize(fmt.Sprintf("S-%d", i), "OSL")
	}
	lists := []string{"system", "T1/conduct", "T1/allocation"}
	lost := map[string]string{}
	for _, list := range lists {
		lost[list] = w.head(list)
	}
	w.putBack(older.Reopen())
	for _, list := range lists {
		w.shows(lost[list], "fenced")
	}
	w.must(w.reconcile(3))
	known := w.store.Reopen()
	for name, note := range map[string]func(list string) string{
		"without a code": func(list string) string {
			c := w.opened(lost[list])
			return fmt.Sprintf("%d %s\n", c.Size, c.Root)
		},
		"with a code that is made up": func(list string) string {
			c := w.opened(lost[list])
			return fmt.Sprintf("%d %s== T1 1\n", c.Size, strings.Repeat("A", 22))
		},
		"of the past that is gone": func(list string) string { return w.lossesNoted(known, list) },
		"of the past that is gone, about less": func(list string) string {
			note := strings.Fields(w.lossesNoted(known, list))
			note[len(note)-1] = "1"
			return strings.Join(note, " ") + "\n"
		},
	} {
		for _, list := range lists {
			t.Run(name+" of "+list, func(t *testing.T) {
				copied := older.Reopen()
				w.must(copied.Put(t.Context(), "restored/"+list, []byte(note(list))))
				w.putBack(copied)
				w.shows(lost[list], "fenced")
			})
		}
	}
	w.putBack(known)
	for _, list := range lists {
		w.shows(lost[list], "open")
	}
	w.randomize("S-9", "OSL")
	if slot := w.slotOf("S-9"); slot != 3 {
		t.Errorf("S-9 has slot %d, want 3", slot)
	}
}

// Nor does a note once the older copy has grown past where the trial knew.
func TestLeakL25NoteBesideAnOlderCopyThatHasGrownKeepsNoFenceDown(t *testing.T) {
	w := newTrial(t, nil)
	older := w.store.Reopen()
	w.randomize("S-1", "OSL")
	lost := w.head("T1/allocation")
	w.putBack(older.Reopen())
	w.shows(lost, "fenced")
	w.must(w.reconcile(1))
	n := w.log.Len("T1/conduct")
	w.must(older.Put(t.Context(), "restored/T1/allocation", []byte(w.lossesNoted(w.store, "T1/allocation"))))
	w.putBack(older)
	for i := 0; w.log.Len("T1/conduct") <= n; i++ {
		w.ready(fmt.Sprintf("S-%d", i), "OSL")
	}
	w.shows(lost, "fenced")
}

// A note is as docs/log-format.md says, so that every version finds it.
func TestNoteOfALossIsAsDocumented(t *testing.T) {
	w := newTrial(t, nil)
	lost := w.signed("system", 1<<20, 1)
	w.shows(lost, "fenced")
	n, root := w.log.Root("T1/conduct")
	key := w.vault.Subkey("noted losses")
	mac := hmac.New(sha256.New, key[:])
	fmt.Fprintf(mac, "system\n1048576 %s\nT1 %d %s\n", w.opened(lost).Root, n, root)
	want := fmt.Sprintf("1048576 %s T1 %d\n", base64.StdEncoding.EncodeToString(mac.Sum(nil)[:16]), n)
	if diff := cmp.Diff(want, w.lossesNoted(w.store, "system")); diff != "" {
		t.Error(diff)
	}
}

// lossesNoted returns what a store notes of a list.
func (w *world) lossesNoted(in *storetest.Memory, list string) string {
	w.t.Helper()
	b, err := in.Get(w.t.Context(), "restored/"+list)
	w.must(err)
	return string(b)
}

// A note of one list says nothing about another, and nothing about another head.
func TestLeakL25NoteIsOfOneHeadOfOneList(t *testing.T) {
	w := newTrial(t, nil)
	conduct, other := w.signed("T1/conduct", 1<<20, 1), w.signed("T1/conduct", 1<<20, 2)
	w.shows(conduct, "fenced")
	w.must(w.reconcile(0))
	line := w.lossesNoted(w.store, "T1/conduct")
	larger := strings.Replace(line, fmt.Sprint(1<<20), fmt.Sprint(1<<20+1), 1)
	w.must(w.store.Put(t.Context(), "restored/T1/outcome", []byte(line)))
	w.must(w.store.Put(t.Context(), "restored/T1/conduct", []byte(line+larger)))
	w.shows(conduct, "open")
	for _, head := range []string{w.signed("T1/outcome", 1<<20, 1), other, w.signed("T1/conduct", 1<<20+1, 1)} {
		w.shows(head, "fenced")
		w.must(w.reconcile(0))
		w.shows(head, "open")
	}
}
