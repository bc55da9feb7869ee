package ledger

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/lodd-rct/lodd/randomization"
)

// Whichever way a secret gets into a line of the log, the line says "sealed" and
// nothing else of it.
func TestSecretsPrintSealedInTheLog(t *testing.T) {
	seed, err := randomization.SeedFromBytes(bytes.Repeat([]byte{0xab}, 32))
	if err != nil {
		t.Fatal(err)
	}
	salt, err := randomization.SaltFromBytes(bytes.Repeat([]byte{0xcd}, 32))
	if err != nil {
		t.Fatal(err)
	}
	minimization := randomization.Minimization{
		Ratio: []int{1, 1}, Factors: []randomization.Factor{{Levels: 2, Weight: 1}}, Measure: randomization.Range, Favored: 4, Of: 5,
	}
	kept := keptDesign{minimization, seed, salt}
	d, err := newDeck("IPS", kept, seed)
	if err != nil {
		t.Fatal(err)
	}
	sequence, err := randomization.NewSequence(seed, randomization.Complete{Ratio: []int{1, 1}}, "IPS", "OSLO")
	if err != nil {
		t.Fatal(err)
	}
	sequence.First(8)
	for name, v := range map[string]any{
		"seed": seed, "salt": salt, "deck": d, "kept design": kept, "sequence": sequence, "minimizer": d.minimizer,
		"journal": &journal{key: [32]byte(bytes.Repeat([]byte{0xef}, 32))},
	} {
		var out bytes.Buffer
		log := zerolog.New(&out)
		for way, line := range map[string]func(){
			"Interface": func() { log.Info().Interface("v", v).Msg("") },
			"Any":       func() { log.Info().Any("v", v).Msg("") },
			"Fields":    func() { log.Info().Fields(map[string]any{"v": v}).Msg("") },
			"Sprint":    func() { log.Info().Str("v", fmt.Sprint(v)).Msg("") },
			"Sprintf":   func() { log.Info().Str("v", fmt.Sprintf("%#v", v)).Msg("") },
			"Msgf":      func() { log.Info().Str("v", "sealed").Msgf("%+v", v) },
		} {
			out.Reset()
			line()
			got := strings.TrimSpace(out.String())
			if got != `{"level":"info","v":"sealed"}` && got != `{"level":"info","v":"sealed","message":"sealed"}` {
				t.Errorf("%s by %s: %s", name, way, got)
			}
		}
	}
}
