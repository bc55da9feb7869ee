package entry_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	logv1 "github.com/lodd-rct/lodd/proto/lodd/log/v1"
	"github.com/lodd-rct/lodd/server/people"
	"github.com/lodd-rct/lodd/server/trial"
	"github.com/lodd-rct/lodd/server/trial/entry"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// whole returns an entry of an event with every field filled in.
func whole(event any) entry.Entry {
	e := entry.Entry{At: time.UnixMilli(1795000000123).UTC(), Actor: "kari", Role: "coordinator", Request: trial.RequestID{9, 8, 7}, ConductSize: 42, Event: event}
	for i := range e.Nonce {
		e.Nonce[i] = byte(i)
	}
	return e
}

func marshal(t testing.TB, e entry.Entry) []byte {
	t.Helper()
	b, err := entry.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A golden file of a kind: its name in the schema, what an auditor reads of it,
// and the bytes of the entry.
func golden(t testing.TB, b []byte) (name, text string) {
	t.Helper()
	kind, detail, err := entry.Describe(b)
	if err != nil {
		t.Fatal(err)
	}
	text = kind + "\n" + detail + "\n"
	for line := range slices.Chunk(b, 32) {
		text += hex.EncodeToString(line) + "\n"
	}
	return filepath.Join("testdata", kind+".golden"), text
}

// The bytes of a log are read for ever: a changed golden file is a log that
// can't be read.
func TestEveryKindHasItsBytes(t *testing.T) { haveTheirBytes(t, ".", samples()) }

// A kind that got fields reads as before without them, and has a second file
// with them.
func TestGrownKindsHaveTheirBytes(t *testing.T) { haveTheirBytes(t, "grown", grown()) }

func haveTheirBytes(t *testing.T, dir string, events []any) {
	for _, event := range events {
		t.Run(fmt.Sprintf("%T", event), func(t *testing.T) {
			name, text := golden(t, marshal(t, whole(event)))
			name = filepath.Join(filepath.Dir(name), dir, filepath.Base(name))
			if *update {
				if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), text); diff != "" {
				t.Error(diff)
			}
			if again, err := entry.Unmarshal(read(t, name)); err != nil || !cmp.Equal(again, whole(event)) {
				t.Errorf("the golden file reads as %+v, %v", again, err)
			}
		})
	}
}

// read returns the bytes of a golden file.
func read(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	b, err := hex.DecodeString(strings.Join(strings.Split(string(text), "\n")[2:], ""))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return b
}

// No type of event and no kind of the schema is without a golden file, and
// there is none of a kind that has gone.
func TestNoKindIsForgotten(t *testing.T) {
	var types []string
	for _, event := range samples() {
		types = append(types, fmt.Sprintf("%T", event))
	}
	slices.Sort(types)
	want := append(
		eventTypes(t, "../../people", "people.go", "signin.go"),
		eventTypes(t, "..", "events.go", "blinding.go", "safety.go", "signing.go")...,
	)
	if diff := cmp.Diff(want, types); diff != "" {
		t.Errorf("types of events: %s", diff)
	}
	var kinds []string
	fields := (&logv1.Entry{}).ProtoReflect().Descriptor().Oneofs().ByName("kind").Fields()
	for i := range fields.Len() {
		kinds = append(kinds, filepath.Join("testdata", string(fields.Get(i).Name())+".golden"))
	}
	slices.Sort(kinds)
	files, err := filepath.Glob("testdata/*.golden")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(kinds, files); diff != "" {
		t.Errorf("golden files: %s", diff)
	}
}

// Whether an entry has fields that this version doesn't know is looked for in
// the kind, not in other messages of the entry: there are none.
func TestOnlyKindsOfAnEntryAreMessages(t *testing.T) {
	fields := (&logv1.Entry{}).ProtoReflect().Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		inKind := f.ContainingOneof() != nil && f.ContainingOneof().Name() == "kind"
		if inKind != (f.Message() != nil) {
			t.Errorf("%s: a message: %t, a kind: %t; package entry must look for unknown fields in it", f.Name(), f.Message() != nil, inKind)
		}
	}
}

