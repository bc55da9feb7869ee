package entry

import (
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/lodd-rct/lodd/server/trial"
)

// quick returns what [Unmarshal] does for the kinds of which a log has most, or
// nothing if the entry is of another kind or in any way unusual: then the
// standard library decides what it is. A log is read at every start, and the
// standard library takes half of that time.
func quick(b []byte, w *words) (e Entry, ok bool) {
	f := fields{rest: b, words: w}
	var version, nonce uint64
	for f.next() {
		switch f.number {
		case 1:
			version = f.varint()
		case 2:
			nonce = uint64(copy(e.Nonce[:], f.exactly(NonceSize)))
		case 3:
			e.At = time.UnixMilli(int64(f.varint())).UTC()
		case 4:
			e.Actor = f.word()
		case 5:
			e.Role = f.word()
		case 6:
			copy(e.Request[:], f.exactly(len(e.Request)))
		case 7:
			e.ConductSize = int64(f.varint())
		case 100:
			f.bytes() // the code
		default:
			f.bad = f.bad || e.Event != nil // two kinds: which one holds?
			e.Event = f.event()
		}
	}
	return e, !f.bad && version == Version && nonce == NonceSize && e.Event != nil && !e.At.IsZero()
}

// event returns the event in a field of the oneof.
func (f *fields) event() trial.Event {
	in := fields{rest: f.bytes(), words: f.words}
	var e trial.Event
	switch f.number {
	case 26:
		e = in.screened()
	case 30:
		e = in.prepared()
	case 31:
		e = in.randomized()
	case 32:
		e = in.allocated()
	case 33:
		e = in.submitted()
	case 34:
		e = in.corrected()
	default:
		in.bad = true
	}
	f.bad = f.bad || in.bad
	return e
}

func (f *fields) screened() trial.Event {
	var e trial.Screened
	for f.next() {
		switch f.number {
		case 1:
			e.Participant = trial.ParticipantID(f.text())
		case 2:
			e.Site = trial.SiteID(f.word())
		case 3:
			e.Levels = append(e.Levels, trial.Code(f.word()))
		case 4:
			e.On = f.date()
		case 5:
			e.Consent.Version = f.word()
		case 6:
			e.Consent.On = f.date()
		case 7:
			e.Assessed = protowire.DecodeBool(f.varint())
		case 8:
			e.Eligible = protowire.DecodeBool(f.varint())
		case 9:
			e.Sealed = f.bytes()
		default:
			f.bad = true
		}
	}
	return e
}

func (f *fields) prepared() trial.Event {
	var e trial.Prepared
	for f.next() {
		switch f.number {
		case 1:
			e.Participant = trial.ParticipantID(f.text())
		default:
			f.bad = true
		}
	}
	return e
}

func (f *fields) randomized() trial.Event {
	var e trial.Randomized
	intent := 0
	for f.next() {
		switch f.number {
		case 1:
			e.Participant = trial.ParticipantID(f.text())
		case 2:
			intent = copy(e.Intent[:], f.exactly(len(e.Intent)))
		default:
			f.bad = true
		}
	}
	f.bad = f.bad || intent == 0
	return e
}

func (f *fields) allocated() trial.Event {
	var e trial.Allocated
	for f.next() {
		switch f.number {
		case 1:
			e.Participant = trial.ParticipantID(f.text())
		case 2:
			e.Stratum = trial.Stratum(f.word())
		case 3:
			e.Slot = int(int64(f.varint()))
		case 4:
			e.Sealed = f.bytes()
		case 5:
			e.Contingency = protowire.DecodeBool(f.varint())
		default:
			f.bad = true
		}
	}
	return e
}

func (f *fields) submitted() trial.Event {
	var e trial.FormSubmitted
	for f.next() {
		switch f.number {
		case 5:
			e.On = f.date()
		case 6:
			e.Sealed = f.bytes()
		case 7:
			e.Held = append(e.Held, trial.Code(f.word()))
		default:
			f.form(&e.Participant, &e.Visit, &e.Form, &e.Version)
		}
	}
	return e
}

func (f *fields) corrected() trial.Event {
	var e trial.FormCorrected
	for f.next() {
		switch f.number {
		case 5:
			e.Sealed = f.bytes()
		case 6:
			e.Held = append(e.Held, trial.Code(f.word()))
		default:
			f.form(&e.Participant, &e.Visit, &e.Form, &e.Version)
		}
	}
	return e
}

// form reads one of the fields that say which form of whom it is.
func (f *fields) form(p *trial.ParticipantID, v *trial.VisitID, id *trial.FormID, version *int) {
	switch f.number {
	case 1:
		*p = trial.ParticipantID(f.text())
	case 2:
		*v = trial.VisitID(f.word())
	case 3:
		*id = trial.FormID(f.word())
	case 4:
		*version = int(int32(f.varint()))
	default:
		f.bad = true
	}
}

// fields are the fields of a message, one after another. A field that comes
// twice holds what it held last, as in the standard library.
//
// Source: Protocol Buffers (2024), Encoding.
type fields struct {
	rest  []byte
	words *words
	bad   bool // something is not as expected; there are no more fields then

	number protowire.Number
	kind   protowire.Type
	value  uint64 // of a varint
	data   []byte // of text, bytes and messages
}

// next goes to the next field, if there is one.
func (f *fields) next() bool {
	if f.bad || len(f.rest) == 0 {
		return false
	}
	n := 0
	f.number, f.kind, n = protowire.ConsumeTag(f.rest)
	if f.bad = n < 0; f.bad {
		return false
	}
	f.rest = f.rest[n:]
	switch f.kind {
	case protowire.VarintType:
		f.value, n = protowire.ConsumeVarint(f.rest)
	case protowire.BytesType:
		f.data, n = protowire.ConsumeBytes(f.rest)
	default:
		n = -1
	}
	if f.bad = n < 0; f.bad {
		return false
	}
	f.rest = f.rest[n:]
	return true
}

func (f *fields) varint() uint64 {
	f.bad = f.bad || f.kind != protowire.VarintType
	return f.value
}

func (f *fields) bytes() []byte {
	if f.kind != protowire.BytesType {
		f.bad = true
		return nil
	}
	return f.data[:len(f.data):len(f.data)]
}

// exactly returns n bytes.
func (f *fields) exactly(n int) []byte {
	b := f.bytes()
	f.bad = f.bad || len(b) != n
	return b
}

// utf8 returns the bytes of a text.
func (f *fields) utf8() []byte {
	b := f.bytes()
	f.bad = f.bad || !utf8.Valid(b)
	return b
}

// text returns a text of which there are many.
func (f *fields) text() string { return string(f.utf8()) }

// word returns a text that most entries share.
func (f *fields) word() string { return f.words.text(f.utf8()) }

func (f *fields) date() trial.Date {
	d, ok := f.words.date(f.utf8())
	f.bad = f.bad || !ok
	return d
}
