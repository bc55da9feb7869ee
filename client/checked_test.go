package client

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/lodd-rct/lodd/audit"
	logv1 "github.com/lodd-rct/lodd/proto/lodd/log/v1"
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// What is asked beside a call is a few short questions: one before the first
// call about a trial if something is remembered, one more if it has grown, and
// one after each receipt.
func TestChecksCostAFewCalls(t *testing.T) {
	m := newMachine(t)
	c := m.begin()
	for _, step := range []struct {
		do   func() error
		want string
	}{
		{func() error { return m.list(c) }, "participants"},
		{func() error { return m.exclude(c, "P1") }, "exclude inclusion 0"},
		{func() error { return m.exclude(c, "P2") }, "exclude inclusion 1"},
		{func() error { return m.list(c) }, "participants"},
		{func() error { c = m.begin(); return m.list(c) }, "checkpoint participants"},
		{func() error {
			m.server.lie(func() { m.server.entries = append(m.server.entries, "of others") })
			return m.list(c)
		}, "participants"},
		{func() error { c = m.begin(); return m.list(c) }, "checkpoint consistency participants"},
		{func() error { return m.exclude(c, "P3") }, "exclude inclusion 3"},
	} {
		m.must(step.do())
		if got := m.server.calls(); got != step.want {
			t.Errorf("asked %q, want %q", got, step.want)
		}
	}
	if len(m.unchecked) != 0 || len(m.files("checkpoints/*.checkpoint")) != 1 {
		t.Errorf("unchecked %v, files %v", m.unchecked, m.files("checkpoints/*"))
	}
}

// A client that has seen a log refuses every other one before it makes a call,
// and goes on refusing.
func TestAnotherLogIsRefusedBeforeTheFirstCall(t *testing.T) {
	stranger, _ := newSigner(t, 99)
	for _, tt := range []struct {
		name    string
		lie     func(*trialServer)
		says    string
		shorter bool
	}{
		{"cut", func(s *trialServer) { s.entries = s.entries[:2] }, "shorter: 2 entries, but 3", true},
		{"emptied", func(s *trialServer) { s.entries = nil }, "shorter: 0 entries, but 3", true},
		{"edited", func(s *trialServer) { s.entries[1] = "PX" }, "was rewritten since it had 3", false},
		{"edited and grown", func(s *trialServer) { s.entries = append(s.entries, "P4", "P5"); s.entries[0] = "PX" }, "was rewritten since it had 3", false},
		{"reordered", func(s *trialServer) { s.entries[0], s.entries[1] = s.entries[1], s.entries[0] }, "was rewritten since it had 3", false},
		{"signed by another", func(s *trialServer) { s.signer = stranger }, "the checkpoint that the server gave", false},
		{"not shown", func(s *trialServer) { s.fail = status.Error(codes.NotFound, "no such thing") }, "doesn't show this list", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := newMachine(t)
			c := m.begin()
			for _, p := range []string{"P1", "P2", "P3"} {
				m.must(m.exclude(c, p))
			}
			remembered := m.files("checkpoints/*.checkpoint")
			before, err := os.ReadFile(remembered[0])
			m.must(err)
			m.server.calls()
			m.server.lie(func() { tt.lie(m.server) })

			c = m.begin()
			f := m.wrong(m.list(c), tt.says)
			if e, _ := errors.AsType[*LogError](m.list(c)); e.Shorter != tt.shorter {
				t.Errorf("shorter is %t", e.Shorter)
			}
			if m.server.fail == nil && f.Remembered != string(before) {
				t.Errorf("evidence remembers %q, want %q", f.Remembered, before)
			}
			m.wrong(m.exclude(c, "P9"), tt.says)
			_, err = c.VerifyList(t.Context(), "IPS", "IPS/conduct", nil)
			if err == nil {
				t.Error("verified")
			}
			if asked := m.server.calls(); strings.Contains(asked, "participants") || strings.Contains(asked, "exclude") {
				t.Errorf("asked %q", asked)
			}
			again := m.begin()
			m.wrong(m.list(again), tt.says)
			if got := m.files("evidence/*"); len(got) != 1 {
				t.Errorf("the same was found twice and written to %v", got)
			}
			after, err := os.ReadFile(remembered[0])
			if err != nil || !bytes.Equal(before, after) {
				t.Errorf("what was seen is %q now, %v", after, err)
			}
		})
	}
}

