package randomization_test

import (
	"go/parser"
	"go/token"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The package imports nothing that could make two runs differ: no math/rand,
// whose documentation promises no stable output, no clock, no environment. It
// doesn't even import crypto/rand: entropy comes in through a reader.
func TestImports(t *testing.T) {
	allowed := map[string]bool{
		"crypto/hkdf": true, "crypto/hmac": true, "crypto/sha256": true, "hash": true,
		"encoding/binary": true, "encoding/hex": true,
		"errors": true, "fmt": true, "io": true, "log/slog": true, "math/big": true,
		"slices": true, "strconv": true, "strings": true, "unicode/utf8": true,
	}
	// Forecasts reckon with floating-point numbers; what is drawn never does.
	forecasts := map[string]bool{"cmp": true, "maps": true, "math": true}
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, file := range files {
		name := file.Name()
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range f.Imports {
			path, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			seen[path] = true
			forecast := slices.Contains([]string{"forecast.go", "guess.go", "imbalance.go", "imbalanceexact.go", "forecastminimization.go"}, name)
			if !allowed[path] && (!forecast || !forecasts[path]) {
				t.Errorf("%s imports %s", name, path)
			}
		}
	}
	if !seen["crypto/hmac"] {
		t.Error("crypto/hmac is not imported: the test looked at the wrong files")
	}
}
