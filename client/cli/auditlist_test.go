package cli

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// What the server sends is taken as far as the log can have it: by ascending
// index, below the signed head, and of the lists that it shows.
func TestAuditListEndsAtTheHead(t *testing.T) {
	entry := func(list string, index int64) proto.Message {
		return &loddv1.ListEntriesResponse{List: list, Index: index}
	}
	for _, tt := range []struct {
		name    string
		entries []proto.Message
		want    string // what is wrong
	}{
		{"all", []proto.Message{entry("IPS/conduct", 0), entry("IPS/conduct", 2), entry("system", 0)}, ""},
		{"one's own", []proto.Message{entry("IPS/conduct", 1)}, ""},
		{"none", []proto.Message{}, ""},
		{"one beyond the head", []proto.Message{entry("IPS/conduct", 2), entry("IPS/conduct", 3)}, "entry 3 of IPS/conduct, where one between 3 and 2"},
		{"one twice", []proto.Message{entry("system", 0), entry("system", 0)}, "entry 0 of system"},
		{"one before the first", []proto.Message{entry("system", -1)}, "entry -1 of system"},
		{"one of another list", []proto.Message{entry("IPT/\x1bconduct", 0)}, "an entry of IPT/\ufffdconduct"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, nil)
			w.serveLog()
			w.fake.answers["ListEntries"] = tt.entries
			o := w.run("audit", "list", "-o", "jsonl")
			if tt.want == "" && (o.code != exitDone || strings.Count(o.stdout, "\n") != len(tt.entries)) {
				t.Errorf("exit %d, %s%s", o.code, o.stdout, o.stderr)
			}
			if tt.want != "" && (o.code == exitDone || o.stdout != "" || !strings.Contains(o.stderr, tt.want)) {
				t.Errorf("exit %d, %s%s, want %q", o.code, o.stdout, o.stderr, tt.want)
			}
		})
	}
}
