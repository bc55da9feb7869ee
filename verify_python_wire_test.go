package main

import (
	"bytes"
	"slices"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	logv1 "github.com/lodd-rct/lodd/proto/lodd/log/v1"
	"github.com/lodd-rct/lodd/server/trial/entry"
)

// rewritten returns a stored entry with a change.
func rewritten(t *testing.T, stored []byte, change func(*logv1.Entry)) []byte {
	t.Helper()
	pb := &logv1.Entry{}
	if err := proto.Unmarshal(stored[:len(stored)-entry.MACOverhead], pb); err != nil {
		t.Fatal(err)
	}
	change(pb)
	body, err := proto.MarshalOptions{Deterministic: true}.Marshal(pb)
	if err != nil {
		t.Fatal(err)
	}
	return coded(body)
}

// There is one way to write an entry, and both verifiers refuse any other.
func TestBothVerifiersReadOneWayOfWriting(t *testing.T) {
	_, key := toldKeys(t)
	s := newSecond(t, key)
	log := tellTrial(t, func(*teller) {}).log
	list, index := "IPS/conduct", int64(slices.IndexFunc(log["IPS/conduct"], isSubmitted))
	good := log[list][index]
	n := len(good) - entry.MACOverhead
	head, code := good[:kindAt(good)], good[n:]
	kind, _ := protowire.ConsumeBytes(good[len(head)+2:])
	number := func(n protowire.Number, v uint64) []byte {
		return protowire.AppendVarint(protowire.AppendTag(nil, n, protowire.VarintType), v)
	}
	text := func(n protowire.Number, v string) []byte {
		return protowire.AppendString(protowire.AppendTag(nil, n, protowire.BytesType), v)
	}
	submitted := func(fields ...[]byte) []byte {
		return slices.Concat(head, text(33, string(slices.Concat(fields...))), code)
	}
	version := bytes.Index(kind, number(4, 1))
	before, after := kind[:version], kind[version+2:]
	for name, b := range map[string][]byte{
		"as it is":                  submitted(kind),
		"a zero":                    slices.Concat(head[:len(head):len(head)], number(7, 0), good[len(head):]),
		"an empty text":             submitted(text(1, ""), kind[4:]),
		"a longer number":           submitted(before, []byte{0x20, 0x81, 0x00}, after),
		"a number of 65 bits":       submitted(before, []byte{0x20, 0x81, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x02}, after),
		"a number of eleven bytes":  submitted(before, []byte{0x20, 0x81, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00}, after),
		"a number of 33 bits":       submitted(before, number(4, 1<<32+1), after),
		"a field twice":             submitted(before, number(4, 1), number(4, 1), after),
		"another order":             submitted(number(4, 1), before, after),
		"an unknown field":          submitted(kind, number(7, 1)),
		"an unknown field around":   slices.Concat(good[:n], number(99, 1), code),
		"another type":              submitted(before, text(4, "1"), after),
		"a fixed number":            submitted(before, []byte{0x25, 1, 0, 0, 0}, after),
		"no UTF-8":                  submitted(text(1, "P\xff"), kind[4:]),
		"a length beyond the end":   slices.Concat(head, []byte{0x8a, 0x02, 0x7f}, kind, code),
		"an end within a number":    good[:n+1],
		"no code":                   good[:n],
		"a code twice":              slices.Concat(good, code),
		"a code of 17 bytes":        slices.Concat(good[:n], []byte{0xa2, 0x06, 17}, code[3:], []byte{1}),
		"no kind":                   slices.Concat(head, code),
		"two kinds":                 slices.Concat(good[:n], text(34, ""), code),
		"a kind in pieces":          slices.Concat(head, text(33, string(before)), text(33, string(kind[version:])), code),
		"a request id of no bytes":  slices.Concat(head[:len(head)-18], text(6, ""), good[len(head):]),
		"a request id of zero":      slices.Concat(head[:len(head)-18], text(6, string(make([]byte, 16))), good[len(head):]),
		"a request id of 15 bytes":  slices.Concat(head[:len(head)-18], text(6, string(make([]byte, 15))), good[len(head):]),
		"version 2":                 slices.Concat(number(1, 2), good[2:]),
		"a nonce of 15 bytes":       slices.Concat(good[:2], text(2, string(good[4:19])), good[20:]),
		"nothing":                   {},
		"a field of number 0":       slices.Concat([]byte{0x00, 0x01}, good),
		"a date of no calendar":     submitted(bytes.Replace(kind, []byte("-08-31"), []byte("-02-29"), 1)),
		"a date that isn't written": submitted(bytes.Replace(kind, text(5, "2025-08-31"), nil, 1)),
	} {
		t.Run(name, func(t *testing.T) {
			changed := log.clone()
			changed[list][index] = b
			want := verdict{List: list, Index: index}
			if name == "as it is" {
				want = verdict{OK: true, Index: -1, Replayed: true}
			}
			if got := s.mustAgree(t, key, archived(t, changed, everything)); got.place() != want {
				t.Errorf("%+v, want %+v", got, want)
			}
		})
	}
}

// kindAt returns where the kind of an entry begins.
func kindAt(e []byte) int {
	at := 0
	for {
		field, kind, n := protowire.ConsumeTag(e[at:])
		if n < 0 || field >= 20 {
			return at
		}
		at += n + max(0, protowire.ConsumeFieldValue(field, kind, e[at+n:]))
	}
}

// isSubmitted reports whether an entry is the first form of a story.
func isSubmitted(e []byte) bool {
	kind, _, err := entry.Describe(e)
	return err == nil && kind == "form_submitted"
}

// Texts for people are always written, even if they are empty.
func TestBothVerifiersWantTextsWritten(t *testing.T) {
	_, key := toldKeys(t)
	s := newSecond(t, key)
	log := newTeller(t).log
	for _, change := range []func(*logv1.Entry){
		func(e *logv1.Entry) { e.GetTrialCreated().Title = nil },
		func(e *logv1.Entry) { e.GetTrialCreated().Arms[1].Label = nil },
		func(e *logv1.Entry) { e.GetTrialCreated().Factors[0].Levels[0].Label = nil },
	} {
		changed := log.clone()
		changed["IPS/conduct"][0] = rewritten(t, changed["IPS/conduct"][0], change)
		if got := s.mustAgree(t, key, archived(t, changed, everything)); got.place() != (verdict{List: "IPS/conduct"}) {
			t.Errorf("%+v", got)
		}
	}
}