// A stream of answers is begun only with a log that is what it was.
func TestStreamsAreRefusedToo(t *testing.T) {
	m := newMachine(t)
	m.must(m.exclude(m.begin(), "P1"))
	m.server.lie(func() { m.server.entries[0] = "PX" })
	m.server.calls()
	_, err := m.begin().Audit().ListLeaves(t.Context(), &loddv1.ListLeavesRequest{TrialId: "IPS", List: "IPS/conduct", Size: 1})
	m.wrong(err, "was rewritten")
	if asked := m.server.calls(); asked != "checkpoint" {
		t.Errorf("asked %q", asked)
	}
}

// A log that is changed while a program runs is found at its next write, though
// the entry that it wrote is there.
func TestAnotherLogIsRefusedAfterAWrite(t *testing.T) {
	for _, tt := range []struct {
		name string
		lie  func(*trialServer)
		says string
	}{
		{"edited", func(s *trialServer) { s.entries[1] = "PX" }, "was rewritten since it had 3"},
		{"cut", func(s *trialServer) { s.entries = s.entries[:1] }, "shorter: 2 entries, but 3"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := newMachine(t)
			c := m.begin()
			for _, p := range []string{"P1", "P2", "P3"} {
				m.must(m.exclude(c, p))
			}
			m.server.lie(func() { tt.lie(m.server) })
			m.wrong(m.exclude(c, "P4"), tt.says)
			m.wrong(m.list(c), tt.says)
		})
	}
}

// A promise that the log doesn't keep is found at once, and ends the work on
// that trial.
func TestReceiptsThatDoNotHold(t *testing.T) {
	for _, tt := range []struct {
		name    string
		promise func(*loddv1.Receipt) *loddv1.Receipt
		says    string
	}{
		{"another entry", func(r *loddv1.Receipt) *loddv1.Receipt { r.LeafHash[0] ^= 1; return r }, "receipt for entry 1, but its log of 2 entries doesn't hold it"},
		{"another place", func(r *loddv1.Receipt) *loddv1.Receipt { r.Index = 0; return r }, "receipt for entry 0"},
		{"a place to come", func(r *loddv1.Receipt) *loddv1.Receipt { r.Index = 7; return r }, "receipt for entry 7, but its log of 2 entries"},
		{"no place", func(r *loddv1.Receipt) *loddv1.Receipt { r.Index = -1; return r }, "entry -1"},
		{"half a hash", func(r *loddv1.Receipt) *loddv1.Receipt { r.LeafHash = r.LeafHash[:16]; return r }, "leaf hash of 16 bytes"},
		{"another trial", func(r *loddv1.Receipt) *loddv1.Receipt { r.List = "TAU/conduct"; return r }, `of the list "TAU/conduct"`},
		{"no list of a trial", func(r *loddv1.Receipt) *loddv1.Receipt { r.List = "system"; return r }, `"system", which is no compartment`},
		{"no receipt", func(*loddv1.Receipt) *loddv1.Receipt { return nil }, "leaf hash of 0 bytes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := newMachine(t)
			c := m.begin()
			m.must(m.exclude(c, "P1"))
			m.server.lie(func() { m.server.receipt = tt.promise })
			f := m.wrong(m.exclude(c, "P2"), tt.says)
			if strings.Contains(tt.says, "receipt for") && (f.Receipt == nil || f.Given == "" || f.Remembered == "") {
				t.Errorf("evidence %+v", f)
			}
			m.server.calls()
			m.wrong(m.list(c), tt.says)
			if asked := m.server.calls(); asked != "" {
				t.Errorf("asked %q after the finding", asked)
			}
		})
	}
}

