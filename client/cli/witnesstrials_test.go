package cli

import (
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/lodd-rct/lodd/client"
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// A key that a profile names twice is a fault of the profile, and says nothing about
// the log.
func TestWitnessIsTrustedOnce(t *testing.T) {
	w, l := newAudited(t)
	_, key := witnessOfLog(t)
	w.saveProfile(client.Profile{Server: "lodd.test:443", Pin: w.pin, User: "kari", Trial: "IPS", LogKey: l.key, Witnesses: []string{key, key}})
	if o := w.run("audit", "verify"); o.code != exitUsage || !strings.Contains(o.stderr, "names the key of the witness witness twice") {
		t.Errorf("exit %d, %s", o.code, o.stderr)
	}
}

// A witness misses what an auditor may check, also if it was never offered, and signs
// no list that no trial has.
func TestWitnessMissesWhatItIsNotOffered(t *testing.T) {
	all := []string{"TAU/conduct", "TAU/outcome", "TAU/delivery", "TAU/allocation", "system"}
	for _, tt := range []struct {
		name  string
		roles []string // in TAU
		lists []string
		code  int
		says  string
	}{
		{"all", []string{"auditor"}, all, exitDone, ""},
		{"no allocation", []string{"auditor"}, slices.Concat(all[:3], all[4:]), exitNotVerified, "TAU/allocation: the server doesn't show this list"},
		{"no accounts", []string{"auditor", "monitor"}, all[:4], exitNotVerified, "system: the server doesn't show this list"},
		{"conduct alone", []string{"auditor"}, all[:1], exitNotVerified, "the server doesn't show this list"},
		{"one who assesses", []string{"assessor", "auditor"}, slices.Concat(all[:2], all[4:]), exitDone, ""},
		{"a list that no trial has", []string{"auditor"}, append([]string{"TAU/shadow"}, all...), exitNotVerified, "TAU/shadow: the server shows this list"},
		{"no auditor", []string{"custodian"}, slices.Concat(all[:1], all[3:4]), exitUnknown, "this account is no auditor of TAU"},
		{"no role", nil, all[:1], exitUnknown, "this account is no auditor of TAU"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, l := newAudited(t)
			l.entries["TAU/shadow"] = []string{"x"}
			me := &loddv1.WhoAmIResponse{User: "kari", LogKey: l.key, ExportKey: "x"}
			for _, role := range tt.roles {
				me.Roles = append(me.Roles, &loddv1.HeldRole{TrialId: "TAU", Role: role})
			}
			w.fake.answers["WhoAmI"] = me
			w.fake.answers["ListCompartments"] = func(proto.Message) any { return &loddv1.ListCompartmentsResponse{Lists: tt.lists} }
			o := w.run("witness", "--trial", "TAU")
			if o.code != tt.code || !strings.Contains(o.stderr, tt.says) || l.left["TAU/shadow"] != "" {
				t.Errorf("exit %d, want %d with %q\n%s", o.code, tt.code, tt.says, o.stderr)
			}
		})
	}
}
