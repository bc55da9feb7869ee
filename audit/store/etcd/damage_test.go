package etcd_test

import (
	"errors"
	"fmt"
	"regexp"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/lodd-rct/lodd/audit/store"
	"github.com/lodd-rct/lodd/audit/store/etcd"
)

// batchKey is the key of a batch below the group.
func batchKey(n int) string { return "b/\x00\x00\x00\x00\x00\x00\x00" + string(rune(n)) }

// tampering is what somebody does who can write to the cluster.
type tampering struct {
	t testing.TB
	c *clientv3.Client
	p place
}

func (x tampering) get(key string) string {
	x.t.Helper()
	r, err := x.c.Get(x.t.Context(), x.p.key(key))
	if err != nil || len(r.Kvs) != 1 {
		x.t.Fatalf("there is no %q: %v", key, err)
	}
	return string(r.Kvs[0].Value)
}

func (x tampering) put(key, value string) {
	x.t.Helper()
	if _, err := x.c.Put(x.t.Context(), x.p.key(key), value); err != nil {
		x.t.Fatal(err)
	}
}

func (x tampering) remove(key string) {
	x.t.Helper()
	if _, err := x.c.Delete(x.t.Context(), x.p.key(key), clientv3.WithPrefix()); err != nil {
		x.t.Fatal(err)
	}
}

func flip(s string, at int) string {
	b := []byte(s)
	b[at] ^= 1
	return string(b)
}

// rewritten is a batch with another content and the right hash.
func rewritten(batch string) string {
	return string(etcd.Rewrite([]byte(batch), func(parts []store.Part) { parts[0].Records[0] = []byte("forged") }))
}

var tamperings = []struct {
	name string
	do   func(tampering)
	says string
}{
	{"BatchFlipped", func(x tampering) { x.put(batchKey(1), flip(x.get(batchKey(1)), 60)) }, "batch 1: its content has another hash"},
	{"BatchCutOff", func(x tampering) { x.put(batchKey(1), x.get(batchKey(1))[:20]) }, "batch 1: it isn't one of this version"},
	{"BatchRewritten", func(x tampering) { x.put(batchKey(1), rewritten(x.get(batchKey(1)))) }, "batch 2 doesn't continue"},
	{"LastBatchRewritten", func(x tampering) { x.put(batchKey(3), rewritten(x.get(batchKey(3)))) }, "batch 3 isn't the one that the head"},
	{"BatchOfAnotherLength", func(x tampering) {
		longer := etcd.Rewrite([]byte(x.get(batchKey(3))), func(parts []store.Part) { parts[0].At++ })
		x.put(batchKey(3), string(longer))
		x.put("head", string(etcd.Rehead([]byte(x.get("head")), longer)))
	}, `list "a": record 4: etcd group`},
	{"BatchesSwapped", func(x tampering) {
		one, two := x.get(batchKey(1)), x.get(batchKey(2))
		x.put(batchKey(1), two)
		x.put(batchKey(2), one)
	}, "batch 1 has the number 2"},
	{"BatchRemoved", func(x tampering) { x.remove(batchKey(1)) }, "batch 1 has the number 2"},
	{"AllBatchesRemoved", func(x tampering) { x.remove("b/") }, "batch 0 is missing"},
	{"HeadFlipped", func(x tampering) { x.put("head", flip(x.get("head"), 3)) }, "the head isn't one of this version"},
	{"HeadNamesAnotherBatch", func(x tampering) { x.put("head", flip(x.get("head"), 12+24)) }, "batch 3 isn't the one that the head"},
	{"ValueFlipped", func(x tampering) { x.put("m/k", flip(x.get("m/k"), 0)) }, "value of key k isn't what was written"},
	{"ValueOfAnotherKey", func(x tampering) { x.put("m/k", x.get("m/l")) }, "value of key k isn't what was written"},
	{"ValueRemoved", func(x tampering) { x.remove("m/k") }, "it has 1 values in its map, but the head counts 2"},
	{"ValueAdded", func(x tampering) { x.put("m/n", "new") }, "value of key n"},
}

