package main

import (
	"bufio"
	"crypto/rand"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lodd-rct/lodd/audit/store/etcd/etcdtest"
	"github.com/lodd-rct/lodd/proto/invite"
	"github.com/lodd-rct/lodd/server/keys"
)

// patience is how long anything in a cluster may take: a lease must end, and
// another server must read the log.
const patience = 30 * time.Second

// A member is one lodd serve of three.
type member struct {
	address, data string
	process       *os.Process
	ended         chan struct{}
	lines         chan string // what it prints
}

// startMember starts lodd serve on a store that others share.
func startMember(t *testing.T, store, data, address string) *member {
	t.Helper()
	path, err := exec.LookPath("lodd")
	if err != nil {
		t.Fatal(err)
	}
	m := &member{address: address, data: data, ended: make(chan struct{}), lines: make(chan string, 1000)}
	cmd := exec.Command(path, "serve", "--store", store, "--data", data, "--listen", address, "--second-factor", "off")
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	m.process = cmd.Process
	go func() {
		for s := bufio.NewScanner(stderr); s.Scan(); {
			select {
			case m.lines <- s.Text():
			default: // nobody waits for this one
			}
		}
		close(m.lines)
		_ = cmd.Wait() // killed on purpose, or its last line says why
		close(m.ended)
	}()
	t.Cleanup(func() {
		_ = m.process.Kill() // gone already if the test ended it
		<-m.ended
	})
	return m
}

// says waits until the server prints a line, and returns what the pattern
// finds in it.
func (m *member) says(t *testing.T, pattern string) string {
	t.Helper()
	re, late := regexp.MustCompile(pattern), time.After(patience)
	for last := ""; ; {
		select {
		case line, more := <-m.lines:
			if found := re.FindStringSubmatch(line); found != nil {
				return found[len(found)-1]
			}
			if !more {
				t.Fatalf("server %s ended before it said %q; last: %s", m.address, pattern, last)
			}
			last = line
		case <-late:
			t.Fatalf("server %s didn't say %q; last: %s", m.address, pattern, last)
		}
	}
}

