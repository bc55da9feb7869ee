package keys_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/lodd-rct/lodd/server/keys"
)

// Nothing that holds a key shows it, in any log.
func TestNothingPrintsTheMasterKey(t *testing.T) {
	dir, k := fresh(t)
	master := k.Master()
	var secrets []string
	for _, verb := range []string{"%s", "%v", "%d", "%x", "%X", "%q"} {
		secrets = append(secrets, strings.Trim(fmt.Sprintf(verb, [32]byte(master)), `[]"`))
	}
	text, err := os.ReadFile(filepath.Join(dir, "master.key"))
	if err != nil {
		t.Fatal(err)
	}
	secrets = append(secrets, strings.Split(string(text), "\n")[1], good)
	for _, value := range []any{master, &master, k, *k, by(good), fake(t), struct{ Key keys.Master }{master}, []any{master}, map[string]keys.Master{"key": master}} {
		var out bytes.Buffer
		z := zerolog.New(&out)
		z.Info().Interface("key", value).Any("again", value).Str("text", fmt.Sprintf("%v %+v %#v %x", value, value, value, value)).Msg("call")
		slog.New(slog.NewTextHandler(&out, nil)).Info("call", "key", value)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("call", "key", value)
		for _, secret := range secrets {
			if strings.Contains(out.String(), secret) {
				t.Errorf("%T shows %q", value, secret)
			}
		}
		if _, isSeal := value.(keys.Seal); isSeal {
			continue
		}
		if got, err := json.Marshal(value); err != nil || !strings.Contains(string(got), `"sealed"`) {
			t.Errorf("%T is %s in JSON, %v", value, got, err)
		}
	}
}

// The cost of a passphrase is age's own, unless a test says otherwise, and one
// that anybody can guess is refused.
func TestPassphraseCost(t *testing.T) {
	dir, k := fresh(t)
	for _, bad := range []keys.Passphrase{by(""), by("fifteen letters"), {Ask: by(good).Ask, WorkFactor: 21}, {Ask: by(good).Ask, WorkFactor: -1}} {
		if err := keys.Reseal(dir, nil, bad); err == nil {
			t.Errorf("%d is taken", bad.WorkFactor)
		}
	}
	if got := names(t, dir); !slices.Equal(got, files) {
		t.Errorf("the folder holds %v", got)
	}
	if got, err := keys.Factor(keys.Passphrase{Ask: by(good).Ask}); err != nil || got != 18 {
		t.Errorf("the work factor is %d, %v", got, err)
	}
	dear := keys.Passphrase{Ask: by(good).Ask, WorkFactor: 11} // 18 takes a second
	reseal(t, dir, nil, dear)
	text, err := os.ReadFile(filepath.Join(dir, "master.key.age"))
	if err != nil || !bytes.Contains(text[:200], []byte(" 11\n")) {
		t.Errorf("%.120q, %v", text, err)
	}
	wantLoads(t, dir, dear, k)
}