// filled is a group with four batches and two values.
func filled(t testing.TB, p place) *etcd.DB {
	t.Helper()
	d := p.lead(t)
	for i := range 4 {
		mustAppend(t, d, part("a", int64(i), fmt.Sprint("record ", i)), part(fmt.Sprint("b", i), 0, "x", ""))
	}
	for _, key := range []string{"k", "l"} {
		if err := d.Put(t.Context(), key, []byte("value of "+key)); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

func wantDamage(t testing.TB, err error, says string) {
	t.Helper()
	_, damaged := errors.AsType[*store.DamageError](err)
	if !damaged || !regexp.MustCompile(regexp.QuoteMeta(says)).MatchString(err.Error()) {
		t.Errorf("%v; want damage that says %q", err, says)
	}
}

// A server that begins with nothing reads all of the group, and refuses one
// that isn't what was written.
func TestNewServerRefusesATamperedGroup(t *testing.T) {
	for _, tt := range tamperings {
		t.Run(tt.name, func(t *testing.T) {
			p := newPlace(t)
			filled(t, p).Close()
			tt.do(tampering{t, raw(t), p})
			d, err := etcd.Open(t.Context(), p.other(t).config(t))
			wantDamage(t, err, tt.says)
			if err == nil {
				d.Close()
			}
		})
	}
}

// A server that follows notices at once, whatever was changed, and so does the
// leader.
func TestServersThatFollowRefuseWhatNoLeaderWrote(t *testing.T) {
	for _, tt := range tamperings {
		t.Run(tt.name, func(t *testing.T) {
			p := newPlace(t)
			leader := filled(t, p)
			other := p.other(t).follow(t)
			tt.do(tampering{t, raw(t), p})
			for who, d := range map[string]*etcd.DB{"leader": leader, "other": other} {
				var err error
				eventually(t, who+" notices", func() bool {
					_, err = d.Len(t.Context(), "a")
					return err != nil
				})
				wantDamage(t, err, "revision")
			}
			if err := leader.Append(t.Context(), part("a", 4, "4")); err == nil {
				t.Error("the leader goes on writing")
			}
		})
	}
}

// The copy of a server knows more than an older backup of the cluster.
func TestOlderClusterIsRefused(t *testing.T) {
	p := newPlace(t)
	d := filled(t, p)
	x := tampering{t, raw(t), p}
	older := x.get("head")
	mustAppend(t, d, part("a", 4, "4"))
	d.Close()
	x.remove(batchKey(4))
	x.put("head", older)
	_, err := etcd.Open(t.Context(), p.config(t))
	wantDamage(t, err, "it has 4 batches, but this server's copy has 5")
	x.remove("")
	_, err = etcd.Open(t.Context(), p.config(t))
	wantDamage(t, err, "it has 0 batches, but this server's copy has 5")
}

// The copy has a past that the cluster's batches don't have, though their
// number is the same.
func TestForkedClusterIsRefused(t *testing.T) {
	p := newPlace(t)
	filled(t, p).Close()
	x := tampering{t, raw(t), p}
	x.remove("")
	forked := p.other(t).lead(t)
	for i := range 5 {
		mustAppend(t, forked, part("a", int64(i), "forked"))
	}
	_, err := etcd.Open(t.Context(), p.config(t))
	wantDamage(t, err, "batch 4 doesn't continue the one before")
}

// Somebody who knows the format writes what looks like a change.
func TestServersThatFollowRefuseForgedChanges(t *testing.T) {
	for _, tt := range []struct {
		name string
		keys func(next, foreign string) map[string]string
		says string
	}{
		{"HeadAlone", func(next, _ string) map[string]string { return map[string]string{"head": next} }, "changes head, which"},
		{"ValueWithoutHead", func(string, string) map[string]string {
			return map[string]string{"m/k": etcd.Seal("k", "forged")}
		}, "changes m, which"},
		{"TwoValues", func(next, _ string) map[string]string {
			return map[string]string{"head": next, "m/k": etcd.Seal("k", "forged"), "m/l": etcd.Seal("l", "forged")}
		}, "changes head m m, which"},
		{"ForeignHead", func(_, foreign string) map[string]string {
			return map[string]string{"head": foreign, "m/k": etcd.Seal("k", "forged")}
		}, "its head doesn't continue the one before"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPlace(t)
			d := filled(t, p)
			x := tampering{t, raw(t), p}
			var puts []clientv3.Op
			for key, value := range tt.keys(etcd.NextHead([]byte(x.get("head")))) {
				puts = append(puts, clientv3.OpPut(p.key(key), value))
			}
			if _, err := x.c.Txn(t.Context()).Then(puts...).Commit(); err != nil {
				t.Fatal(err)
			}
			var err error
			eventually(t, "it notices", func() bool {
				_, err = d.Get(t.Context(), "k")
				return err != nil
			})
			wantDamage(t, err, tt.says)
		})
	}
}
