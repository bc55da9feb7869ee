// Package entry turns events into the bytes of log entries and back, for ever.
//
// The format is the schema lodd.log.v1; its golden files are read by every
// later version.
package entry

import (
	"fmt"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	logv1 "github.com/lodd-rct/lodd/proto/lodd/log/v1"
	"github.com/lodd-rct/lodd/server/people"
	"github.com/lodd-rct/lodd/server/trial"
)

// Version is the version of the format that this package writes and reads.
const Version = 1

// NonceSize is the length of an entry's nonce in bytes.
const NonceSize = 16

// An Entry is one record of the log.
type Entry struct {
	Nonce       [NonceSize]byte
	At          time.Time // UTC, whole milliseconds
	Actor       string    // the account, or [trial.ServerActor]
	Role        string    // the role in which it acted, or empty
	Request     trial.RequestID
	ConductSize int64 // entries of the trial's conduct before this one; 0 in conduct and system
	// Event is a [trial.Event] or a [people.Event].
	Event any
}

// Marshal returns the bytes of e. The same entry always has the same bytes.
func Marshal(e Entry) ([]byte, error) {
	if b, ok := quickAppend(nil, e); ok {
		return b, nil
	}
	return standard(nil, e)
}

// standard appends the bytes of e to b, as the standard library makes them.
func standard(b []byte, e Entry) ([]byte, error) {
	pb := &logv1.Entry{
		Version: Version, Nonce: e.Nonce[:], AtUnixMs: e.At.UnixMilli(),
		Actor: e.Actor, Role: e.Role, ConductSize: e.ConductSize,
	}
	if e.Request != (trial.RequestID{}) {
		pb.RequestId = e.Request[:]
	}
	if err := setKind(pb, e.Event); err != nil {
		return nil, err
	}
	b, err := proto.MarshalOptions{Deterministic: true}.MarshalAppend(b, pb)
	if err != nil {
		return nil, fmt.Errorf("entry: marshal %T: %w", e.Event, err)
	}
	return b, nil
}

// Unmarshal returns the entry that Marshal made b of, with its code or without:
// see [Authentic]. It refuses what it doesn't know in full: an entry of a later
// version must not be half read.
func Unmarshal(b []byte) (Entry, error) {
	pb := &logv1.Entry{}
	if err := proto.Unmarshal(b, pb); err != nil {
		return Entry{}, fmt.Errorf("entry: %w", err)
	}
	if pb.GetVersion() != Version || unknown(pb.ProtoReflect()) {
		return Entry{}, fmt.Errorf("entry: version %d or a field of it is unknown; a later version of lodd wrote it", pb.GetVersion())
	}
	e := Entry{At: time.UnixMilli(pb.GetAtUnixMs()).UTC(), Actor: pb.GetActor(), Role: pb.GetRole(), ConductSize: pb.GetConductSize()}
	if err := fill(e.Nonce[:], pb.GetNonce(), "nonce"); err != nil {
		return Entry{}, err
	}
	if len(pb.GetRequestId()) > 0 {
		if err := fill(e.Request[:], pb.GetRequestId(), "request id"); err != nil {
			return Entry{}, err
		}
	}
	var err error
	if e.Event, err = kind(pb); err != nil {
		return Entry{}, err
	}
	return e, nil
}

func setKind(pb *logv1.Entry, event any) error {
	switch e := event.(type) {
	case trial.Event:
		return setTrialKind(pb, e)
	case people.Event:
		return setPeopleKind(pb, e)
	default:
		return fmt.Errorf("entry: unknown event %T", event)
	}
}

func kind(pb *logv1.Entry) (any, error) {
	if e, err := peopleKind(pb); e != nil || err != nil {
		return e, err
	}
	return trialKind(pb)
}

// Describe returns what an auditor may read of b: the kind of the event as the
// schema names it, and its open fields as a JSON object. What is sealed is left
// out, and so is every other field of bytes but the commitment and the intent.
func Describe(b []byte) (kind, detail string, err error) {
	pb := &logv1.Entry{}
	if err := proto.Unmarshal(b, pb); err != nil {
		return "", "", fmt.Errorf("entry: %w", err)
	}
	m := pb.ProtoReflect()
	field := m.WhichOneof(m.Descriptor().Oneofs().ByName("kind"))
	if field == nil {
		return "", "", fmt.Errorf("entry: no kind")
	}
	msg := m.Mutable(field).Message()
	hideBytes(msg)
	j, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(msg.Interface())
	if err != nil {
		return "", "", fmt.Errorf("entry: describe: %w", err)
	}
	return string(field.Name()), compact(j), nil
}

// shownBytes are the fields of bytes that may be read by whoever may read the
// entry: a commitment is made to be seen, and an intent is the id of a request.
func shownBytes(name protoreflect.Name) bool { return name == "commitment" || name == "intent" }

// hideBytes takes every other field of bytes out of m and the messages in it:
// ciphertext, hashes of codes, and whatever a later version adds.
func hideBytes(m protoreflect.Message) {
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.Kind() == protoreflect.BytesKind && !shownBytes(f.Name()):
			m.Clear(f)
		case f.Message() == nil:
		case f.IsList():
			for i := range v.List().Len() {
				hideBytes(v.List().Get(i).Message())
			}
		default:
			hideBytes(v.Message())
		}
		return true
	})
}

// compact takes out the white space that protojson adds at random.
func compact(j []byte) string {
	var out []byte
	inString := false
	for i := 0; i < len(j); i++ {
		switch c := j[i]; {
		case inString && c == '\\':
			out = append(out, c, j[i+1])
			i++
		case c == '"':
			inString = !inString
			out = append(out, c)
		case inString || c != ' ' && c != '\n':
			out = append(out, c)
		}
	}
	return string(out)
}

// unknown reports whether m or a message in it has fields that this version
// doesn't know. It looks at fields that hold messages only: ranging over all of
// them would cost as much as reading the entry.
func unknown(m protoreflect.Message) bool {
	if len(m.GetUnknown()) > 0 {
		return true
	}
	if kind := m.Descriptor().Oneofs().ByName("kind"); kind != nil { // of an entry, nothing else is a message
		f := m.WhichOneof(kind)
		return f != nil && unknownIn(m, f)
	}
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		if f := fields.Get(i); f.Message() != nil && m.Has(f) && unknownIn(m, f) {
			return true
		}
	}
	return false
}

// unknownIn is unknown for the messages in a field of m.
func unknownIn(m protoreflect.Message, f protoreflect.FieldDescriptor) bool {
	if !f.IsList() {
		return unknown(m.Get(f).Message())
	}
	list := m.Get(f).List()
	for i := range list.Len() {
		if unknown(list.Get(i).Message()) {
			return true
		}
	}
	return false
}
