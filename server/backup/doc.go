// Package backup writes and reads backups: a snapshot of the store with what is
// known of its lists, and, in a file of its own, the server's keys. Both are
// encrypted to people with age before they leave the machine.
//
// A backup of the store without the keys is ciphertext where it matters, and
// the keys without a backup open nothing. So each is a file, and they are best
// kept apart.
//
// The package never overwrites a file, and a file has its name only once it is
// whole and durable.
package backup
