package instrument

import (
	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
)

// codes checks that an expression compares choice and multi items with codes
// that they have: a misspelt code would hide an item for ever.
func (c *compiler) codes(checked *cel.Ast, bad func(string, ...any)) bool {
	ok := true
	visit := func(e ast.Expr) {
		if e.Kind() != ast.CallKind {
			return
		}
		switch e.AsCall().FunctionName() {
		case operators.Equals, operators.NotEquals, operators.In:
		default:
			return
		}
		args := e.AsCall().Args()
		for i, arg := range args {
			item, isItem := c.choice(arg)
			if !isItem {
				continue
			}
			for _, code := range literals(args[1-i]) {
				if !item.has(code) {
					m := noOption(item, code)
					bad("item %q: %s", item.ID, m.EN)
					ok = false
				}
			}
		}
	}
	ast.PostOrderVisit(checked.NativeRep().Expr(), ast.NewExprVisitor(visit))
	return ok
}

// choice returns the item that e names, if it is answered by codes.
func (c *compiler) choice(e ast.Expr) (Item, bool) {
	if e.Kind() != ast.IdentKind {
		return Item{}, false
	}
	at, ok := c.at[e.AsIdent()]
	if !ok {
		return Item{}, false
	}
	item := c.form.Items[at]
	return item, item.Type == TypeChoice || item.Type == TypeMulti
}

// literals returns the texts that e writes out: itself or the elements of a
// list.
func literals(e ast.Expr) []string {
	var all []string
	if e.Kind() == ast.LiteralKind {
		if s, ok := e.AsLiteral().(types.String); ok {
			all = append(all, string(s))
		}
	}
	if e.Kind() == ast.ListKind {
		for _, element := range e.AsList().Elements() {
			all = append(all, literals(element)...)
		}
	}
	return all
}
