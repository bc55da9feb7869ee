package randomization_test

import (
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lodd-rct/lodd/randomization"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// counting returns 32 bytes that count up from first.
func counting(first byte) []byte {
	b := make([]byte, randomization.SecretSize)
	for i := range b {
		b[i] = first + byte(i)
	}
	return b
}

// testSeed is the seed of all golden files: 00 01 … 1f.
func testSeed(t testing.TB) randomization.Seed {
	t.Helper()
	seed, err := randomization.SeedFromBytes(counting(0))
	if err != nil {
		t.Fatal(err)
	}
	return seed
}

// testSalt is the salt of all golden files: 20 21 … 3f.
func testSalt(t testing.TB) randomization.Salt {
	t.Helper()
	salt, err := randomization.SaltFromBytes(counting(0x20))
	if err != nil {
		t.Fatal(err)
	}
	return salt
}

// equalChances returns the design with the given ratio and sizes of weight 1.
func equalChances(ratio []int, sizes ...int) randomization.Blocks {
	b := randomization.Blocks{Ratio: ratio}
	for _, size := range sizes {
		b.Sizes = append(b.Sizes, randomization.BlockSize{Size: size, Weight: 1})
	}
	return b
}

// newSequence starts a sequence of a design that must be valid.
func newSequence(t testing.TB, design randomization.Design, trial, stratum string) *randomization.Sequence {
	t.Helper()
	s, err := randomization.NewSequence(testSeed(t), design, trial, stratum)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A goldenCase is a design as the command lines of the second implementations
// take it, with a trial and a stratum.
type goldenCase struct {
	ratio, sizes, trial, stratum string
	design                       randomization.Design
}

var goldenCases = []goldenCase{
	{"1:1", "4x1,6x1,8x1", "ips", "oslo", equalChances([]int{1, 1}, 4, 6, 8)},
	{"1:1", "4x1,6x1,8x1", "ips", "bergen", equalChances([]int{1, 1}, 4, 6, 8)},
	{"1:1", "4x1,6x1,8x1", "other", "oslo", equalChances([]int{1, 1}, 4, 6, 8)},
	{"1:1", "4x1", "ips", "oslo", equalChances([]int{1, 1}, 4)},
	{"2:1", "6x1,9x1", "ips", "tromsø/kvinne", equalChances([]int{2, 1}, 6, 9)},
	{"1:2:3", "12x1", "ips", "", equalChances([]int{1, 2, 3}, 12)},
	{"1:1", "4x1,6x3,8x2,256x1000", "ips", "oslo", randomization.Blocks{
		Ratio: []int{1, 1},
		Sizes: []randomization.BlockSize{{Size: 4, Weight: 1}, {Size: 6, Weight: 3}, {Size: 8, Weight: 2}, {Size: 256, Weight: 1000}},
	}},
}

// otherCases are designs beside blocks. The second implementations take them
// in the place of the sizes.
var otherCases = []goldenCase{
	{"1:1", "complete", "ips", "oslo", randomization.Complete{Ratio: []int{1, 1}}},
	{"1:2:3", "complete", "ips", "oslo", randomization.Complete{Ratio: []int{1, 2, 3}}},
	{"1:1", "big-stick:2", "ips", "oslo", randomization.BigStick{Tolerance: 2}},
	{"1:1", "big-stick:3", "ips", "bergen", randomization.BigStick{Tolerance: 3}},
	{"1:1", "maximal:3:12", "ips", "oslo", randomization.Maximal{Tolerance: 3, Length: 12}},
	{"1:1", "maximal:2:6", "ips", "", randomization.Maximal{Tolerance: 2, Length: 6}},
	{"1:1", "maximal:5:200", "ips", "oslo", randomization.Maximal{Tolerance: 5, Length: 200}},
	{"1:1", "efron:2:3", "ips", "oslo", randomization.BiasedCoin{Favored: 2, Of: 3}},
	{"1:1", "efron:701:1000", "other", "oslo", randomization.BiasedCoin{Favored: 701, Of: 1000}},
	{"1:1", "urn:0:1", "ips", "oslo", randomization.Urn{Arms: 2, Alpha: 0, Beta: 1}},
	{"1:1:1", "urn:1:3", "ips", "tromsø/kvinne", randomization.Urn{Arms: 3, Alpha: 1, Beta: 3}},
}

// draws returns how many draws of n a test takes. With -short, which goes with
// the race detector, it takes few: what they show isn't about races.
func draws(n int) int {
	if testing.Short() {
		return n / 20
	}
	return n
}

// streamKeys are the keys of the streams of 60,000 strata, for all designs: which
// key a design has is tested elsewhere.
var streamKeys = sync.OnceValue(func() [][]byte {
	seed, err := randomization.SeedFromBytes(counting(0))
	if err != nil {
		panic(err)
	}
	keys := make([][]byte, draws(60000))
	for i := range keys {
		keys[i] = randomization.StreamKey(seed, "ips", strconv.Itoa(i))
	}
	return keys
})

// place returns where lists comes to a list, among those of its length.
func place[A ~int](arms int, list []A) int {
	n := 0
	for _, arm := range list {
		n = n*arms + int(arm)
	}
	return n
}

// longForecast skips a test that reckons for seconds.
func longForecast(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("a long forecast, in which nothing runs beside anything")
	}
}

// arms writes a list as the second implementations do.
func arms(list []randomization.Arm) string {
	return strings.Trim(fmt.Sprint(list), "[]")
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s differs: the sequences of running trials would change (-want +got):\n%s", file, diff)
	}
}

// numbers writes a list of whole numbers in the same way.
func numbers(list []int) string {
	return strings.Trim(fmt.Sprint(list), "[]")
}