// A proof that can't be had takes nothing back: the user is told, and the
// receipt is checked when the server can be asked again, by another process or
// after the next write.
func TestReceiptsWaitForTheNextChance(t *testing.T) {
	ill := status.Error(codes.Unavailable, "not now")
	for _, tt := range []struct {
		name string
		next func(m *machine, c *Client) error
		want string
	}{
		{"the next session", func(m *machine, _ *Client) error { return m.list(m.begin()) }, "inclusion 0 participants"},
		{"the next write", func(m *machine, c *Client) error { return m.exclude(c, "P2") }, "exclude inclusion 1 inclusion 0"},
	} {
		for _, lost := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, lost %t", tt.name, lost), func(t *testing.T) {
				m := newMachine(t)
				c := m.begin()
				m.must(m.list(c))
				m.server.lie(func() { m.server.fail = ill })
				m.must(m.exclude(c, "P1"))
				if len(m.unchecked) != 1 || m.unchecked[0].List != "IPS/conduct" || m.unchecked[0].Index != 0 || m.unchecked[0].Err == nil || len(m.files("checkpoints/*.receipt")) != 1 {
					t.Fatalf("unchecked %v, files %v", m.unchecked, m.files("checkpoints/*"))
				}
				m.must(m.list(m.begin())) // the server is still ill: nobody is kept from working
				m.server.calls()
				m.server.lie(func() {
					if m.server.fail = nil; lost {
						m.server.entries[0] = "another"
					}
				})
				err := tt.next(m, c)
				if lost {
					m.wrong(err, "receipt for entry 0")
					return
				}
				m.must(err)
				if got := m.server.calls(); got != tt.want || len(m.files("checkpoints/*.receipt")) != 0 {
					t.Errorf("asked %q, want %q; files %v", got, tt.want, m.files("checkpoints/*"))
				}
			})
		}
	}
}

// An account that may not see a list asks for it once, and works on. Its
// receipt waits for one that may.
func TestReceiptsOfListsThatAreNotShownWait(t *testing.T) {
	m := newMachine(t)
	m.server.lie(func() { m.server.fail = status.Error(codes.PermissionDenied, "permission denied") })
	c := m.begin()
	m.must(m.exclude(c, "P1"))
	m.must(m.exclude(c, "P2"))
	m.must(m.list(c))
	if got := m.server.calls(); got != "exclude inclusion 0 exclude inclusion 1 participants" || len(m.unchecked) != 2 {
		t.Errorf("asked %q, unchecked %v", got, m.unchecked)
	}
	c = m.begin()
	m.must(m.list(c))
	m.must(m.list(c))
	if got := m.server.calls(); got != "inclusion 0 participants participants" {
		t.Errorf("asked %q", got)
	}
	m.server.lie(func() { m.server.fail = nil })
	m.must(m.list(m.begin()))
	if got := m.server.calls(); got != "inclusion 0 inclusion 1 participants" || len(m.files("checkpoints/*.receipt")) != 0 {
		t.Errorf("asked %q, files %v", got, m.files("checkpoints/*"))
	}
}

// Many calls at once wait for one check, and are all refused by it.
func TestCallsAtOnceShareOneCheck(t *testing.T) {
	for _, lie := range []bool{false, true} {
		m := newMachine(t)
		m.must(m.exclude(m.begin(), "P1"))
		m.server.calls()
		if lie {
			m.server.lie(func() { m.server.entries = nil })
		}
		c := m.begin()
		errs := make([]error, 16)
		var wg sync.WaitGroup
		for i := range errs {
			wg.Go(func() { errs[i] = m.list(c) })
		}
		wg.Wait()
		for _, err := range errs {
			if _, refused := errors.AsType[*LogError](err); refused != lie {
				t.Errorf("error is %v", err)
			}
		}
		if got := strings.Count(m.server.calls(), "checkpoint"); got != 1 {
			t.Errorf("%d checks", got)
		}
	}
}

// What was seen and can't be read is no reason to work without it.
func TestUnreadableMemoryIsToldOf(t *testing.T) {
	m := newMachine(t)
	m.must(m.exclude(m.begin(), "P1"))
	m.must(os.WriteFile(filepath.Join(m.dir, "checkpoints", "x.receipt"), []byte("{}"), 0o600))
	err := m.list(m.begin())
	if _, ok := errors.AsType[*LogError](err); ok || err == nil || !strings.Contains(err.Error(), "x.receipt can't be read") {
		t.Errorf("error is %v", err)
	}
}

