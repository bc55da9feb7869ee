package cli

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
)

// One very long cell doesn't move the lines of all others, and is whole itself.
func TestTablesArePaddedForTheOrdinary(t *testing.T) {
	long := strings.Repeat("å", maxPadded+1)
	r := list("x", "xs", "list", "detail", "at")
	r.add("IPS/conduct", long, "t1")
	r.add("system", strings.Repeat("b", maxPadded), "t2")
	r.add("é", "", "")
	var b bytes.Buffer
	r.table(&b, newWords("en"))
	lines := strings.Split(b.String(), "\n")
	if lines[1] != "IPS/conduct  "+long+"  t1" || lines[2] != "system       "+strings.Repeat("b", maxPadded)+"  t2" || lines[3] != "é" || strings.Index(lines[0], "TIME") != strings.Index(lines[2], "t2") {
		t.Errorf("%s", b.String())
	}
}

// Every heading of a list is in the reader's language.
func TestEveryHeadingHasAName(t *testing.T) {
	texts := catalogue("nb")
	lists := regexp.MustCompile(`list\("[a-z-]+", "[a-z-]+"((?:, "[a-z_0-9]+")+)`).FindAllStringSubmatch(sources(t), -1)
	if len(lists) < 20 {
		t.Fatalf("%d lists were found: the test is blind", len(lists))
	}
	for _, l := range lists {
		for _, column := range strings.Split(strings.ReplaceAll(l[1][2:], `"`, ""), ", ") {
			if texts["column."+column] == nil {
				t.Errorf("column.%s is missing", column)
			}
		}
	}
}
