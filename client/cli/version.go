package cli

import (
	"context"
	"fmt"
	"runtime"

	"github.com/spf13/cobra"
)

func (a *app) versionCommand() *cobra.Command {
	return a.local(spec{use: "version", short: "Tell the version of this program"}, func(context.Context, []string) error {
		return a.tellVersion()
	})
}

// tellVersion writes the version, as words unless a form was asked for.
func (a *app) tellVersion() error {
	version := first(a.deps.Version, "devel")
	if first(a.flags.output, a.deps.Env("LODD_OUTPUT")) == "" {
		_, err := fmt.Fprintf(a.deps.Stdout, "lodd %s\n", version)
		return err
	}
	return a.write(one("version", "version", version, "go", runtime.Version(), "system", runtime.GOOS+"/"+runtime.GOARCH))
}
