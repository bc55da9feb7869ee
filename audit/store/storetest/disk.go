package storetest

import (
	"os"
	"os/exec"
	"runtime"
	"testing"
)

// SmallDisk mounts a file system of a size, such as "24m", for a test, and returns
// its folder. Where that isn't allowed the test is skipped, and fails where CI is
// "true".
func SmallDisk(t testing.TB, size string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	out, err := exec.CommandContext(t.Context(), "mount", "-t", "tmpfs", "-o", "size="+size, "tmpfs", dir).CombinedOutput() //nolint:gosec // size is the test's own
	if err != nil {
		skip := t.Skipf
		if os.Getenv("CI") == "true" {
			skip = t.Fatalf
		}
		skip("a small file system can't be mounted here (%s): %v: %s", runtime.GOOS, err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil { //nolint:gosec // as above
			t.Errorf("umount: %v: %s", err, out)
		}
	})
	return dir
}
