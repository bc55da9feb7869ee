package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"
)

// serveCommand is the command that runs a server.
func serveCommand() *cobra.Command {
	var flags, c config
	var file string
	cmd := &cobra.Command{
		Use:   "serve --data DIR",
		Short: "Run a server",
		Long: `Run a server.

On an empty folder it makes its keys, its certificate authority and a one-time
invitation for the first administrator, which it prints. SIGTERM lets calls
under way finish and stops it.`,
		Args: cobra.NoArgs,
		PreRunE: func(*cobra.Command, []string) (err error) { // what is wrong before RunE is wrong usage
			c, err = settings(file, flags)
			return err
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return serve(cmd.Context(), c, cmd.ErrOrStderr()) },
	}
	cmd.Flags().StringVar(&file, "config", "", "configuration `FILE` (TOML)")
	cmd.Flags().StringVar(&flags.Data, "data", "", "`DIR` of database and keys")
	cmd.Flags().StringVar(&flags.Keys, "keys", "", "`DIR` of the keys (default keys in the data folder)")
	cmd.Flags().StringVar(&flags.Checkpoints, "checkpoints", "", "`DIR` of the signed heads, best on another disk (default checkpoints in the data folder)")
	cmd.Flags().BoolVar(&flags.LostCheckpoints, "lost-checkpoints", false, "start though the signed heads are lost; clients still compare theirs")
	cmd.Flags().StringVar(&flags.Store, "store", "", "`URL` of a cluster that several servers share, as etcd://HOST:PORT,.../GROUP")
	cmd.Flags().StringVar(&flags.Advertise, "advertise", "", "`HOST:PORT` at which the other servers of a cluster reach this one (default what it listens on)")
	cmd.Flags().StringVar(&flags.Listen, "listen", "", "`ADDRESS` to listen on (default localhost:8443)")
	cmd.Flags().StringVar(&flags.Name, "name", "", "`NAME` of the server in its signatures (default lodd)")
	cmd.Flags().StringArrayVar(&flags.Witnesses, "witness", nil, "public `KEY` of a witness, as lodd witness init prints it; may be repeated")
	cmd.Flags().StringArrayVar(&flags.Followers, "follower", nil, "`PIN` of a machine that may keep a copy, as lodd follow prints it; may be repeated")
	cmd.Flags().StringSliceVar(&flags.Addresses, "address", nil, "`HOST:PORT` at which clients reach it, may be repeated")
	cmd.Flags().StringVar(&flags.SignIn.SecondFactor, "second-factor", "", "`WORD`: required (default), or off, to try Lodd out")
	masterKeyFlags(cmd.Flags(), &flags.MasterKey)
	return cmd
}

// settings reads the configuration file, if there is one; flags come first.
func settings(file string, flags config) (config, error) {
	var c config
	if file != "" {
		var err error
		if c, err = load(file); err != nil {
			return c, err
		}
	}
	for _, set := range []struct {
		flag string
		key  *string
	}{{flags.Data, &c.Data}, {flags.Keys, &c.Keys}, {flags.Checkpoints, &c.Checkpoints}, {flags.Listen, &c.Listen}, {flags.Name, &c.Name}, {flags.Store, &c.Store}, {flags.Advertise, &c.Advertise}, {flags.SignIn.SecondFactor, &c.SignIn.SecondFactor}} {
		if set.flag != "" {
			*set.key = set.flag
		}
	}
	c.MasterKey = flags.MasterKey.over(c.MasterKey)
	c.LostCheckpoints = c.LostCheckpoints || flags.LostCheckpoints
	if len(flags.Addresses) > 0 {
		c.Addresses = flags.Addresses
	}
	if len(flags.Witnesses) > 0 {
		c.Witnesses = flags.Witnesses
	}
	if len(flags.Followers) > 0 {
		c.Followers = flags.Followers
	}
	return c, c.check()
}

// serve runs a server until ctx ends.
func serve(ctx context.Context, c config, out io.Writer) error {
	n, err := open(ctx, c, world{now: wall, wall: wall, random: rand.Reader, seeds: rand.Reader, log: zerolog.New(out), space: diskSpace})
	if errors.Is(err, errStoodBy) {
		fmt.Fprintln(out, "lodd: stopped")
		return nil
	}
	if err != nil {
		return err
	}
	c.warn(out)
	fmt.Fprintf(out, "lodd: serving on %s, data in %s, pin %s\n", n.address(), c.Data, n.pin)
	if invite, ok := n.server.BootstrapInvite(); ok {
		fmt.Fprintf(out, "lodd: there is no account yet; make the first administrator with\n\n  lodd join %s\n\n", invite)
	}
	fmt.Fprintln(out, "lodd: ready")
	err = n.run(ctx)
	if err == nil {
		fmt.Fprintln(out, "lodd: stopped")
	}
	return errors.Join(err, n.close())
}
