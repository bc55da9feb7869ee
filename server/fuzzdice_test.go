package server_test

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

// A dice throws the same numbers for the same name.
type dice struct {
	random *stream
	words  map[string][]string // by the name of a field; "" for every other

	careful     bool   // nothing is left out or made up
	participant string // named last
}

// below returns a number from 0 to n-1. That some are a little likelier is no
// matter here.
func (d *dice) below(n int) int {
	var b [4]byte
	_, _ = d.random.Read(b[:]) // a stream doesn't end
	return int(binary.BigEndian.Uint32(b[:]) % uint32(n))
}

func one[T any](d *dice, of []T) T { return of[d.below(len(of))] }

// request returns a request of a type. Most fields of most are good, so that some
// requests get far.
func (d *dice) request(of protoreflect.MessageDescriptor) []byte {
	m := dynamicpb.NewMessage(of)
	d.careful = d.below(2) == 0
	d.fill(m, 0)
	b, err := proto.MarshalOptions{AllowPartial: true, Deterministic: true}.Marshal(m)
	if err != nil {
		b = nil // text that is no UTF-8; below it comes as bytes
	}
	if !d.careful && d.below(4) == 0 {
		b = d.damage(b)
	}
	return b
}

// damage returns bytes that may be no request at all.
func (d *dice) damage(b []byte) []byte {
	switch d.below(4) {
	case 0:
		return b[:d.below(len(b)+1)]
	case 1:
		return append(b, byte(d.below(256)), byte(d.below(256)))
	default:
		for range 1 + d.below(3) {
			if len(b) > 0 {
				b[d.below(len(b))] = byte(d.below(256))
			}
		}
		return b
	}
}

func (d *dice) fill(m protoreflect.Message, depth int) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		if f.Name() != "trial_id" && f.Name() != "request_id" && !d.careful && d.below(6) == 0 {
			continue
		}
		switch {
		case f.IsMap():
			entries := m.Mutable(f).Map()
			for range d.below(4) {
				value := entries.NewValue()
				if f.MapValue().Message() == nil {
					value = d.value(f.MapValue())
				}
				key := d.value(f.MapKey())
				if f.MapKey().Kind() == protoreflect.StringKind {
					key = protoreflect.ValueOfString(d.text(string(f.Name())))
				}
				entries.Set(key.MapKey(), value)
			}
		case f.IsList():
			list := m.Mutable(f).List()
			for range d.below(3) {
				if f.Message() == nil {
					list.Append(d.value(f))
				} else if depth < 3 {
					d.fill(list.AppendMutable().Message(), depth+1)
				}
			}
		case f.Message() != nil:
			if depth < 3 {
				d.fill(m.Mutable(f).Message(), depth+1)
			}
		default:
			m.Set(f, d.value(f))
		}
	}
}

func (d *dice) value(f protoreflect.FieldDescriptor) protoreflect.Value {
	some := []int64{0, 1, 1, 1, 2, 3, 7, 10, 30, 1000, -1, math.MaxInt32, math.MinInt32, math.MaxInt64}
	n := one(d, some)
	if d.careful {
		n = some[d.below(2)]
	}
	switch f.Kind() {
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(d.below(2) == 0)
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(protoreflect.EnumNumber(n))
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		return protoreflect.ValueOfInt32(int32(n))
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		return protoreflect.ValueOfInt64(n)
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return protoreflect.ValueOfUint32(uint32(n))
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return protoreflect.ValueOfUint64(uint64(n))
	case protoreflect.FloatKind:
		return protoreflect.ValueOfFloat32(float32(n) / 3)
	case protoreflect.DoubleKind:
		return protoreflect.ValueOfFloat64(float64(n) / 3)
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes([]byte(d.text(string(f.Name()))))
	default:
		return protoreflect.ValueOfString(d.text(string(f.Name())))
	}
}

// text returns what may stand in a field: most often what is right there.
func (d *dice) text(field string) string {
	if field == "request_id" && (d.careful || d.below(3) > 0) { // a new one
		return fmt.Sprintf("10000000-0000-4000-8000-%06x%06x", d.below(1<<24), d.below(1<<24))
	}
	if field == "confirm" && d.below(4) > 0 {
		return d.participant
	}
	known := d.words[field]
	if d.careful && len(known) == 0 {
		return ""
	}
	if len(known) > 0 && (d.careful || d.below(8) > 0) {
		word := one(d, known)
		if field == "participant" {
			d.participant = word
		}
		return word
	}
	if d.below(2) == 0 {
		return one(d, d.words[""])
	}
	letters := []rune("aA zæÆ0189-_./\\:;,\"'{}[]()<>%#@&\n\t\x00\u00ad\u200b\u202eΩ𝛀")
	var b strings.Builder
	for range d.below(40) {
		b.WriteRune(one(d, letters))
	}
	return b.String()
}
