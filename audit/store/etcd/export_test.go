package etcd

import (
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/lodd-rct/lodd/audit/store"
)

// ErrNotLeader is wrapped by what a server gets that writes and doesn't lead.
var ErrNotLeader = errNotLeader

// Between puts something between the store and the cluster.
func (d *DB) Between(f func(clientv3.KV) clientv3.KV) { d.kv = f(d.client) }

// LookEvery makes the next leader look at the quota that often.
func (d *DB) LookEvery(every time.Duration) { d.lookEvery = every }

// Rewrite returns a batch as somebody writes it who knows the format.
func Rewrite(b []byte, change func([]store.Part)) []byte {
	x, err := decodeBatch(b)
	if err != nil {
		return nil
	}
	change(x.parts)
	return x.encode()
}

// Stall keeps the copy from changing until the channel is closed.
func (d *DB) Stall(until <-chan struct{}) {
	d.applying.Lock()
	go func() {
		<-until
		d.applying.Unlock()
	}()
}

// Deafen ends what follows the cluster, so that the copy changes only when it is
// compared anew. It is called before the first Lead.
func (d *DB) Deafen() {
	d.stop()
	d.done.Wait()
}

// Rehead returns a head whose newest batch is the given one.
func Rehead(b, newest []byte) []byte {
	h, err := decodeHead(b)
	if err != nil {
		return nil
	}
	x, err := decodeBatch(newest)
	if err != nil {
		return nil
	}
	h.chain = x.hash
	return h.encode()
}

// NextHead returns a head after the given one that changes nothing, and one
// that doesn't continue it.
func NextHead(b []byte) (next, foreign string) {
	h, err := decodeHead(b)
	if err != nil {
		return "", ""
	}
	prev := h.hash()
	h.nonce[0]++
	foreign = string(h.encode())
	h.prev = prev
	return string(h.encode()), foreign
}

// Seal returns a value as the cluster holds it.
func Seal(key, value string) string { return string(sealed(key, []byte(value))) }