// kill ends a server as a power cut would.
func (m *member) kill() {
	_ = m.process.Kill()
	<-m.ended
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// storeOf names a group of a cluster as --store does.
func storeOf(etcd *etcdtest.Cluster, group string) string {
	return "etcd://" + strings.ReplaceAll(strings.Join(etcd.Endpoints(), ","), "http://", "") + "/" + group
}

// startThree starts three servers of one group; the first leads, and the
// others have its keys.
func startThree(t *testing.T, store string) (members []*member, in invite.Invite) {
	t.Helper()
	first := startMember(t, store, filepath.Join(t.TempDir(), "first"), freeAddress(t))
	text := first.says(t, `lodd join (lodd1\.\S+)`)
	first.says(t, "^lodd: ready$")
	in, err := invite.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	members = append(members, first)
	for _, name := range []string{"second", "third"} {
		data := filepath.Join(t.TempDir(), name)
		if err := os.MkdirAll(data, 0o700); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("cp", "-rp", filepath.Join(first.data, "keys"), data).CombinedOutput(); err != nil {
			t.Fatalf("copy keys: %v: %s", err, out)
		}
		m := startMember(t, store, data, freeAddress(t))
		m.says(t, "standing by")
		members = append(members, m)
	}
	return members, in
}

// Three servers on an etcd cluster serve one trial through any address. Neither
// the leading server's end nor that of a member of etcd loses anything that was
// answered, or draws anything twice.
func TestThreeServersOutliveTheLossOfOne(t *testing.T) {
	etcd, err := etcdtest.Start(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer etcd.Stop()
	store := storeOf(etcd, "trials")
	members, in := startThree(t, store)
	wantOtherKeysRefused(t, store)
	p := &crew{t: t, in: in, tokens: map[string]string{}}
	p.setUp(members[2].address)

	var all []*enrolment
	for i, m := range []*member{members[0], members[1], members[2]} {
		e := newEnrolment(t, i)
		p.must(p.randomize(m.address, e))
		all = append(all, e)
	}
	others := members[1:]
	all = append(all, p.during(len(all), others, members[0].kill)...)
	all = append(all, p.during(len(all), others, func() { etcd.Kill(max(etcd.Leader(), 0)) })...)

	p.wantAll(others, all)
	for _, m := range others { // a clean stop, also of the one that stands by
		if err := m.process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		m.says(t, "^lodd: stopped$")
	}
}

// Killed as in TestKilledServerLosesNoRandomization, where what was answered lies in etcd and the killed server's
// copy may lack the end of it.
func TestKilledServerOfAClusterLosesNoRandomization(t *testing.T) {
	kills := 3
	switch {
	case os.Getenv("LODD_LONG") != "":
		kills = 20
	case testing.Short():
		kills = 1
	}
	etcd, err := etcdtest.Start(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(etcd.Stop)
	killAndRepeat(t, kills, recruit(t, 40*kills, killBlocks, storeOf(etcd, "killed")))
}

// A server that has made keys of its own must not join, and never lead.
func wantOtherKeysRefused(t *testing.T, store string) {
	t.Helper()
	data := filepath.Join(t.TempDir(), "other")
	_, err := keys.Load(filepath.Join(data, "keys"), keys.Config{Fresh: true, Now: wall(), Random: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	startMember(t, store, data, freeAddress(t)).says(t, "the keys of this server are not those of the cluster")
	startMember(t, store, filepath.Join(t.TempDir(), "none"), freeAddress(t)).says(t, "there is no master key in .*copy the keys folder")
}

func TestStoreNamesAClusterThatCanBeTrusted(t *testing.T) {
	for name, tt := range map[string]struct {
		store, advertise, listen, says string
	}{
		"on this machine":    {"etcd://127.0.0.1:1,localhost:2,[::1]:3/trials", "", "localhost:8443", ""},
		"advertised":         {"etcd://127.0.0.1:1/trials", "10.0.0.1:8443", ":8443", ""},
		"another scheme":     {"postgres://127.0.0.1:1/trials", "", "", "want etcd://"},
		"no group":           {"etcd://127.0.0.1:1", "", "", "want etcd://"},
		"no port":            {"etcd://127.0.0.1:1,127.0.0.2/trials", "", "", "is no member"},
		"no TLS":             {"etcd://127.0.0.1:1,10.0.0.2:2/trials", "", "", "10.0.0.2 is another machine"},
		"every address":      {"etcd://127.0.0.1:1/trials", "", ":8443", "no address at which the other servers"},
		"unspecified":        {"etcd://127.0.0.1:1/trials", "", "0.0.0.0:8443", "no address at which the other servers"},
		"advertised nowhere": {"etcd://127.0.0.1:1/trials", "lodd1", "", "want host:port"},
	} {
		c := config{Data: "data", Store: tt.store, Advertise: tt.advertise, Listen: tt.listen}
		err := c.check()
		if tt.says == "" && err != nil || tt.says != "" && (err == nil || !strings.Contains(err.Error(), tt.says)) {
			t.Errorf("%s: %v, want %q", name, err, tt.says)
		}
	}
}

// A folder is of a server that stands alone or of one in a cluster, and opening
// it as the other would hide what it holds.
func TestFolderIsOfOneKindOfServer(t *testing.T) {
	for file, c := range map[string]config{
		"lodd.db":    {Store: "etcd://127.0.0.1:1/trials", Listen: "127.0.0.1:0"},
		"replica.db": {Listen: "127.0.0.1:0"},
	} {
		c.Data = t.TempDir()
		if err := os.WriteFile(filepath.Join(c.Data, file), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := open(t.Context(), c, world{now: wall, wall: wall, random: rand.Reader}); err == nil || !strings.Contains(err.Error(), "cluster") {
			t.Errorf("%s: %v", file, err)
		}
	}
}