// A server that drops a command and gives a receipt for something else is found:
// the receipt must be of what was asked for.
func TestReceiptsOfSomethingElse(t *testing.T) {
	for _, tt := range []struct {
		name     string
		entry    string // what the server wrote instead; empty for an old entry
		hides    bool
		repeated bool
		says     string
	}{
		{"an old entry", "", false, false, "about another participant"},
		{"an old entry, said to be this one repeated", "", false, true, "about another participant"},
		{"an old entry that isn't shown", "", true, false, "doesn't show the entry"},
		{"an old entry that isn't shown, repeated", "", true, true, "doesn't show the entry"},
		{"another request", excluded("kari", requestOf("PX"), "P3"), false, false, "of another request"},
		{"another request, repeated", excluded("kari", requestOf("PX"), "P3"), false, true, "of another request"},
		{"another account", excluded("per", requestOf("P3"), "P3"), false, false, "of another account"},
		{"another participant", excluded("kari", requestOf("P3"), "P4"), false, false, "about another participant"},
		{"another kind", kindless(requestOf("P3")), false, false, `the entry is "enrolment_opened", and "excluded" was asked for`},
		{"no entry", "\xff", false, false, "can't be read"},
	} {
		for _, later := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, later %t", tt.name, later), func(t *testing.T) {
				m := newMachine(t)
				c := m.begin()
				m.must(m.exclude(c, "P1"))
				m.must(m.exclude(c, "P2"))
				m.server.lie(func() {
					m.server.hides = tt.hides
					if later {
						m.server.fail = status.Error(codes.Unavailable, "not now")
					}
					m.server.receipt = func(*loddv1.Receipt) *loddv1.Receipt {
						m.server.entries = m.server.entries[:2]
						if tt.entry != "" {
							m.server.entries = append(m.server.entries, tt.entry)
						}
						index := len(m.server.entries) - 1
						h := audit.Leaf([]byte(m.server.entries[index]))
						return &loddv1.Receipt{List: "IPS/conduct", Index: int64(index), LeafHash: h[:], RepeatedRequest: tt.repeated}
					}
				})
				err := m.exclude(c, "P3")
				if later {
					m.must(err)
					m.server.lie(func() { m.server.fail = nil })
					err = m.list(m.begin())
				}
				f := m.wrong(err, tt.says)
				if f.Receipt == nil || f.Receipt.Request.Participant != "P3" || tt.hides != (f.Entry == nil) {
					t.Errorf("evidence %+v", f)
				}
			})
		}
	}
}

func kindless(request string) string {
	id, err := hex.DecodeString(strings.ReplaceAll(request, "-", ""))
	if err != nil {
		panic(err)
	}
	b, err := proto.Marshal(&logv1.Entry{Actor: "kari", RequestId: id, Kind: &logv1.Entry_EnrolmentOpened{EnrolmentOpened: &logv1.EnrolmentOpened{}}})
	if err != nil {
		panic(err)
	}
	return string(b)
}

// What is done once, whoever asks, may be answered with somebody else's entry,
// and nothing else may.
func TestReceiptsOfOthers(t *testing.T) {
	id, err := hex.DecodeString(strings.ReplaceAll(requestOf("P3"), "-", ""))
	if err != nil {
		t.Fatal(err)
	}
	randomized := func(actor, participant string, intent []byte) []byte {
		b, err := proto.Marshal(&logv1.Entry{Actor: actor, Kind: &logv1.Entry_Randomized{Randomized: &logv1.Randomized{Participant: participant, Intent: intent}}})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	ask := &loddv1.CommitRandomizationRequest{TrialId: "IPS", IntentId: requestOf("P3"), Confirm: "P3"}
	question := &loddv1.GetRandomizationRequest{TrialId: "IPS", Participant: "P3"}
	create := &loddv1.CreateTrialRequest{RequestId: requestOf("P3")}
	for _, tt := range []struct {
		name     string
		req      any
		repeated bool
		entry    []byte
		index    int64
		ok       bool
	}{
		{"own", ask, false, randomized("kari", "P3", id), 7, true},
		{"another's", ask, false, randomized("per", "P3", id), 7, false},
		{"another intent", ask, false, randomized("kari", "P3", []byte{1}), 7, false},
		{"hidden", ask, false, nil, 7, false},
		{"repeated", ask, true, randomized("per", "P3", []byte{1}), 7, true},
		{"repeated, of another participant", ask, true, randomized("kari", "P1", id), 7, false},
		{"repeated and hidden", ask, true, nil, 7, true},
		{"a question", question, false, nil, 7, true},
		{"a question about another participant", question, false, randomized("kari", "P1", id), 7, false},
		{"a new trial", create, false, nil, 0, true},
		{"a new trial elsewhere", create, false, nil, 3, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := &Client{config: Config{User: "kari"}}
			r := Receipt{List: "IPS/conduct", Index: tt.index, Leaf: leaf(audit.Leaf(tt.entry))}
			r.Request = c.asked(tt.req, nil, &loddv1.Receipt{RepeatedRequest: tt.repeated})
			if err := r.answers(tt.entry); (err == nil) != tt.ok {
				t.Error(err)
			}
			if tt.entry != nil {
				r.Leaf[0] ^= 1
				if r.answers(tt.entry) == nil {
					t.Error("the entry has another hash")
				}
			}
		})
	}
}

