package etcd

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/lodd-rct/lodd/audit/store"
	"github.com/lodd-rct/lodd/audit/store/storetest"
)

// A value is accepted only under the key for which it was sealed.
func FuzzValue(f *testing.F) {
	f.Add("k/1", []byte("value"), "k/2")
	f.Add("", []byte{}, "k")
	f.Fuzz(func(t *testing.T, key string, value []byte, other string) {
		got, err := unsealed(key, sealed(key, value))
		if err != nil || !bytes.Equal(got, value) {
			t.Errorf("unsealed(sealed(%x)) = %x, %v", value, got, err)
		}
		if _, err := unsealed(other, sealed(key, value)); err == nil && other != key {
			t.Errorf("the value of %q is accepted for %q", key, other)
		}
		_, _ = unsealed(key, value) // must not panic
	})
}

// Whatever a revision of the cluster changes, a copy refuses it, or takes the head that
// stands in it together with what that head says.
func FuzzRevision(f *testing.F) {
	good := &batch{parts: []store.Part{{List: "a", Records: [][]byte{[]byte("x")}}}}
	encoded := string(good.encode())
	first, valued := string(head{batches: 1, chain: good.hash}.encode()), string(head{values: 1}.encode())
	f.Add("b/"+string(indexKey(0)), encoded, "head", first)
	f.Add("b/"+string(indexKey(1)), encoded, "head", first)
	f.Add("m/k", string(sealed("k", []byte("v"))), "head", valued)
	f.Add("m/k", string(sealed("k", []byte("v"))), "head/x", valued)
	f.Add("m", "v", "head", valued)
	f.Add("leader/x", "", "leader/y", "")
	f.Fuzz(func(t *testing.T, key, value, other, next string) {
		d := &DB{prefix: "/lodd/g/", config: Config{Group: "g"}}
		d.replica = newTail(&storetest.Memory{}, func(err error) { t.Error(err) })
		defer d.replica.Close()
		err := d.revision([]*clientv3.Event{put(d.prefix+key, value), put(d.prefix+other, next)})
		if err != nil || !d.has(7) {
			return
		}
		written := next
		if key == "head" {
			key, other, written = other, key, value
		}
		if other != "head" || written != string(d.head.encode()) || !strings.HasPrefix(key, "m/") && !strings.HasPrefix(key, "b/") {
			t.Errorf("%q and %q were taken with the head %+v", key, other, d.head)
		}
		at, err := d.reached(context.Background())
		if err != nil || at.batches != d.head.batches || at.chain != d.head.chain {
			t.Errorf("the head counts %d batches, the copy has %d, %v", d.head.batches, at.batches, err)
		}
	})
}

func put(key, value string) *clientv3.Event {
	return &clientv3.Event{Type: clientv3.EventTypePut, Kv: &mvccpb.KeyValue{Key: []byte(key), Value: []byte(value), ModRevision: 7}}
}
