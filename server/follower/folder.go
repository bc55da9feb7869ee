package follower

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// CheckFolder refuses a folder in which a follower would write among what is not
// its own, above all the folder of a server. It may be new, empty, or one that a
// follower has begun. Nothing is written.
func CheckFolder(dir string) error {
	files, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	own, other := false, ""
	for _, f := range files {
		switch name := f.Name(); {
		case slices.Contains([]string{"keys", "replica.db", "control.sock"}, name):
			return fmt.Errorf("%s is the data folder of a server, it holds %s: a follower wants a folder of its own, best on another machine", dir, name)
		case name == "follow.key", name == "log.pub":
			own = true
		case name == "lost+found", strings.HasPrefix(name, ".tmp-"): // of a file system, or of one that was killed
		case name == "checkpoints" && empty(filepath.Join(dir, name)): // of one that was killed
		default:
			other = name
		}
	}
	if !own && other != "" {
		return fmt.Errorf("%s is no follower's folder, it holds %s: give one that is new or empty", dir, other)
	}
	return nil
}

func empty(dir string) bool {
	files, err := os.ReadDir(dir)
	return err == nil && len(files) == 0
}