// Every method whose answer has a receipt is known by the entry that it makes.
func TestEveryReceiptIsBoundToAKind(t *testing.T) {
	kinds := (&logv1.Entry{}).ProtoReflect().Descriptor().Oneofs().ByName("kind").Fields()
	n := 0
	protoregistry.GlobalFiles.RangeFilesByPackage("lodd.v1", func(f protoreflect.FileDescriptor) bool {
		for i := range f.Services().Len() {
			for j := range f.Services().Get(i).Methods().Len() {
				m := f.Services().Get(i).Methods().Get(j)
				if m.IsStreamingServer() || m.Output().Fields().ByName("receipt") == nil {
					continue
				}
				n++
				req, err := protoregistry.GlobalTypes.FindMessageByName(m.Input().FullName())
				if err != nil {
					t.Fatal(err)
				}
				if kind := kindOf(req.New().Interface()); kinds.ByName(protoreflect.Name(kind)) == nil {
					t.Errorf("%s makes an entry of kind %q", m.FullName(), kind)
				}
			}
		}
		return true
	})
	if n < 15 {
		t.Errorf("%d methods", n)
	}
}

// A receipt of another account is proven to be in the log, and waits for that
// account to see that it is the right one.
func TestReceiptsOfOtherAccountsWait(t *testing.T) {
	m := newMachine(t)
	m.server.lie(func() { m.server.fail = status.Error(codes.Unavailable, "not now") })
	m.must(m.exclude(m.begin(), "P1"))
	m.server.lie(func() { m.server.fail, m.server.hides = nil, true })
	m.config.User = "per"
	m.must(m.list(m.begin()))
	if len(m.files("checkpoints/*.receipt")) != 1 {
		t.Error("the receipt was dropped")
	}
	m.config.User = "kari"
	m.wrong(m.list(m.begin()), "doesn't show the entry")
	m.server.lie(func() { m.server.hides = false })
	m.must(m.list(m.begin()))
	if len(m.files("checkpoints/*.receipt")) != 0 {
		t.Error("the receipt still waits")
	}
}

// A server that answers, and lets nobody check the log that was seen from here,
// is found if it says that nobody may, and told of otherwise. Nothing counts as
// checked by that.
func TestServersThatAnswerWithoutProof(t *testing.T) {
	for _, code := range []codes.Code{codes.PermissionDenied, codes.Unimplemented, codes.Unavailable, codes.Internal} {
		for _, stream := range []bool{false, true} {
			t.Run(fmt.Sprint(code, stream), func(t *testing.T) {
				m := newMachine(t)
				m.must(m.exclude(m.begin(), "P1"))
				m.server.lie(func() { m.server.entries, m.server.fail = []string{"X"}, status.Error(code, "no") })
				m.config.Attempt = 100 * time.Millisecond
				c := m.begin()
				read := func() error { return m.list(c) }
				if stream {
					read = func() error {
						s, err := c.Audit().ListLeaves(t.Context(), &loddv1.ListLeavesRequest{TrialId: "IPS", List: "IPS/conduct", Size: 1})
						if err == nil {
							_, err = s.Recv()
						}
						return err
					}
				}
				if code == codes.PermissionDenied || code == codes.Unimplemented {
					m.wrong(read(), "doesn't let this list be checked any more")
					m.server.calls()
					m.wrong(read(), "doesn't let this list be checked any more")
					if asked := m.server.calls(); asked != "" {
						t.Errorf("asked %q after the finding", asked)
					}
					return
				}
				m.must(read())
				m.must(read())
				if len(m.unchecked) != 1 || m.unchecked[0].Trial != "IPS" || m.unchecked[0].List != "" || m.unchecked[0].Err == nil {
					t.Errorf("unchecked %v", m.unchecked)
				}
				m.server.lie(func() { m.server.fail = nil })
				m.wrong(read(), "was rewritten")
			})
		}
	}
}

