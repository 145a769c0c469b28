package cmd

import (
	"context"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/muster-sec/muster/cli/client"
	"github.com/muster-sec/muster/cli/output"
	"github.com/muster-sec/muster/core/httpapi/api"
)

func (a *App) promoteCommand() *cli.Command {
	return &cli.Command{
		Name: "promote", Category: groupFederation, Usage: "make this cluster the primary of a new federation",
		Description: "Only a local administrator may. The account that does it becomes a federated\nadministrator.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "name", Usage: "`NAME` of this cluster in the federation; default: its configured one"},
			&cli.StringFlag{Name: "advertise", Usage: "`HOST:PORT` at which managed clusters reach the federation port"},
		},
		Action: a.remote(promote),
	}
}

func promote(ctx context.Context, in *invocation, c *client.Client) error {
	advertise, err := in.required("advertise")
	if err != nil {
		return err
	}
	fed, err := c.Promote(ctx, api.PromoteRequest{Name: in.text("name"), Advertise: advertise})
	if err != nil {
		return err
	}
	if err := in.printFederation(fed); err != nil {
		return err
	}
	in.hint("next, for every cluster that shall join: muster token create > FILE")
	return nil
}

func (a *App) demoteCommand() *cli.Command {
	return &cli.Command{
		Name: "demote", Category: groupFederation, Usage: "end the federation that this cluster leads",
		Flags: []cli.Flag{yesFlag()}, Action: a.remote(demote),
	}
}

func yesFlag() cli.Flag {
	return &cli.BoolFlag{Name: "yes", Aliases: []string{"y"}, Usage: "do not ask"}
}

func demote(ctx context.Context, in *invocation, c *client.Client) error {
	err := in.confirm("Every managed cluster loses its federated rules and results.")
	if err != nil {
		return err
	}
	fed, err := c.Demote(ctx)
	if err != nil {
		return err
	}
	return in.printFederation(fed)
}

func (a *App) joinCommand() *cli.Command {
	return &cli.Command{
		Name: "join", Category: groupFederation, Usage: "make this cluster a managed one",
		Description: "The token comes from muster token create on the primary.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "token-file", Usage: "`FILE` that holds the join token, - for standard input"},
			&cli.StringFlag{Name: "name", Usage: "`NAME` of this cluster in the federation; default: its configured one"},
		},
		Action: a.remote(join),
	}
}

func join(ctx context.Context, in *invocation, c *client.Client) error {
	file, err := in.required("token-file")
	if err != nil {
		return err
	}
	token, err := in.secretFile(file)
	if err != nil {
		return err
	}
	fed, err := c.Join(ctx, api.JoinRequest{Token: token, Name: in.text("name")})
	if err != nil {
		return err
	}
	if err := in.printFederation(fed); err != nil {
		return err
	}
	in.hint("see rules and results arrive: muster cluster list")
	return nil
}

func (a *App) leaveCommand() *cli.Command {
	return &cli.Command{
		Name: "leave", Category: groupFederation, Usage: "end this cluster's membership",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "force", Usage: "leave even when the primary cannot be told"},
			yesFlag(),
		},
		Action: a.remote(leave),
	}
}

func leave(ctx context.Context, in *invocation, c *client.Client) error {
	if err := in.confirm("This cluster loses its federated rules and results."); err != nil {
		return err
	}
	fed, err := c.Leave(ctx, api.LeaveRequest{Force: in.flags.Bool("force")})
	if err != nil {
		return err
	}
	return in.printFederation(fed)
}

func (in *invocation) printFederation(f api.Federation) error {
	return in.print(f, func(t *output.Table) {
		t.Field("Cluster", f.ClusterName)
		t.Field("Role", f.Role)
		t.Field("Federation", f.FederationID)
		t.Field("Advertised at", f.Advertise)
		t.Field("Primary", f.PrimaryName)
		t.Field("Primary at", f.Primary)
		t.Field("Since", stamp(f.Since))
	})
}

func (a *App) tokenCommand() *cli.Command {
	return &cli.Command{
		Name: "token", Category: groupFederation, Usage: "join tokens, on the primary",
		Subcommands: []*cli.Command{
			{
				Name: "create", Usage: "make a token and print it",
				Flags: []cli.Flag{
					&cli.DurationFlag{Name: "ttl", Usage: "valid this long, such as 30m; default one hour"},
					&cli.IntFlag{Name: "uses", Usage: "good for `N` clusters; default 1"},
				},
				Action: a.remote(createToken),
			},
			{Name: "list", Usage: "list the tokens", Action: a.remote(listTokens)},
			{Name: "revoke", Usage: "make a token worthless", ArgsUsage: "ID", Action: a.remote(revokeToken)},
		},
	}
}

// createToken prints the token alone, so that it can be piped, and how to use
// it beside.
func createToken(ctx context.Context, in *invocation, c *client.Client) error {
	ttl, uses := in.flags.Duration("ttl"), in.flags.Int("uses")
	if ttl < 0 || uses < 0 || ttl%time.Second != 0 {
		return usagef("--ttl is whole seconds and --uses a number, neither negative")
	}
	token, err := c.CreateToken(ctx, api.TokenRequest{TTLSeconds: int64(ttl / time.Second), MaxUses: uses})
	if err != nil {
		return err
	}
	err = in.print(token, func(t *output.Table) { t.Line("%s", token.Token) })
	if err != nil {
		return err
	}
	in.hint("token %s: good for %s till %s", token.ID, plural(token.MaxUses, "cluster"), stamp(token.ExpiresAt))
	in.hint("save it to a file, then on the cluster that shall join: muster join --token-file FILE")
	return nil
}

func listTokens(ctx context.Context, in *invocation, c *client.Client) error {
	list, err := c.Tokens(ctx)
	if err != nil {
		return err
	}
	return in.print(list, func(t *output.Table) {
		t.Header("ID", "STATE", "USES", "CREATED BY", "CREATED", "EXPIRES")
		for _, k := range list.Items {
			t.Row(k.ID, k.State, ratio(k.Uses, k.MaxUses), k.CreatedBy, in.ago(k.CreatedAt), stamp(k.ExpiresAt))
		}
	})
}

func revokeToken(ctx context.Context, in *invocation, c *client.Client) error {
	if err := c.RevokeToken(ctx, in.arg(0)); err != nil {
		return err
	}
	in.hint("token %s is revoked", in.arg(0))
	return nil
}
