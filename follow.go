package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net"

	"github.com/spf13/cobra"

	"github.com/lodd-rct/lodd/server/authz"
	"github.com/lodd-rct/lodd/server/follower"
)

// followCommand is the command that keeps a copy of a log.
func followCommand() *cobra.Command {
	var c follower.Config
	cmd := &cobra.Command{
		Use:   "follow --server HOST:PORT --pin PIN --data DIR",
		Short: "Keep a verified copy of a server's log on another machine",
		Long: `Keep a verified copy of a server's log on another machine.

At its first start it makes a key and prints the key's pin, which the server's
configuration must list: followers = ["PIN"]. From then on it takes what the
server has, as long as that is signed and continues what it took before. A log
that became shorter or has another past is refused, with an evidence file and
exit code 8.

The copy holds ciphertext where it matters: the server's master key never comes
here. "lodd restore --log DIR" brings a server back with it.`,
		Args: cobra.NoArgs,
		PreRunE: func(*cobra.Command, []string) error {
			if c.Server == "" || c.Pin == "" || c.Data == "" {
				return errors.New("a follower needs --server HOST:PORT, --pin PIN and --data DIR")
			}
			if _, _, err := net.SplitHostPort(c.Server); err != nil {
				return fmt.Errorf("--server %q: want host:port, for example lodd.example.org:8443", c.Server)
			}
			if _, err := authz.ParsePin(c.Pin); err != nil {
				return fmt.Errorf("--pin: %w; lodd whoami tells that of the server", err)
			}
			return follower.CheckFolder(c.Data)
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			c.Out, c.Now, c.Random = cmd.ErrOrStderr(), wall, rand.Reader
			return follower.Run(cmd.Context(), c)
		},
	}
	cmd.Flags().StringVar(&c.Server, "server", "", "`HOST:PORT` of the server")
	cmd.Flags().StringVar(&c.Pin, "pin", "", "`PIN` of the server, as lodd whoami tells it, and the server when it starts")
	cmd.Flags().StringVar(&c.Data, "data", "", "`DIR` of the copy")
	return cmd
}