// A role that has just begun is no finding, nor is an administrator who has none.
func TestDenialsThatAreAsTheyShouldBe(t *testing.T) {
	m := newMachine(t)
	m.must(m.exclude(m.begin(), "P1"))
	c := m.begin()
	m.server.lie(func() { m.server.fail = status.Error(codes.PermissionDenied, "permission denied") })
	why, err := c.first(t.Context(), "IPS")
	m.must(err)
	m.must(c.answered(t.Context(), loddv1.TrialService_GetTrial_FullMethodName, "IPS", why))
	if len(m.unchecked) != 1 {
		t.Errorf("unchecked %v", m.unchecked)
	}
	m.server.lie(func() { m.server.fail = nil })
	m.must(c.answered(t.Context(), loddv1.ScreeningService_ListParticipants_FullMethodName, "IPS", why))
	m.must(m.list(c))
}

// Whoever sets a trial up may not check its log: that is said only if nobody
// else has for long.
func TestReceiptsOfAdministratorsWaitSilently(t *testing.T) {
	m := newMachine(t)
	c := m.begin()
	m.server.lie(func() { m.server.fail = status.Error(codes.PermissionDenied, "permission denied") })
	h := audit.Leaf([]byte("first"))
	answer := &loddv1.CreateTrialResponse{TrialId: "IPS", Receipt: &loddv1.Receipt{List: "IPS/conduct", LeafHash: h[:]}}
	create := loddv1.TrialService_CreateTrial_FullMethodName
	m.must(c.checkAnswer(t.Context(), create, &loddv1.CreateTrialRequest{RequestId: requestOf("")}, answer))
	if len(m.unchecked) != 0 || len(m.files("checkpoints/*.receipt")) != 1 {
		t.Errorf("unchecked %v, files %v", m.unchecked, m.files("checkpoints/*"))
	}
	began := m.config.Now()
	for _, tt := range []struct {
		after time.Duration
		told  int
	}{{time.Hour, 0}, {12 * time.Hour, 0}, {14 * time.Hour, 1}} {
		m.config.Now = func() time.Time { return began.Add(tt.after) }
		c := m.begin()
		m.must(m.list(c))
		m.must(m.list(c))
		if len(m.unchecked) != tt.told {
			t.Errorf("after %v: unchecked %v", tt.after, m.unchecked)
		}
	}
}

// What an administrator may do without a role in the trial is what the server's
// table of roles says.
func TestMethodsWithoutRole(t *testing.T) {
	b, err := os.ReadFile("../server/authz/testdata/matrix.golden")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(string(b)) {
		method, rest, _ := strings.Cut(line, " ")
		if !strings.HasPrefix(method, "/") || strings.HasSuffix(method, "/Follow") {
			continue
		}
		n++
		if want := strings.Contains(rest, "administrator") || strings.Contains(rest, "everyone"); withoutRole(method) != want {
			t.Errorf("%s: %t", method, !want)
		}
	}
	if n < 40 || !withoutRole("/lodd.v2.Unknown/Method") {
		t.Errorf("%d methods", n)
	}
}

// Two processes that are shown two versions at once don't both believe: the later
// holds what it was shown against what the other has remembered meanwhile.
func TestTwoVersionsAtOnce(t *testing.T) {
	m := newMachine(t)
	c := m.begin()
	m.must(m.exclude(c, "P1"))
	first := m.server.entries[0]
	shown := func(entries ...string) followed {
		m.server.lie(func() { m.server.entries = append([]string{first}, entries...) })
		f, err := c.follow(t.Context(), "IPS", "IPS/conduct")
		m.must(err)
		return f
	}
	a, b, longer := shown("A"), shown("B", "B2"), shown("A", "A2")
	m.must(c.remember(t.Context(), "IPS/conduct", a))
	m.wrong(c.remember(t.Context(), "IPS/conduct", b), "was rewritten since it had 2")
	m.must(c.remember(t.Context(), "IPS/conduct", longer))
	m.must(c.remember(t.Context(), "IPS/conduct", a)) // late, and a part of what is remembered
	m.server.lie(func() { m.server.entries = []string{first, "B", "B2"} })
	m.wrong(c.remember(t.Context(), "IPS/conduct", b), "was rewritten since it had 3")
	if now, err := c.seen("IPS/conduct"); err != nil || now.signed != longer.now.signed {
		t.Errorf("remembered %+v, %v", now, err)
	}
}
