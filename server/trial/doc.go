// Package trial is the life of one trial: which step is allowed when, and what
// each event changes.
//
// The log is the truth; a [State] is what the events so far add up to.
// [State.Decide] turns a command into events and changes nothing,
// [State.Apply] moves the state past an event that is in the log. Both are
// pure: no clock, no I/O, no randomness, no log lines. A State knows strata and
// slots and never an arm, so nothing that is computed from it can tell one.
package trial
