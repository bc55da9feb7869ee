package entry

import (
	"encoding/binary"
	"slices"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/lodd-rct/lodd/server/people"
	"github.com/lodd-rct/lodd/server/trial"
)

// quickAppend appends to b what [Marshal] returns, for the kinds of which a log
// has most, or says that it can't: then the standard library decides what the
// bytes are, or what is wrong.
func quickAppend(b []byte, e Entry) (out []byte, ok bool) {
	m := message{b: b}
	m.number(1, Version)
	m.bytes(2, e.Nonce[:])
	m.number(3, uint64(e.At.UnixMilli()))
	m.text(4, e.Actor)
	m.text(5, e.Role)
	if e.Request != (trial.RequestID{}) {
		m.bytes(6, e.Request[:])
	}
	m.number(7, uint64(e.ConductSize))
	at := len(m.b)
	kind := m.kind(e.Event)
	head := protowire.AppendTag(make([]byte, 0, 2*binary.MaxVarintLen32), kind, protowire.BytesType)
	head = protowire.AppendVarint(head, uint64(len(m.b)-at))
	return slices.Insert(m.b, at, head...), kind > 0 && !m.bad
}

// kind writes an event and returns the number of its field in an entry, or 0.
func (m *message) kind(event any) protowire.Number {
	switch e := event.(type) {
	case trial.Screened:
		return m.screened(e)
	case trial.Consented:
		m.text(1, string(e.Participant))
		m.text(2, e.Consent.Version)
		m.text(3, e.Consent.On.String())
		return 27
	case trial.EligibilityAssessed:
		m.text(1, string(e.Participant))
		m.bool(2, e.Eligible)
		m.bytes(3, e.Sealed)
		return 28
	case trial.Prepared:
		m.text(1, string(e.Participant))
		return 30
	case trial.Randomized:
		m.text(1, string(e.Participant))
		m.bytes(2, e.Intent[:])
		return 31
	case trial.Allocated:
		return m.allocated(e)
	case trial.FormSubmitted:
		return m.submitted(e)
	case trial.FormCorrected:
		return m.corrected(e)
	case trial.FormSigned:
		return m.signed(e)
	case trial.ContactRecorded:
		m.bytes(1, e.Sealed)
		return 84
	case people.SignedIn:
		m.text(1, e.Session)
		return 63
	case people.SignedOut:
		m.text(1, e.Session)
		return 65
	default:
		return 0
	}
}

func (m *message) screened(e trial.Screened) protowire.Number {
	m.text(1, string(e.Participant))
	m.text(2, string(e.Site))
	m.codes(3, e.Levels)
	m.text(4, e.On.String())
	m.text(5, e.Consent.Version)
	m.text(6, e.Consent.On.String())
	m.bool(7, e.Assessed)
	m.bool(8, e.Eligible)
	m.bytes(9, e.Sealed)
	return 26
}

func (m *message) allocated(e trial.Allocated) protowire.Number {
	m.text(1, string(e.Participant))
	m.text(2, string(e.Stratum))
	m.number(3, uint64(e.Slot))
	m.bytes(4, e.Sealed)
	m.bool(5, e.Contingency)
	return 32
}

func (m *message) submitted(e trial.FormSubmitted) protowire.Number {
	m.text(1, string(e.Participant))
	m.text(2, string(e.Visit))
	m.text(3, string(e.Form))
	m.number(4, uint64(int32(e.Version)))
	m.text(5, e.On.String())
	m.bytes(6, e.Sealed)
	m.codes(7, e.Held)
	return 33
}

func (m *message) corrected(e trial.FormCorrected) protowire.Number {
	m.text(1, string(e.Participant))
	m.text(2, string(e.Visit))
	m.text(3, string(e.Form))
	m.number(4, uint64(int32(e.Version)))
	m.bytes(5, e.Sealed)
	m.codes(6, e.Held)
	return 34
}

func (m *message) signed(e trial.FormSigned) protowire.Number {
	m.text(1, string(e.Participant))
	m.text(2, string(e.Visit))
	m.text(3, string(e.Form))
	m.number(4, uint64(e.At))
	m.bytes(5, e.Digest[:])
	m.text(6, string(e.Meaning))
	m.text(7, e.Name)
	return 57
}

// A message is written field by field. What is empty is left out, as in the
// standard library.
//
// Source: Protocol Buffers (2024), Encoding.
type message struct {
	b   []byte
	bad bool // a text is no UTF-8
}

func (m *message) number(field protowire.Number, v uint64) {
	if v != 0 {
		m.b = protowire.AppendVarint(protowire.AppendTag(m.b, field, protowire.VarintType), v)
	}
}

func (m *message) bool(field protowire.Number, v bool) { m.number(field, protowire.EncodeBool(v)) }

func (m *message) bytes(field protowire.Number, v []byte) {
	if len(v) > 0 {
		m.b = protowire.AppendBytes(protowire.AppendTag(m.b, field, protowire.BytesType), v)
	}
}

func (m *message) text(field protowire.Number, v string) {
	if v != "" {
		m.one(field, v)
	}
}

// codes writes every code, also an empty one.
func (m *message) codes(field protowire.Number, v []trial.Code) {
	for _, c := range v {
		m.one(field, string(c))
	}
}

func (m *message) one(field protowire.Number, v string) {
	m.bad = m.bad || !utf8.ValidString(v)
	m.b = protowire.AppendString(protowire.AppendTag(m.b, field, protowire.BytesType), v)
}
