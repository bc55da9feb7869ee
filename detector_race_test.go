//go:build race

package main

// raced says that the tests run under the race detector, and so does each copy
// of them that plays lodd.
const raced = true
