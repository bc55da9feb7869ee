package protocol

import (
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/lodd-rct/lodd/server/instrument"
)

// The reference names every key of both files and every type of item.
func TestReferenceNamesEveryKey(t *testing.T) {
	data, err := os.ReadFile("../../docs/protocol-file.md")
	if err != nil {
		t.Fatal(err)
	}
	words := slices.Concat(protocolKeys, textKeys, armKeys, factorKeys, levelKeys, siteKeys, visitKeys, criterionKeys,
		consentKeys, formKeys, randomizationKeys, blockSizeKeys, weighedKeys)
	for _, v := range []any{instrument.Item{}, instrument.Option{}, instrument.Check{}} {
		for f := range reflect.TypeOf(v).Fields() {
			key, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			words = append(words, key)
		}
	}
	for _, t := range []instrument.Type{
		instrument.TypeText, instrument.TypeInteger, instrument.TypeDecimal, instrument.TypeDate, instrument.TypeChoice,
		instrument.TypeMulti, instrument.TypeScale, instrument.TypeCalc, instrument.TypeInfo,
	} {
		words = append(words, string(t))
	}
	for _, n := range namedDesigns {
		words = append(words, n.name)
	}
	for _, word := range words {
		if !strings.Contains(string(data), "`"+word+"`") {
			t.Errorf("`%s` isn't named", word)
		}
	}
}

// The examples of the reference are what the parser reads.
func TestReferenceExamples(t *testing.T) {
	data, err := os.ReadFile("../../docs/protocol-file.md")
	if err != nil {
		t.Fatal(err)
	}
	var blocks []string
	for i, part := range strings.Split(string(data), "```") {
		if text, ok := strings.CutPrefix(part, "yaml\n"); ok && i%2 == 1 {
			blocks = append(blocks, text)
		}
	}
	if len(blocks) < 2 {
		t.Fatalf("%d examples, want the items and the randomization files", len(blocks))
	}
	fits := rehearsal()
	fits.Sites = slices.Delete(fits.Sites, 1, 2)
	_, table, _ := strings.Cut(string(data), "```csv\n")
	table, _, _ = strings.Cut(table, "```")
	for _, example := range blocks[1:] {
		list := List{}
		if strings.Contains(example, "design: list") {
			list = List{[]byte(table), ListCSV}
		}
		if _, err := ParseDesign("example", []byte(example), list, fits); err != nil {
			t.Error(err)
		}
	}
	before := "- {id: job, type: choice, label: {en: J}, options: [{code: yes, label: {en: Y}}]}\n"
	for _, id := range []string{"audit_1", "audit_2", "audit_3", "mood_1", "mood_2", "mood_3", "mood_4", "mood_5"} {
		before += "- {id: " + id + ", type: scale, label: {en: S}, min: 0, max: 4}\n"
	}
	protocol := `id: T
title: {en: T}
time_zone: UTC
arms: [{id: a, label: {en: A}}, {id: b, label: {en: B}}]
sites: [{id: S, name: S}]
visits: [{id: v, label: {en: V}, months: 0}]
criteria: [{id: c, text: {en: C}, want: true}]
consents: [{version: 1, approved: 2026-01-01}]
forms:
  - id: f
    title: {en: F}
    visits: [v]
    by: assessor
    items:
` + "      " + strings.ReplaceAll(strings.TrimSpace(before+blocks[0]), "\n", "\n      ")
	if _, err := Parse("example", []byte(protocol)); err != nil {
		t.Error(err)
	}
}
