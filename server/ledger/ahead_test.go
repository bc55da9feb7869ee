package ledger_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/lodd-rct/lodd/audit/store/storetest"
	"github.com/lodd-rct/lodd/server/ledger"
	"github.com/lodd-rct/lodd/server/trial"
)

// Entries are read and decoded on every core ahead of the rules that look at
// them; of two that nobody wrote, the first is named all the same, and nothing
// goes on in the background after that.
func TestFirstBadEntryIsNamedThoughManyAreReadAtOnce(t *testing.T) {
	m := &storetest.Memory{}
	w := recruiting(t, m)
	w.grow(12_000)
	conduct := w.trial().List(trial.Conduct)
	if n := w.log.Len(conduct); n < 3000 {
		t.Fatalf("conduct has %d entries: too few for several reads at once", n)
	}
	again := func() error {
		l, err := ledger.Open(context.Background(), ledger.Config{Log: w.log, Vault: w.vault, Seeds: never{}, Random: never{}, Now: w.now})
		if err == nil {
			l.Close()
		}
		return err
	}
	if err := again(); err != nil {
		t.Fatal(err)
	}
	for _, index := range []int64{2900, 2000, 1100, 1024, 1023, 700} {
		m.Tamper(conduct, index, func(r []byte) []byte {
			r = bytes.Clone(r)
			r[len(r)/2] ^= 1
			return r
		})
		want := fmt.Sprintf("entry %d of %s was not written by this server", index, conduct)
		if err := again(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
