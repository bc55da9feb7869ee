package entry_test

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	logv1 "github.com/lodd-rct/lodd/proto/lodd/log/v1"
	"github.com/lodd-rct/lodd/server/trial/entry"
)

// What an auditor reads holds nothing sealed, no definition and no hash of a
// code. (The golden files show that it is the same in every build: the library
// adds white space at random.)
func TestDescribeLeavesOutWhatIsSealed(t *testing.T) {
	for _, event := range append(samples(), grown()...) {
		_, detail, err := entry.Describe(marshal(t, whole(event)))
		if err != nil {
			t.Fatal(err)
		}
		for _, word := range []string{"sealed", "definition", "code_hash", "digest", "subject", "Y2lwaGVydGV4d", "lodd.form"} {
			if strings.Contains(detail, word) {
				t.Errorf("%T: %s is in %s", event, word, detail)
			}
		}
	}
	for _, tt := range []struct {
		name string
		b    []byte
	}{{"nothing", nil}, {"no entry", []byte("no entry")}} {
		if kind, detail, err := entry.Describe(tt.b); err == nil {
			t.Errorf("%s is described as %s %s", tt.name, kind, detail)
		}
	}
}

// Of all fields of bytes in the schema, an auditor reads exactly these: a new one
// stays hidden until somebody decides otherwise.
func TestDescribeShowsTheseBytesAlone(t *testing.T) {
	var shown []string
	for _, event := range samples() {
		pb := &logv1.Entry{}
		if err := proto.Unmarshal(marshal(t, whole(event)), pb); err != nil {
			t.Fatal(err)
		}
		m := pb.ProtoReflect()
		kind := m.Mutable(m.WhichOneof(m.Descriptor().Oneofs().ByName("kind"))).Message()
		fillBytes(kind, 3)
		_, detail, err := entry.Describe(encode(t, pb))
		if err != nil {
			t.Fatal(err)
		}
		var read any
		if err := json.Unmarshal([]byte(detail), &read); err != nil {
			t.Fatal(err)
		}
		for _, name := range namesOf(read) {
			shown = append(shown, string(kind.Descriptor().Name())+"."+name)
		}
	}
	slices.Sort(shown)
	if diff := cmp.Diff([]string{"DesignSealed.commitment", "Randomized.intent"}, shown); diff != "" {
		t.Error(diff)
	}
}

var marker = []byte("bytes that are shown")

// fillBytes sets every field of bytes in m, and in the messages of its fields
// down to a depth, to the marker.
func fillBytes(m protoreflect.Message, depth int) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		switch {
		case f.Kind() == protoreflect.BytesKind && f.IsList():
			m.Mutable(f).List().Append(protoreflect.ValueOfBytes(marker))
		case f.Kind() == protoreflect.BytesKind:
			m.Set(f, protoreflect.ValueOfBytes(marker))
		case f.Message() == nil || depth == 0:
		case f.IsList():
			fillBytes(m.Mutable(f).List().AppendMutable().Message(), depth-1)
		default:
			fillBytes(m.Mutable(f).Message(), depth-1)
		}
	}
}

// namesOf returns the names of the fields that hold the marker.
func namesOf(v any) []string {
	var names []string
	switch v := v.(type) {
	case map[string]any:
		for name, field := range v {
			if field == base64.StdEncoding.EncodeToString(marker) {
				names = append(names, name)
			}
			names = append(names, namesOf(field)...)
		}
	case []any:
		for _, element := range v {
			names = append(names, namesOf(element)...)
		}
	}
	return names
}
