package openid

import (
	"fmt"
	"os/exec"
	"runtime"
)

// Open shows an address in the browser that the system opens addresses with. It
// doesn't wait for it.
func Open(address string) error {
	name, args := "xdg-open", []string{address}
	switch runtime.GOOS {
	case "windows":
		name, args = "rundll32", []string{"url.dll,FileProtocolHandler", address}
	case "darwin":
		name = "open"
	}
	cmd := exec.Command(name, args...) //nolint:gosec // the address is the provider's, which the server named
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("openid: open the browser: %w", err)
	}
	return cmd.Process.Release()
}
