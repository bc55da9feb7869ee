package etcd_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/lodd-rct/lodd/audit/store"
	"github.com/lodd-rct/lodd/audit/store/etcd"
	"github.com/lodd-rct/lodd/audit/store/storetest"
)

// content is all that a store holds.
func content(t testing.TB, d *etcd.DB) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	names, err := d.Lists(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		records, err := d.Read(t.Context(), name, 0, length(t, d, name))
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range records {
			out[name] = append(out[name], string(r))
		}
	}
	keys, err := d.Keys(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		v, err := d.Get(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		out["key "+key] = []string{string(v)}
	}
	return out
}

// A copy is the same whether it saw every change, saw the end of it, or was
// made from nothing.
func TestCopiesAreTheSame(t *testing.T) {
	p := newPlace(t)
	d := p.lead(t)
	away := p.other(t)
	away.follow(t).Close()
	watching := p.other(t).follow(t)
	for i := range 200 { // more than a page
		mustAppend(t, d, part("a", int64(i), fmt.Sprint(i)), part(fmt.Sprintf("b%d", i%3), int64(i/3), "x"))
	}
	for i := range 70 {
		if err := d.Put(t.Context(), fmt.Sprintf("key/%d", i), []byte{byte(i)}); err != nil {
			t.Fatal(err)
		}
	}
	for _, key := range []string{"key/0", "key/69"} {
		if err := d.Delete(t.Context(), key); err != nil { // which compacts
			t.Fatal(err)
		}
	}
	want := content(t, d)
	for name, other := range map[string]*etcd.DB{"that was away": away.follow(t), "from nothing": p.other(t).follow(t)} {
		if diff := cmp.Diff(want, content(t, other)); diff != "" {
			t.Errorf("copy %s (-leader +copy):\n%s", name, diff)
		}
	}
	eventually(t, "the copy that watches", func() bool { return cmp.Equal(want, content(t, watching)) })
}

// What the cluster has committed is answered, and read, though the disk of the
// copy hangs. When that disk turns out to be lost, so is the copy and nothing
// else: the next start gets everything again.
func TestAppendWaitsForNoDiskOfTheCopy(t *testing.T) {
	p := newPlace(t)
	errDisk := errors.New("the disk is gone")
	disk := make(chan error)
	hangs := &storetest.Memory{FailAppend: func(...store.Part) error { return <-disk }}
	on := func(replica store.Store) *etcd.DB {
		config := p.config(t)
		if err := config.Replica.Close(); err != nil {
			t.Fatal(err)
		}
		config.Replica = replica
		d, err := etcd.Open(t.Context(), config)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { d.Close() })
		return d
	}
	d := on(hangs)
	t.Cleanup(func() { close(disk) })
	lost := lead(t, d)
	for i := range 3 {
		mustAppend(t, d, part("a", int64(i), fmt.Sprint(i)))
	}
	if records, err := d.Read(t.Context(), "a", 0, 3); err != nil || string(bytes.Join(records, nil)) != "012" || hangs.Writes() != 0 {
		t.Errorf("Read = %q, %v after %d writes of the copy", records, err, hangs.Writes())
	}
	disk <- errDisk
	<-lost
	if err := d.Append(t.Context(), part("a", 3, "3")); !errors.Is(err, store.ErrUnknown) || !errors.Is(err, errDisk) {
		t.Errorf("Append without a copy: %v", err)
	}
	if n := length(t, on(&storetest.Memory{}), "a"); n != 3 {
		t.Errorf("a new copy has %d records, want 3", n)
	}
}

