// Package etcd keeps a store in an etcd cluster, with a verified copy in every
// server.
//
// # Who may write
//
// One server leads; it is the only one that writes. [DB.Lead] waits until this
// one does. Every write is one transaction that compares the revision of the
// head and the creation revision of the leader's key, so that a server which
// lost the lead while it was paused changes nothing: the comparison is the
// fence, and the lease under the leader's key only decides how soon another
// takes over. A write whose answer is lost is sent again; the comparison keeps
// it from happening twice, and the nonce in the head tells whether it did.
//
// # The keys
//
// All of them begin with "/lodd/" + group + "/":
//
//	head        how many batches there are, the hash of the last, the nonce of the last write
//	b/<number>  a batch: what one append added to several lists; the number is 8 bytes big endian
//	m/<key>     a value of the map, and 8 bytes of its hash
//	leader      the address of the server that leads, under a lease
//
// A batch holds the hash of the one before it and ends with its own, so that
// the hash in the head covers all of them. Batches are never changed or
// removed.
//
// # The copy
//
// Every server keeps a copy in a store of its own, usually package bolt, and
// reads from that alone. What is new is in memory at first and reaches the disk
// within a moment, many changes as one transaction; it is durable in the cluster.
// The copy accepts a batch only if it continues the copy and its hash is the one
// that the head names. What doesn't fit is a *[store.DamageError], and the server
// serves nothing more. Whoever rewrites batches, or restores a backup of etcd that
// lacks some, is found out by every copy that knew more.
//
// The copy remembers batches and not heads. A server that was away therefore
// can't tell a backup that lacks no batch but holds older values of the map from
// the newest: it takes them over. What must not come back with them stands in the
// lists: the log's reader destroys again the keys of erased participants.
//
// # Limits
//
// An append of more than 1,400 KiB is refused, so that a request stays below
// the 1.5 MiB that etcd accepts by default. The cluster should serve nothing
// else: deleting a value compacts the history of all that it holds.
package etcd
