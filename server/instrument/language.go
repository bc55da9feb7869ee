package instrument

import (
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/env"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

// Limits of a rule.
const (
	maxDepth = 50     // nested parentheses and calls as written
	maxNodes = 20000  // parts of an expression, with macros expanded
	maxCost  = 200000 // cost units of one evaluation, as CEL counts them
)

// The environment holds two more variables for each item x, which no
// expression can spell: the macros given(x) and missing(x) stand for them.
const (
	givenVar   = "given:"
	missingVar = "missing:"
)

// newLanguage returns the environment of the rules of form, whose calc items
// are still undeclared: their types follow from their expressions.
func newLanguage(form Form) (*cel.Env, error) {
	options := []cel.EnvOption{
		cel.StdLib(cel.StdLibSubset(subset())),
		cel.HomogeneousAggregateLiterals(),
		cel.CrossTypeNumericComparisons(true),
		cel.ParserRecursionLimit(maxDepth),
		cel.ParserExpressionSizeLimit(maxRule),
		cel.ParserErrorRecoveryLimit(1),
		cel.ExpressionNodeLimit(maxNodes),
		cel.Macros(
			cel.GlobalMacro("given", 1, itemMacro(givenVar)),
			cel.GlobalMacro("missing", 1, itemMacro(missingVar)),
			cel.GlobalVarArgMacro("count", countMacro),
			cel.GlobalVarArgMacro("answered", answeredMacro),
		),
	}
	for _, item := range form.Items {
		options = append(options, declarations(item)...)
	}
	return cel.NewCustomEnv(append(options, functions()...)...)
}

func declarations(item Item) []cel.EnvOption {
	if item.Type == TypeInfo {
		return nil
	}
	options := []cel.EnvOption{
		cel.Variable(givenVar+item.ID, cel.BoolType),
		cel.Variable(missingVar+item.ID, cel.StringType),
	}
	if item.Type != TypeCalc {
		options = append(options, cel.Variable(item.ID, variableType(item.Type)))
	}
	return options
}

func variableType(t Type) *cel.Type {
	switch t {
	case TypeInteger, TypeScale:
		return cel.IntType
	case TypeDecimal:
		return cel.DoubleType
	case TypeMulti:
		return cel.ListType(cel.StringType)
	default:
		return cel.StringType
	}
}

// subset is the part of CEL's standard library that a form needs. What isn't
// in it can't change its meaning under a form that stands in the log: time
// zones, regular expressions, conversions to and from bytes.
func subset() *env.LibrarySubset {
	s := &env.LibrarySubset{IncludeMacros: []string{operators.All, operators.Exists, operators.ExistsOne, operators.Filter, operators.Map}}
	for _, name := range []string{
		operators.Conditional, operators.LogicalAnd, operators.LogicalOr, operators.LogicalNot,
		operators.Equals, operators.NotEquals, operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals,
		operators.Add, operators.Subtract, operators.Multiply, operators.Divide, operators.Modulo, operators.Negate,
		operators.Index, operators.In, operators.NotStrictlyFalse,
		"size", "int", "double", "string", "contains", "startsWith", "endsWith",
	} {
		s.IncludeFunctions = append(s.IncludeFunctions, env.NewFunction(name))
	}
	return s
}

// reserved are the words that CEL doesn't take as names of variables.
var reserved = map[string]bool{
	"as": true, "break": true, "const": true, "continue": true, "else": true, "false": true, "for": true,
	"function": true, "if": true, "import": true, "in": true, "let": true, "loop": true, "namespace": true,
	"null": true, "package": true, "return": true, "true": true, "var": true, "void": true, "while": true,
	"bool": true, "bytes": true, "double": true, "dyn": true, "int": true, "list": true, "map": true,
	"null_type": true, "string": true, "type": true, "uint": true,
}

// itemMacro expands a macro of one item to the variable that holds its result.
func itemMacro(prefix string) cel.MacroFactory {
	return func(eh cel.MacroExprFactory, _ ast.Expr, args []ast.Expr) (ast.Expr, *cel.Error) {
		if args[0].Kind() != ast.IdentKind {
			return nil, eh.NewError(args[0].ID(), "want the id of an item")
		}
		return eh.NewIdent(prefix + args[0].AsIdent()), nil
	}
}

// countMacro expands count(x, y) to (given(x) ? 1 : 0) + (given(y) ? 1 : 0).
func countMacro(eh cel.MacroExprFactory, _ ast.Expr, args []ast.Expr) (ast.Expr, *cel.Error) {
	return added(eh, args, func(arg ast.Expr) (then, otherwise ast.Expr) {
		return eh.NewLiteral(types.Int(1)), eh.NewLiteral(types.Int(0))
	})
}

// answeredMacro expands answered(x, y) to (given(x) ? [x] : []) + (given(y) ? [y] : []).
func answeredMacro(eh cel.MacroExprFactory, _ ast.Expr, args []ast.Expr) (ast.Expr, *cel.Error) {
	return added(eh, args, func(arg ast.Expr) (then, otherwise ast.Expr) {
		return eh.NewList(eh.Copy(arg)), eh.NewList()
	})
}

// added returns the sum over the items args of one term if the item is given
// and another if it isn't.
func added(eh cel.MacroExprFactory, args []ast.Expr, terms func(ast.Expr) (then, otherwise ast.Expr)) (ast.Expr, *cel.Error) {
	var sum ast.Expr
	for _, arg := range args {
		given, err := itemMacro(givenVar)(eh, nil, []ast.Expr{arg})
		if err != nil {
			return nil, err
		}
		then, otherwise := terms(arg)
		term := eh.NewCall(operators.Conditional, given, then, otherwise)
		if sum == nil {
			sum = term
			continue
		}
		sum = eh.NewCall(operators.Add, sum, term)
	}
	if sum == nil {
		return nil, eh.NewError(0, "want the ids of items")
	}
	return sum, nil
}

// noValue is what an unanswered item holds and what a function returns when it
// has nothing to say; it spreads to everything computed from it.
func noValue() ref.Val { return types.NewUnknown(0, nil) }

func functions() []cel.EnvOption {
	ints, doubles := cel.ListType(cel.IntType), cel.ListType(cel.DoubleType)
	anything := cel.ListType(cel.TypeParamType("T"))
	return []cel.EnvOption{
		cel.Function("sum",
			cel.Overload("sum_int", []*cel.Type{ints}, cel.IntType, cel.UnaryBinding(sum(types.Int(0)))),
			cel.Overload("sum_double", []*cel.Type{doubles}, cel.DoubleType, cel.UnaryBinding(sum(types.Double(0))))),
		cel.Function("mean",
			cel.Overload("mean_int", []*cel.Type{ints}, cel.DoubleType, cel.UnaryBinding(mean(types.Int(0)))),
			cel.Overload("mean_double", []*cel.Type{doubles}, cel.DoubleType, cel.UnaryBinding(mean(types.Double(0))))),
		cel.Function("at_least",
			cel.Overload("at_least_int_list", []*cel.Type{cel.IntType, anything}, anything, cel.BinaryBinding(atLeast))),
		cel.Function("days",
			cel.Overload("days_string_string", []*cel.Type{cel.StringType, cel.StringType}, cel.IntType, cel.BinaryBinding(days))),
	}
}

func sum(zero traits.Adder) func(ref.Val) ref.Val {
	return func(list ref.Val) ref.Val {
		total := zero.(ref.Val)
		for it := list.(traits.Lister).Iterator(); it.HasNext() == types.True; {
			adder, ok := total.(traits.Adder)
			if !ok {
				return total // an overflow
			}
			total = adder.Add(it.Next())
		}
		return total
	}
}

func mean(zero traits.Adder) func(ref.Val) ref.Val {
	add := sum(zero)
	return func(list ref.Val) ref.Val {
		n := list.(traits.Lister).Size()
		if n == types.IntZero {
			return noValue()
		}
		total, ok := add(list).ConvertToType(types.DoubleType).(types.Double)
		if !ok {
			return types.NewErr("mean of numbers that are too large")
		}
		return total / types.Double(n.(types.Int))
	}
}

func atLeast(n, list ref.Val) ref.Val {
	if list.(traits.Lister).Size().(types.Int) < n.(types.Int) {
		return noValue()
	}
	return list
}

func days(from, to ref.Val) ref.Val {
	a, errA := time.Parse(time.DateOnly, string(from.(types.String)))
	b, errB := time.Parse(time.DateOnly, string(to.(types.String)))
	if errA != nil || errB != nil {
		return types.NewErr("days of a text that is no date YYYY-MM-DD")
	}
	return types.Int(b.Sub(a) / (24 * time.Hour)) // UTC has no days of 23 or 25 hours
}