// What was deleted while a server was away is gone from its copy when it comes
// back, though the cluster's history says nothing of it any more.
func TestServerThatWasAwayForgets(t *testing.T) {
	const secret = "wrapped key of participant 17"
	p := newPlace(t)
	d := p.lead(t)
	if err := d.Put(t.Context(), "k", []byte(secret)); err != nil {
		t.Fatal(err)
	}
	away := p.other(t)
	away.follow(t).Close()
	if err := d.Delete(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	back := away.follow(t)
	if _, err := back.Get(t.Context(), "k"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("Get: %v, want ErrNotFound", err)
	}
	for who, path := range map[string]string{"leader": p.path, "other": away.path} {
		if b, err := os.ReadFile(path); err != nil || bytes.Contains(b, []byte(secret)) {
			t.Errorf("the copy of the %s still holds the value, %v", who, err)
		}
	}
}

// No revision that the cluster still answers for holds a value that was
// deleted or replaced.
func TestClusterForgets(t *testing.T) {
	p := newPlace(t)
	d := p.lead(t)
	c := raw(t)
	for what, forget := range map[string]func() error{
		"Delete": func() error { return d.Delete(t.Context(), "k") },
		"Put":    func() error { return d.Put(t.Context(), "k", []byte("new")) },
	} {
		if err := d.Put(t.Context(), "k", []byte("secret")); err != nil {
			t.Fatal(err)
		}
		r, err := c.Get(t.Context(), p.key("m/k"))
		if err != nil || len(r.Kvs) != 1 || !strings.HasPrefix(string(r.Kvs[0].Value), "secret") {
			t.Fatalf("the cluster doesn't hold the value: %v", err)
		}
		if err := forget(); err != nil {
			t.Fatal(err)
		}
		for rev := r.Header.Revision; rev > 0 && rev > r.Header.Revision-5; rev-- {
			if _, err := c.Get(t.Context(), p.key("m/k"), clientv3.WithRev(rev)); !errors.Is(err, rpctypes.ErrCompacted) {
				t.Errorf("%s: revision %d: %v, want ErrCompacted", what, rev, err)
			}
		}
	}
}

// The copy goes on where history is compacted before it has read it.
func TestCopyOutlivesCompaction(t *testing.T) {
	p := newPlace(t)
	d := p.lead(t)
	other := p.other(t).follow(t)
	stalled := make(chan struct{})
	other.Stall(stalled) // its watch has events, but doesn't get to them
	for i := range 50 {
		mustAppend(t, d, part("a", int64(i), "x"))
		if err := d.Put(t.Context(), "k", []byte{byte(i)}); err != nil { // compacts
			t.Fatal(err)
		}
	}
	close(stalled)
	eventually(t, "the copy", func() bool { return cmp.Equal(content(t, d), content(t, other)) })
}

// Whoever gets the lead has all that was written before, though nothing of it was
// told to him: what he decides next depends on it.
func TestLeadBeginsWithACompleteCopy(t *testing.T) {
	p := newPlace(t)
	first := p.lead(t)
	second := p.other(t).follow(t)
	second.Deafen()
	mustAppend(t, first, part("a", 0, "0", "1"))
	if err := first.Put(t.Context(), "k", []byte("v")); err != nil {
		t.Fatal(err)
	}
	if n := length(t, second, "a"); n != 0 {
		t.Fatalf("%d records were told: the test has lost its power", n)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	lead(t, second)
	if n := length(t, second, "a"); n != 2 {
		t.Errorf("it leads with %d records, want 2", n)
	}
	if v, err := second.Get(t.Context(), "k"); string(v) != "v" {
		t.Errorf("Get = %q, %v", v, err)
	}
}

func TestAppendThatIsTooLargeIsRefusedUpFront(t *testing.T) {
	d := newPlace(t).lead(t)
	record := strings.Repeat("x", store.MaxRecord)
	records := make([]string, 23) // 1.44 MiB
	for i := range records {
		records[i] = record
	}
	if err := d.Append(t.Context(), part("a", 0, records...)); !errors.Is(err, store.ErrFull) {
		t.Errorf("Append: %v, want ErrFull", err)
	}
	mustAppend(t, d, part("a", 0, records[:21]...))
	if n := length(t, d, "a"); n != 21 {
		t.Errorf("Len = %d, want 21", n)
	}
}

func TestClusterThatIsAwayIsAnError(t *testing.T) {
	c := newPlace(t).config(t)
	c.Endpoints = []string{"http://127.0.0.1:1"}
	c.Patience = 500 * time.Millisecond
	if _, err := etcd.Open(t.Context(), c); err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("Open: %v", err)
	}
}

// TLS that fails is named, and not only that time was up.
func TestRefusedCertificateIsNamed(t *testing.T) {
	member := httptest.NewUnstartedServer(http.NotFoundHandler())
	member.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	member.Config.ErrorLog = log.New(io.Discard, "", 0)
	member.StartTLS()
	t.Cleanup(member.Close)
	roots := x509.NewCertPool()
	roots.AddCert(member.Certificate())
	for says, config := range map[string]*tls.Config{
		"certificate signed by unknown authority": {RootCAs: x509.NewCertPool()},
		"certificate required":                    {RootCAs: roots},
	} {
		t.Run(says, func(t *testing.T) {
			t.Parallel()
			c := newPlace(t).config(t)
			c.Endpoints, c.TLS, c.Patience = []string{member.URL}, config, 2*time.Second // a fifth is for the handshake
			if _, err := etcd.Open(t.Context(), c); err == nil || !strings.Contains(err.Error(), says) {
				t.Errorf("Open: %v, want %q", err, says)
			}
		})
	}
}

func TestGroupMustBeAName(t *testing.T) {
	for _, group := range []string{"", "a/b", "a b", "ø"} {
		c := newPlace(t).config(t)
		c.Group = group
		if _, err := etcd.Open(t.Context(), c); err == nil {
			t.Errorf("group %q was opened", group)
		}
	}
}
