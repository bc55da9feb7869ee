package main

import (
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"pgregory.net/rapid"

	logv1 "github.com/lodd-rct/lodd/proto/lodd/log/v1"
	"github.com/lodd-rct/lodd/server/trial/entry"
)

// Whatever is changed in a signed log, in whatever way, both verifiers find the
// same first fault or none.
func TestBothVerifiersAgreeOnRandomLogs(t *testing.T) {
	_, key := toldKeys(t)
	s := newSecond(t, key)
	good := tellTrial(t, func(*teller) {}).log
	ok, refused := 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		for range 5 {
			log := good.clone()
			for range rapid.SampledFrom([]int{1, 1, 2, 3}).Draw(rt, "changes") {
				change(rt, log)
			}
			v, err := s.compare(key, archived(t, log, everything))
			if err != nil {
				rt.Fatal(err)
			}
			if v.OK {
				ok++
			} else {
				refused++
			}
		}
	})
	if ok < 10 || refused < 10 {
		t.Errorf("%d archives were in order and %d were not: the test has no power", ok, refused)
	}
}

// change changes one thing in a log.
func change(rt *rapid.T, log toldLog) {
	list := rapid.SampledFrom([]string{"IPS/conduct", "IPS/conduct", "IPS/conduct", "IPS/outcome", "IPS/allocation", "IPS/delivery", "system"}).Draw(rt, "list")
	if len(log[list]) == 0 {
		return
	}
	i := rapid.IntRange(0, len(log[list])-1).Draw(rt, "index")
	other := rapid.SampledFrom([]string{list, "IPS/conduct", "IPS/outcome"}).Draw(rt, "other list")
	to := rapid.IntRange(0, len(log[other])).Draw(rt, "to")
	e := log[list][i]
	switch rapid.SampledFrom([]string{"field", "field", "field", "field", "bytes", "drop", "repeat", "move"}).Draw(rt, "change") {
	case "field":
		log[list][i] = changeField(rt, e)
	case "bytes":
		log[list][i] = flipped(e, rapid.IntRange(0, len(e)-1).Draw(rt, "byte"))
	case "drop":
		log[list] = without(log[list], i)
	case "repeat":
		log[other] = insert(log[other], to, e)
	case "move":
		log[list] = without(log[list], i)
		log[other] = insert(log[other], min(to, len(log[other])), e)
	}
}

func without(entries [][]byte, i int) [][]byte {
	return append(append([][]byte{}, entries[:i]...), entries[i+1:]...)
}

func insert(entries [][]byte, i int, e []byte) [][]byte {
	return append(append(append([][]byte{}, entries[:i]...), e), entries[i:]...)
}

// changeField changes a field of an entry, or of the messages in it.
func changeField(rt *rapid.T, stored []byte) []byte {
	pb := &logv1.Entry{}
	if err := proto.Unmarshal(stored[:max(0, len(stored)-entry.MACOverhead)], pb); err != nil {
		return stored
	}
	m := pb.ProtoReflect()
	for kind := m.WhichOneof(m.Descriptor().Oneofs().Get(0)); kind != nil && rapid.IntRange(0, 3).Draw(rt, "deeper") > 0; {
		m, kind = m.Mutable(kind).Message(), nil
		fields := messagesIn(m)
		if len(fields) > 0 && rapid.Bool().Draw(rt, "inside") {
			kind = rapid.SampledFrom(fields).Draw(rt, "message")
			if kind.IsList() {
				l := m.Mutable(kind).List()
				m, kind = l.Get(rapid.IntRange(0, l.Len()-1).Draw(rt, "element")).Message(), nil
			}
		}
	}
	if m.Descriptor().Fields().Len() == 0 {
		return stored
	}
	fields := m.Descriptor().Fields()
	setField(rt, m, fields.Get(rapid.IntRange(0, fields.Len()-1).Draw(rt, "field")))
	body, err := proto.MarshalOptions{Deterministic: true}.Marshal(pb)
	if err != nil {
		rt.Fatal(err)
	}
	return coded(body)
}

// messagesIn returns the fields of m in which there are messages.
func messagesIn(m protoreflect.Message) (fields []protoreflect.FieldDescriptor) {
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		if f.Message() != nil && (!f.IsList() || v.List().Len() > 0) {
			fields = append(fields, f)
		}
		return true
	})
	return fields
}

func setField(rt *rapid.T, m protoreflect.Message, f protoreflect.FieldDescriptor) {
	if f.IsList() {
		l := m.Mutable(f).List()
		if n := l.Len(); n > 0 && rapid.Bool().Draw(rt, "shorter") {
			l.Truncate(n - 1)
		} else if n > 0 {
			l.Append(l.Get(rapid.IntRange(0, n-1).Draw(rt, "again")))
		}
		return
	}
	texts := []string{
		"", "P1", "P2", "P4", "P6", "P7", "P10", "P99", "OSL", "BGO", "male", "female", "OSL/sex=male", "OSL/sex=female", "IPS", "1", "2",
		"2025-08-31", "2025-09-01", "2026-02-13", "2026-02-28", "1899-12-31", "2025-02-29", "25-01-01", "baseline", "month-6", "month-12",
		"audit", "guess", "jobs", "history", "coordinator", "assessor", "kari", "per", "data", "follow-up", "intervention", "moved", "other",
		"inspector", "ola", "server", "treatment-team", "site", "authorship", "approval", "remarks", "work", "regulator", "inspection",
		"declined", "not-eligible", "wrong-stratum", "Europe/Oslo", "Asia/Tokyo", "Mars/Olympus", "Local", "UTC", "æ\x7f\u2028",
	}
	switch f.Kind() {
	case protoreflect.StringKind:
		m.Set(f, protoreflect.ValueOfString(rapid.SampledFrom(texts).Draw(rt, "text")))
	case protoreflect.BytesKind:
		m.Set(f, protoreflect.ValueOfBytes(changeBytes(rt, m.Get(f).Bytes())))
	case protoreflect.BoolKind:
		m.Set(f, protoreflect.ValueOfBool(!m.Get(f).Bool()))
	case protoreflect.Int32Kind:
		m.Set(f, protoreflect.ValueOfInt32(int32(changeNumber(rt, m.Get(f).Int()))))
	case protoreflect.Int64Kind:
		m.Set(f, protoreflect.ValueOfInt64(changeNumber(rt, m.Get(f).Int())))
	case protoreflect.Uint32Kind:
		m.Set(f, protoreflect.ValueOfUint32(uint32(changeNumber(rt, int64(m.Get(f).Uint())))))
	default: // a message: away with it, and with whatever else is in its place
		m.Clear(f)
	}
}

func changeBytes(rt *rapid.T, b []byte) []byte {
	if len(b) == 0 || rapid.Bool().Draw(rt, "other length") {
		return make([]byte, rapid.SampledFrom([]int{0, 1, 16, 32}).Draw(rt, "length"))
	}
	return flipped(b, 0)
}

func changeNumber(rt *rapid.T, n int64) int64 {
	day := (24 * time.Hour).Milliseconds()
	by := []int64{1, -1, 2, -2, 60_000, -60_000, 15 * 60_000, 15*60_000 + 1, day, -day, 200 * day, 1 << 31, 1 << 40, 1 << 50, -1 << 50, 1<<62 + 1<<61}
	if rapid.IntRange(0, 5).Draw(rt, "zero") == 0 {
		return rapid.SampledFrom([]int64{0, -1, 1, 255, 256, 1<<63 - 1, -1 << 63, -62135596800001, 253402300800000}).Draw(rt, "number")
	}
	return n + rapid.SampledFrom(by).Draw(rt, "by")
}
