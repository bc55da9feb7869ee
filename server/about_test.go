package server

import (
	"reflect"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	logv1 "github.com/lodd-rct/lodd/proto/lodd/log/v1"
	"github.com/lodd-rct/lodd/server/trial/entry"
)

// No kind of entry that is about a participant is forgotten.
func TestParticipantOfEveryKind(t *testing.T) {
	kinds := (&logv1.Entry{}).ProtoReflect().Descriptor().Oneofs().ByName("kind").Fields()
	about := 0
	for i := range kinds.Len() {
		kind := kinds.Get(i)
		pb := &logv1.Entry{Version: entry.Version, Nonce: make([]byte, 16)}
		m := pb.ProtoReflect().Mutable(kind).Message()
		fields := m.Descriptor().Fields()
		for j := range fields.Len() {
			switch f := fields.Get(j); {
			case f.Cardinality() == protoreflect.Repeated:
			case f.Kind() == protoreflect.StringKind:
				m.Set(f, protoreflect.ValueOfString("2026-03-02")) // a date wherever one is wanted
			case f.Name() == "digest":
				m.Set(f, protoreflect.ValueOfBytes(make([]byte, 32)))
			case f.Kind() == protoreflect.BytesKind:
				m.Set(f, protoreflect.ValueOfBytes(make([]byte, 16)))
			}
		}
		f := fields.ByName("participant")
		if f == nil {
			continue
		}
		about++
		m.Set(f, protoreflect.ValueOfString("S-1"))
		b, err := proto.Marshal(pb)
		if err != nil {
			t.Fatal(err)
		}
		e, err := entry.Unmarshal(b)
		if err != nil {
			t.Fatalf("%s: %v", kind.Name(), err)
		}
		if got := participantOf(e.Event); got != "S-1" {
			t.Errorf("%s, a %v, is about %q", kind.Name(), reflect.TypeOf(e.Event), got)
		}
	}
	if about < 13 {
		t.Errorf("%d kinds are about a participant, which is too few to be true", about)
	}
}
