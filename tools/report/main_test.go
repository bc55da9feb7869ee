package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReport(t *testing.T) {
	for _, tt := range []struct {
		name   string
		events string
		want   string
		ok     bool
	}{
		{
			"a passing test is counted, not shown",
			`{"Action":"output","Package":"p","Output":"-test.shuffle 12\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"=== RUN   TestA\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:1: chatter\n"}
{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Output":"PASS\n"}
{"Action":"output","Package":"p","Output":"ok  \tp\t0.1s\n"}
{"Action":"pass","Package":"p"}
`,
			"ok  \tp\t0.1s\n\nsuite: 1 packages passed, 0 failed, 0 have no tests\nsuite: 1 passed, 0 failed, 0 skipped\n",
			true,
		},
		{
			"a skipped test is named with its reason",
			`{"Action":"output","Package":"p","Test":"TestA","Output":"=== RUN   TestA\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:1: no python3\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"--- SKIP: TestA (0.00s)\n"}
{"Action":"skip","Package":"p","Test":"TestA"}
{"Action":"skip","Package":"p","Test":"TestB"}
{"Action":"pass","Package":"p","Test":"TestC"}
{"Action":"pass","Package":"p"}
`,
			"\nsuite: skipped, with the reason each test gives:\n" +
				"  p TestA: a_test.go:1: no python3\n  p TestB: no reason given\n" +
				"\nsuite: 1 packages passed, 0 failed, 0 have no tests\nsuite: 1 passed, 0 failed, 2 skipped\n",
			true,
		},
		{
			"a failing test is shown, and so is the seed of its package",
			`{"Action":"output","Package":"p","Output":"-test.shuffle 12\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:1: got 1\n"}
{"Action":"fail","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Output":"FAIL\tp\t0.1s\n"}
{"Action":"fail","Package":"p"}
`,
			"    a_test.go:1: got 1\n-test.shuffle 12\nFAIL\tp\t0.1s\n\n" +
				"suite: 0 packages passed, 1 failed, 0 have no tests\nsuite: 0 passed, 1 failed, 0 skipped\n",
			false,
		},
		{
			"a test that never ended is shown",
			`{"Action":"output","Package":"p","Test":"TestA","Output":"panic: test timed out\n"}
{"Action":"fail","Package":"p"}
`,
			"panic: test timed out\n\nsuite: 0 packages passed, 1 failed, 0 have no tests\nsuite: 0 passed, 0 failed, 0 skipped\n",
			false,
		},
		{
			"a package that doesn't build has failed",
			`{"Action":"build-output","ImportPath":"p","Output":"a.go:1: undefined: x\n"}
{"Action":"build-fail","ImportPath":"p"}
{"Action":"pass","Package":"q","Test":"TestA"}
{"Action":"fail","Package":"p"}
`,
			"a.go:1: undefined: x\n\nsuite: 0 packages passed, 1 failed, 0 have no tests\nsuite: 1 passed, 0 failed, 0 skipped\n",
			false,
		},
		{
			"a suite without a test hasn't passed",
			"go: no such tool",
			"go: no such tool\nsuite: 0 packages passed, 0 failed, 0 have no tests\nsuite: 0 passed, 0 failed, 0 skipped\n",
			false,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out strings.Builder
			r := report{name: "suite", out: &out, said: map[test][]string{}}
			if err := r.read(strings.NewReader(tt.events)); err != nil {
				t.Fatal(err)
			}
			if ok := r.finish(); ok != tt.ok {
				t.Errorf("finish() = %v, want %v", ok, tt.ok)
			}
			if diff := cmp.Diff(tt.want, out.String()); diff != "" {
				t.Error(diff)
			}
		})
	}
}
