package instrument

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
)

// compile compiles the rules of a form in the order of its items. Faults of
// the rules are collected; the error is for a language that can't be set up.
func (f *faults) compile(form Form) ([]compiled, error) {
	language, err := newLanguage(form)
	if err != nil {
		return nil, err
	}
	c := compiler{faults: f, form: form, language: language, at: map[string]int{}}
	for i, item := range form.Items {
		c.at[item.ID] = i
	}
	items := make([]compiled, len(form.Items))
	for i, item := range form.Items {
		if items[i], err = c.item(i, item); err != nil {
			return nil, err
		}
	}
	return items, nil
}

type compiler struct {
	*faults
	form     Form
	language *cel.Env
	at       map[string]int // positions of the items
}

func (c *compiler) item(i int, item Item) (compiled, error) {
	var out compiled
	var err error
	if item.ShowIf != "" {
		if out.show, err = c.rule(source{i, "show_if", item.ShowIf}, cel.BoolType); err != nil {
			return out, err
		}
	}
	if item.Check != nil {
		if out.check, err = c.rule(source{i, "check", item.Check.Rule}, cel.BoolType); err != nil {
			return out, err
		}
	}
	if item.Type != TypeCalc {
		return out, nil
	}
	out.calc, err = c.rule(source{i, "calc", item.Calc}, cel.IntType, cel.DoubleType, cel.StringType)
	if err != nil || out.calc == nil {
		return out, err
	}
	if double := out.calc.result.IsExactType(cel.DoubleType); double != (item.Decimals > 0) {
		c.add(i, item.ID, "decimals", "%d, but the expression gives %s; a double has 1 to %d decimals, others have none",
			item.Decimals, out.calc.result, maxDecimals)
	}
	c.language, err = c.language.Extend(cel.Variable(item.ID, out.calc.result))
	return out, err
}

// A source is the text of a rule and where it stands.
type source struct {
	item int
	key  string
	text string
}

// rule compiles one expression. It returns nil if something is wrong with it.
func (c *compiler) rule(src source, results ...*cel.Type) (*rule, error) {
	bad := func(format string, args ...any) {
		c.add(src.item, c.form.Items[src.item].ID, src.key, format, args...)
	}
	checked, issues := c.language.Compile(src.text)
	if issues.Err() != nil {
		for _, e := range issues.Errors() {
			bad("%s%s", column(e.Location.Column()), plain(e.Message))
		}
		return nil, nil
	}
	var names []string
	fits := false
	for _, t := range results {
		names = append(names, t.String())
		fits = fits || t.IsExactType(checked.OutputType())
	}
	if !fits {
		bad("the expression gives %s, want %s", checked.OutputType(), strings.Join(names, ", "))
		return nil, nil
	}
	if !c.reads(src, checked, bad) || !c.codes(checked, bad) {
		return nil, nil
	}
	program, err := c.language.Program(checked, cel.CostLimit(maxCost))
	if err != nil {
		return nil, fmt.Errorf("item %s: %s: %w", c.form.Items[src.item].ID, src.key, err)
	}
	return &rule{program, checked.OutputType()}, nil
}

// reads checks which items an expression reads: those before its own, a check
// also its own, and none that reveals the arm unless its own does.
func (c *compiler) reads(src source, checked *cel.Ast, bad func(string, ...any)) bool {
	read := map[int]bool{}
	for _, r := range checked.NativeRep().ReferenceMap() {
		name := strings.TrimPrefix(strings.TrimPrefix(r.Name, givenVar), missingVar)
		if at, ok := c.at[name]; ok {
			read[at] = true
		}
	}
	ok := true
	for _, at := range slices.Sorted(maps.Keys(read)) {
		name := c.form.Items[at].ID
		if at > src.item || at == src.item && src.key != "check" {
			bad("reads item %q, which doesn't stand before this one", name)
			ok = false
		}
		if c.form.Items[at].Reveals && !c.form.Items[src.item].Reveals {
			bad("reads item %q, which reveals the arm; so this item must have reveals: true", name)
			ok = false
		}
	}
	return ok
}

// column names a place in an expression, counted by CEL from 0; it is -1 if CEL
// knows none.
func column(n int) string {
	if n < 0 {
		return ""
	}
	return fmt.Sprintf("column %d: ", n+1)
}

// plain words a message of CEL for someone who writes a form.
func plain(message string) string {
	message, _, _ = strings.Cut(message, " (in container")
	message, _, _ = strings.Cut(message, "\n")
	message, _, _ = strings.Cut(message, " expecting {")
	message = strings.Replace(message, "'<EOF>'", "the end", 1)
	message = strings.NewReplacer("'"+givenVar, "'", "'"+missingVar, "'").Replace(message)
	return strings.Replace(message, "undeclared reference to", "there is no item or function", 1)
}
