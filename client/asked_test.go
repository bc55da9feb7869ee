package client

import (
	"encoding/hex"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/lodd-rct/lodd/audit"
	logv1 "github.com/lodd-rct/lodd/proto/lodd/log/v1"
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

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
	opened := func(actor, participant string) []byte {
		b, err := proto.Marshal(&logv1.Entry{Actor: actor, Kind: &logv1.Entry_ContingencyUsed{ContingencyUsed: &logv1.ContingencyUsed{Participant: participant}}})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	record := &loddv1.RecordContingencyAllocationRequest{TrialId: "IPS", RequestId: requestOf("P3"), Participant: "P3"}
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
		{"a question about somebody with an envelope", question, false, opened("per", "P3"), 7, true},
		{"a question about another one with an envelope", question, false, opened("kari", "P1"), 7, false},
		{"an envelope instead", ask, false, opened("kari", "P3"), 7, false},
		{"an envelope before", ask, true, opened("per", "P3"), 7, true},
		{"an envelope recorded before", record, true, opened("per", "P3"), 7, true},
		{"an envelope of another's", record, false, opened("per", "P3"), 7, false},
		{"no envelope", record, true, randomized("kari", "P3", id), 7, false},
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

// The receipt of a reported adverse event is of the event, and for a treatment
// team of the server's entry that says, sealed, who reported it; neither stands
// for the other.
func TestReceiptsOfAdverseEvents(t *testing.T) {
	id, err := hex.DecodeString(strings.ReplaceAll(requestOf("P3"), "-", ""))
	if err != nil {
		t.Fatal(err)
	}
	marshal := func(e *logv1.Entry) []byte {
		b, err := proto.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	event := &logv1.Entry_AdverseEventReported{AdverseEventReported: &logv1.AdverseEventReported{Participant: "P3"}}
	taken := &logv1.Entry_EventTakenIn{EventTakenIn: &logv1.EventTakenIn{Number: 1, Sealed: []byte("who")}}
	for _, tt := range []struct {
		name, list string
		entry      *logv1.Entry
		ok         bool
	}{
		{"of a site", "IPS/conduct", &logv1.Entry{Actor: "kari", RequestId: id, Kind: event}, true},
		{"of a team", "IPS/delivery", &logv1.Entry{Actor: "server", RequestId: id, Kind: taken}, true},
		{"of a team, with the server's entry", "IPS/conduct", &logv1.Entry{Actor: "server", Kind: event}, false},
		{"of a team, by a person", "IPS/delivery", &logv1.Entry{Actor: "kari", RequestId: id, Kind: taken}, false},
		{"of a team, of another request", "IPS/delivery", &logv1.Entry{Actor: "server", RequestId: id[:8], Kind: taken}, false},
		{"a contact instead", "IPS/delivery", &logv1.Entry{Actor: "server", RequestId: id, Kind: &logv1.Entry_ContactRecorded{ContactRecorded: &logv1.ContactRecorded{Sealed: []byte("who")}}}, false},
		{"taken in where events are", "IPS/conduct", &logv1.Entry{Actor: "server", RequestId: id, Kind: taken}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, b := &Client{config: Config{User: "kari"}}, marshal(tt.entry)
			r := Receipt{List: tt.list, Index: 7, Leaf: leaf(audit.Leaf(b))}
			r.Request = c.asked(&loddv1.ReportAdverseEventRequest{TrialId: "IPS", RequestId: requestOf("P3"), Participant: "P3"}, nil, &loddv1.Receipt{List: tt.list})
			if err := r.answers(b); (err == nil) != tt.ok {
				t.Error(err)
			}
		})
	}
}

// listsOfKinds reads from the description of the log in which compartments an entry
// of a kind can stand; conduct where nothing is said.
func listsOfKinds(t *testing.T) func(kind string) []string {
	t.Helper()
	b, err := os.ReadFile("../docs/log-format.md")
	if err != nil {
		t.Fatal(err)
	}
	lists := map[string][]string{}
	quoted := regexp.MustCompile("`([a-z_/T]+)`")
	for _, row := range regexp.MustCompile("(?m)^\\| (`T/[^|]*) \\|([^|]*)\\|$").FindAllStringSubmatch(string(b), -1) {
		for _, kind := range quoted.FindAllStringSubmatch(row[2], -1) {
			for _, list := range quoted.FindAllStringSubmatch(row[1], -1) {
				lists[kind[1]] = append(lists[kind[1]], strings.TrimPrefix(list[1], "T/"))
			}
		}
	}
	if len(lists) < 15 {
		t.Fatalf("%d kinds outside conduct", len(lists))
	}
	kinds := (&logv1.Entry{}).ProtoReflect().Descriptor().Oneofs().ByName("kind").Fields()
	return func(kind string) []string {
		switch l, d := lists[kind], kinds.ByName(protoreflect.Name(kind)); {
		case l != nil:
			return slices.Sorted(slices.Values(l))
		case d != nil && d.Number() >= 60 && d.Number() <= 74: // as the document says of system
			return []string{"system"}
		}
		return []string{"conduct"}
	}
}

// Every method whose answer has a receipt is known by the entry that it makes, and
// by the lists in which that can stand.
func TestEveryReceiptIsBoundToAKindAndItsLists(t *testing.T) {
	lists := listsOfKinds(t)
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
				kind := kindOf(req.New().Interface())
				if kinds.ByName(protoreflect.Name(kind)) == nil {
					t.Errorf("%s makes an entry of kind %q", m.FullName(), kind)
				}
				for _, kind := range []string{kind, takenIn} {
					if diff := cmp.Diff(lists(kind), compartmentsOf(kind)); diff != "" {
						t.Errorf("%s: %s: %s", m.FullName(), kind, diff)
					}
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
