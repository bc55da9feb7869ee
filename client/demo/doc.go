// Package demo plays the worked story of a synthetic trial against a new
// server, as people would: through the client library, each in their own role.
//
// It is the same story each time for the same entropy, and it checks what it
// sees: a demo that ends without an error has verified its exports, its log
// and its sums.
package demo
