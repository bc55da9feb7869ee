package entry_test

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	logv1 "github.com/lodd-rct/lodd/proto/lodd/log/v1"
	"github.com/lodd-rct/lodd/server/people"
	"github.com/lodd-rct/lodd/server/trial"
	"github.com/lodd-rct/lodd/server/trial/entry"
)

// Every kind reads back as it was written, and as nothing else.
func TestStrictReadsWhatWasWritten(t *testing.T) {
	for _, event := range append(samples(), grown()...) {
		b := entry.Authenticate(marshal(t, whole(event)), macKey, "IPS/conduct", 7)
		if got, err := entry.Strict(b); err != nil || !cmp.Equal(got, whole(event)) {
			t.Errorf("%T reads as %+v, %v", event, got, err)
		}
		body := b[:len(b)-entry.MACOverhead]
		for name, other := range map[string][]byte{
			"without a code": body, "with another byte": append(bytes.Clone(b), 0), "with two codes": slices.Concat(b, b[len(body):]),
			"with the version again": slices.Concat(b[:2], b),
		} {
			if e, err := entry.Strict(other); err == nil {
				t.Errorf("%T %s reads as %+v", event, name, e)
			}
		}
	}
}

// A message that is there without content isn't one that is not there.
func TestStrictWantsEveryMessage(t *testing.T) {
	for _, tt := range []struct {
		event any
		drop  func(*logv1.Entry)
	}{
		{trial.FormDefined{Form: trial.Form{ID: "audit", Version: 1}}, func(e *logv1.Entry) { e.GetFormDefined().Title = nil }},
		{trial.Created{Protocol: protocol()}, func(e *logv1.Entry) { e.GetTrialCreated().Title = nil }},
		{people.Granted{}, func(e *logv1.Entry) { e.GetRoleGranted().Grant = nil }},
		{people.Granted{Expires: time.UnixMilli(1)}, func(e *logv1.Entry) { e.GetRoleGranted().Grant = nil }},
	} {
		pb := &logv1.Entry{}
		if err := proto.Unmarshal(marshal(t, whole(tt.event)), pb); err != nil {
			t.Fatal(err)
		}
		if e, err := entry.Strict(entry.Authenticate(encode(t, pb), macKey, "system", 0)); err != nil || e.Event == nil {
			t.Fatalf("%T unchanged: %v", tt.event, err)
		}
		tt.drop(pb)
		if e, err := entry.Strict(entry.Authenticate(encode(t, pb), macKey, "system", 0)); err == nil {
			t.Errorf("%T without a message reads as %+v", tt.event, e)
		}
	}
}
