// Package randomization turns a design and a secret seed into the sequence of
// arms of each stratum, and commits to both before the first participant.
//
// It is pure: a sequence depends on its arguments only, so that a statistician
// can rebuild it, bit for bit, years after the trial. It reads no clock, does
// no I/O except to draw a seed or a salt from the reader it is given, writes no
// log, and imports the standard library only.
//
// The bytes are specified in docs/randomization-spec.md, which also has two
// further implementations, in R and in Python.
package randomization