// An entry of a later version must not be half read.
func TestUnmarshalRefusesWhatItDoesNotKnow(t *testing.T) {
	unknown := protowire.AppendVarint(protowire.AppendTag(nil, 999, protowire.VarintType), 1)
	for _, tt := range []struct {
		name   string
		event  any
		change func(*logv1.Entry)
	}{
		{"a later version", trial.EnrolmentOpened{}, func(e *logv1.Entry) { e.Version = 2 }},
		{"no version", trial.EnrolmentOpened{}, func(e *logv1.Entry) { e.Version = 0 }},
		{"no kind", trial.EnrolmentOpened{}, func(e *logv1.Entry) { e.Kind = nil }},
		{"an unknown field", trial.EnrolmentOpened{}, func(e *logv1.Entry) { e.ProtoReflect().SetUnknown(unknown) }},
		{"an unknown field of the kind", trial.EnrolmentOpened{}, func(e *logv1.Entry) { e.GetEnrolmentOpened().ProtoReflect().SetUnknown(unknown) }},
		{"an unknown field in a list", trial.Created{Protocol: protocol()}, func(e *logv1.Entry) { e.GetTrialCreated().Arms[1].ProtoReflect().SetUnknown(unknown) }},
		{"an unknown field deep in a list", trial.Created{Protocol: protocol()}, func(e *logv1.Entry) {
			e.GetTrialCreated().Factors[0].Levels[0].Label.ProtoReflect().SetUnknown(unknown)
		}},
		{"no nonce", trial.EnrolmentOpened{}, func(e *logv1.Entry) { e.Nonce = nil }},
		{"a longer nonce", trial.EnrolmentOpened{}, func(e *logv1.Entry) { e.Nonce = make([]byte, 17) }},
		{"a shorter request id", trial.EnrolmentOpened{}, func(e *logv1.Entry) { e.RequestId = e.RequestId[:15] }},
		{"a shorter commitment", trial.DesignSealed{}, func(e *logv1.Entry) { e.GetDesignSealed().Commitment = make([]byte, 31) }},
		{"a longer commitment", trial.DesignSealed{}, func(e *logv1.Entry) { e.GetDesignSealed().Commitment = make([]byte, 33) }},
		{"a shorter intent", trial.Randomized{}, func(e *logv1.Entry) { e.GetRandomized().Intent = nil }},
		{"a longer intent", trial.Randomized{}, func(e *logv1.Entry) { e.GetRandomized().Intent = make([]byte, 17) }},
		{"a shorter hash", people.Invited{}, func(e *logv1.Entry) { e.GetAccountInvited().CodeHash = nil }},
		{"a longer hash", people.Invited{}, func(e *logv1.Entry) { e.GetAccountInvited().CodeHash = make([]byte, 33) }},
		{"a shorter digest of a form", trial.FormSigned{}, func(e *logv1.Entry) { e.GetFormSigned().Digest = make([]byte, 31) }},
		{"a longer digest of a plan", trial.PlanFrozen{}, func(e *logv1.Entry) { e.GetPlanFrozen().Digest = make([]byte, 33) }},
		{"a shorter hash of a recovery", people.RecoveryApproved{}, func(e *logv1.Entry) { e.GetRecoveryApproved().CodeHash = nil }},
		{"a longer hash of a subject", people.IdentityLinked{}, func(e *logv1.Entry) { e.GetIdentityLinked().Subject = make([]byte, 33) }},
		{"a role that ended before 1970", people.Granted{}, func(e *logv1.Entry) { e.GetRoleGranted().ExpiresUnixMs = -62135596800000 }},
		{"no date of an event", trial.AdverseEventReported{}, func(e *logv1.Entry) { e.GetAdverseEventReported().On = "2026-13-01" }},
		{"no date of a broken blind", trial.BlindBroken{}, func(e *logv1.Entry) { e.GetBlindBroken().On = "x" }},
		{"no date", trial.Died{}, func(e *logv1.Entry) { e.GetDied().On = "tomorrow" }},
		{"no date of a consent", trial.Screened{}, func(e *logv1.Entry) { e.GetScreened().ConsentOn = "2026-02-30" }},
		{"no date of an approval", trial.Created{Protocol: protocol()}, func(e *logv1.Entry) { e.GetTrialCreated().Consents[0].Approved = "x" }},
		{"a clock that stepped forward", trial.ClockSteppedBack{}, func(e *logv1.Entry) { e.GetClockSteppedBack().ByMs = -1 }},
		{"a clock that stepped out of time", trial.ClockSteppedBack{}, func(e *logv1.Entry) { e.GetClockSteppedBack().ByMs = 1 << 62 }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			pb := &logv1.Entry{}
			if err := proto.Unmarshal(marshal(t, whole(tt.event)), pb); err != nil {
				t.Fatal(err)
			}
			if _, err := entry.Unmarshal(encode(t, pb)); err != nil {
				t.Fatalf("unchanged: %v", err)
			}
			tt.change(pb)
			if e, err := entry.Unmarshal(encode(t, pb)); err == nil || e.Event != nil {
				t.Errorf("read as %+v, %v", e, err)
			}
		})
	}
}

func encode(t testing.TB, pb *logv1.Entry) []byte {
	t.Helper()
	b, err := proto.Marshal(pb)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestMarshalRefuses(t *testing.T) {
	for _, event := range []any{nil, "text", errors.New("x"), trial.Meta{}, &trial.Died{}, trial.Died{Participant: "\xff"}} {
		if b, err := entry.Marshal(whole(event)); err == nil {
			t.Errorf("%T became %x", event, b)
		}
	}
}

// A leaf hash must not confirm a guess: the nonce is in the bytes, and two
// entries that differ in it alone have other bytes.
func TestNonceIsInTheBytes(t *testing.T) {
	a, b := whole(trial.EnrolmentOpened{}), whole(trial.EnrolmentOpened{})
	b.Nonce[0] ^= 1
	if bytes.Equal(marshal(t, a), marshal(t, b)) || !bytes.Contains(marshal(t, a), a.Nonce[:]) {
		t.Error("the nonce is not in the bytes")
	}
}
