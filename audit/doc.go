// Package audit keeps lists of opaque entries that only grow, proves what is in
// them, and signs bundles of files that can be checked offline.
//
// # Lists and trees
//
// A [Log] holds named lists over a [store.Store]. The entries of a list are the
// leaves of an RFC 6962 Merkle tree, hashed exactly as they are stored. Anyone
// who holds a signed [Checkpoint] of a list can check a record proof, a tree
// proof or a copy of the entries with package
// golang.org/x/mod/sumdb/tlog alone, without this program.
//
// # Tiles
//
// Hashes are kept as full hash tiles of height 8, as in C2SP tlog-tiles: 256
// hashes of 32 bytes each. Tile n of level l of list x is record n of the list
// "x#tile/l"; it is written in the same append as the entry that completes it.
// Partial tiles are never stored: the log computes them at start. It also holds
// the nodes above the tiles of level 0 in memory, a quarter of a megabyte for a
// million entries, so that a proof reads two tiles at most. Names with "#" are reserved, and
// [Log.Lists] doesn't show them. The list "#origin" holds one record that says
// whose log the store is.
//
// # What the package doesn't do
//
// It doesn't look into entries, reads no clock, writes no log lines and knows
// nothing of the network. It never changes or repairs what is stored: damage
// is refused with the name of the list and the index of the first bad entry.
package audit
