package main

import (
	"errors"
	"fmt"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/audit/store"
	"github.com/lodd-rct/lodd/server/keys"
)

// advised adds to an error of the database in a data folder what its operator can
// do. What a server of a cluster has is a copy: there etcd is what is brought back.
func advised(data string, err error) error {
	if _, damaged := errors.AsType[*store.DamageError](err); !damaged {
		return err
	}
	if isReplica(data) {
		return fmt.Errorf("%w; nothing was changed: stop all servers, keep the replica.db of each, and see \"When something is lost\" in docs/etcd.md: "+
			"if this copy alone is damaged, begin with an empty data folder and the same keys, and it is made anew; if what etcd holds is, bring back the newest backup of etcd", err)
	}
	return fmt.Errorf("%w; nothing was changed: keep the folder as it is, and bring the data back with lodd restore, "+
		"from the newest backup and, if there is one, the log of a follower", err)
}

// headsAdvised adds to an error of the signed heads of a data folder what its
// operator can do.
func headsAdvised(c config, err error) error {
	guard, unfit := errors.AsType[*audit.GuardError](err)
	switch {
	case unfit:
		return fmt.Errorf("%w; signed heads, keys and database must be those of one server: name the right folders with --checkpoints and --keys; "+
			"if this file alone is damaged, put it back from another copy of the folder, or move it away: "+
			"then only clients and witnesses notice an older list %s", err, guard.List)
	case !errors.Is(err, audit.ErrRolledBack):
		return err
	case c.Store != "" || isReplica(c.Data):
		return fmt.Errorf("%w: bring back the newest backup of etcd; if nothing newer is left, begin with empty data folders, and keep the old ones: "+
			"see \"Backup\" in docs/etcd.md", err)
	default:
		return fmt.Errorf("%w: a newer backup comes back with lodd restore; if %s was put back by hand and nothing newer is left, record that with: lodd restore --in-place --data %s",
			err, c.Data, c.Data)
	}
}

// logAdvised adds to an error of the newer copy that a restore was given what else
// there may be.
func logAdvised(dir string, err error) error {
	if _, damaged := errors.AsType[*store.DamageError](err); !damaged {
		return fmt.Errorf("--log %s: %w", dir, err)
	}
	return fmt.Errorf("--log %s: %w; nothing is taken from a damaged copy, and it is left as it is: name another newer copy, which every follower has, "+
		"or what is left of the old server's data folder; if there is none, restore without --log, and name the newest signed heads with --checkpoints, "+
		"so that what is lost is counted", dir, err)
}

// warnReused warns of a new database beside keys that were used before: people
// know the server by them, and nothing else would tell that its data are gone.
func (n *node) warnReused(c config) {
	kept, err := keys.Stat(c.Keys)
	heads, errHeads := audit.FileGuard{Dir: c.Checkpoints}.Load()
	if err != nil || len(kept) == 0 || errHeads == nil && len(heads) > 0 { // with heads it doesn't start
		return
	}
	n.world.log.Warn().Msg("there are keys in " + c.Keys + ", but neither a database nor signed heads: this is a new server, which those who knew the old one take for it; " +
		"if there was a database, stop the server, delete what it made, and bring the database back with lodd restore")
}
