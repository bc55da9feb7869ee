// Package instrument says what a form accepts: its items, their checks, what is
// shown when, and the scores that follow from the answers.
//
// A [Form] is a document that stands in the log for ever. [Parse] reads it and
// compiles its rules, [Instrument.Check] judges the [Values] that somebody
// entered. Everything here is pure: no clock, no I/O, and the same answers give
// the same report on every machine. A form cannot know the arm, so neither can
// a report.
//
// # Rules
//
// The keys show_if, check and calc hold expressions of the Common Expression
// Language (CEL, cel.dev). The type of each is checked when the form is read,
// and what one evaluation may cost is limited. An item is a variable of its own
// name: integer and scale items are int, decimal items are double, choice, text
// and date items are string (a date is YYYY-MM-DD, so < and >= order dates),
// multi items are lists of codes, and calc items have the type of their
// expression, unrounded.
//
// An item that has no answer, carries a missing reason or isn't shown has no
// value, and so has everything computed from it, with one exception: "a || b"
// is true if either is, and "a && b" is false if either is. A show_if without a
// value hides the item, a check without a value passes, a calc without a value
// isn't calculated.
//
// Beside the operators of CEL, its macros all, exists, exists_one, filter and
// map, and the functions size, int, double, string, contains, startsWith and
// endsWith, there are:
//
//	given(x)          true if item x has an answer
//	missing(x)        the reason why item x has none: 'not-done', 'refused',
//	                  'unknown', or '' if no reason was given
//	count(x, y, ...)  how many of these items have an answer
//	answered(x, ...)  the answers of those of these items that have one, a list
//	at_least(n, list) the list if it has n elements or more, else no value
//	sum(list)         the sum of numbers
//	mean(list)        their mean, a double; no value if the list is empty
//	days(from, to)    the number of days from one date to another
//
// So "sum([a, b])" has a value only if both items are answered, and
// "mean(at_least(20, answered(a, b, ...)))" is a mean of the answered ones.
//
// A rule reads only items that stand before its own in the form; a check reads
// its own item too. A rule that reads an item that reveals the arm makes its
// own item reveal it.
//
// Source: CEL specification (cel.dev), language definition, "Gradual Type
// Checking" and "Logical Operators".
package instrument
