// Package ledger runs the trials: it reads the log, decides, appends and
// applies.
//
// Each trial has one owner, a goroutine that takes whatever commands wait,
// decides each against the state as the ones before have left it, appends all
// resulting entries in one atomic, durable write, and only then lets anyone see
// them. What a trial knows is a fold over its entries; nothing else is kept.
package ledger
