package entry

import (
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/lodd-rct/lodd/server/people"
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
func (f *fields) event() any {
	in := fields{rest: f.bytes(), words: f.words}
	var e any
	switch f.number {
	case 26:
		e = in.screened()
	case 27:
		e = in.consented()
	case 28:
		e = in.assessed()
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
	case 57:
		e = in.signed()
	case 63:
		e = people.SignedIn{Session: in.only()}
	case 65:
		e = people.SignedOut{Session: in.only()}
	case 84:
		e = in.contact()
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

func (f *fields) consented() trial.Event {
	var e trial.Consented
	for f.next() {
		switch f.number {
		case 1:
			e.Participant = trial.ParticipantID(f.text())
		case 2:
			e.Consent.Version = f.word()
		case 3:
			e.Consent.On = f.date()
		default:
			f.bad = true
		}
	}
	return e
}

func (f *fields) assessed() trial.Event {
	var e trial.EligibilityAssessed
	for f.next() {
		switch f.number {
		case 1:
			e.Participant = trial.ParticipantID(f.text())
		case 2:
			e.Eligible = protowire.DecodeBool(f.varint())
		case 3:
			e.Sealed = f.bytes()
		default:
			f.bad = true
		}
	}
	return e
}

func (f *fields) prepared() trial.Event {
	return trial.Prepared{Participant: trial.ParticipantID(f.only())}
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

func (f *fields) signed() trial.Event {
	var e trial.FormSigned
	digest := 0
	for f.next() {
		switch f.number {
		case 1:
			e.Participant = trial.ParticipantID(f.text())
		case 2:
			e.Visit = trial.VisitID(f.word())
		case 3:
			e.Form = trial.FormID(f.word())
		case 4:
			e.At = int64(f.varint())
		case 5:
			digest = copy(e.Digest[:], f.exactly(len(e.Digest)))
		case 6:
			e.Meaning = trial.Code(f.word())
		case 7:
			e.Name = f.word()
		default:
			f.bad = true
		}
	}
	f.bad = f.bad || digest == 0
	return e
}

func (f *fields) contact() trial.Event {
	var e trial.ContactRecorded
	for f.next() {
		f.bad = f.bad || f.number != 1
		e.Sealed = f.bytes()
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
