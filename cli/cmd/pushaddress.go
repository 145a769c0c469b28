package cmd

import (
	"context"

	"github.com/urfave/cli/v2"

	"github.com/muster-sec/muster/cli/client"
	"github.com/muster-sec/muster/cli/output"
)

func (a *App) pushAddressCommand() *cli.Command {
	return &cli.Command{
		Name: "push-address", Usage: "make the address at which the registry tells of pushes", ArgsUsage: "NAME",
		Description: "The address is the secret: enter it into the registry's webhooks. A new one takes\nthe place of the old one. Pushes of what the filters select start a scan.",
		Flags:       []cli.Flag{&cli.BoolFlag{Name: "remove", Usage: "listen for pushes no more"}},
		Action:      a.remote(pushAddress),
	}
}

func pushAddress(ctx context.Context, in *invocation, c *client.Client) error {
	name := in.arg(0)
	if in.flags.Bool("remove") {
		if err := c.RemovePushAddress(ctx, name); err != nil {
			return err
		}
		in.hint("nobody tells of pushes to %s any more", name)
		return nil
	}
	address, err := c.NewPushAddress(ctx, name)
	if err != nil {
		return err
	}
	if err := in.print(address, func(t *output.Table) { t.Line("%s", address.Path) }); err != nil {
		return err
	}
	in.hint("put the address of this daemon, as the registry reaches it, before the path; it is not shown again")
	return nil
}
