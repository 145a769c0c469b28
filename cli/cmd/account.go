package cmd

import (
	"context"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/muster-sec/muster/cli/client"
	"github.com/muster-sec/muster/cli/output"
	"github.com/muster-sec/muster/core/httpapi/api"
)

func (a *App) accountCommand() *cli.Command {
	return &cli.Command{
		Name: "account", Category: groupAccess, Usage: "the accounts that may log in",
		Subcommands: []*cli.Command{
			{Name: "list", Usage: "list the accounts", Action: a.remote(listAccounts)},
			{
				Name: "add", Usage: "add an account", ArgsUsage: "NAME",
				Flags: []cli.Flag{roleFlag(), passwordFlag("password-file")}, Action: a.remote(addAccount),
			},
			{Name: "remove", Usage: "remove an account", ArgsUsage: "NAME", Action: a.remote(removeAccount)},
			{
				Name: "passwd", Usage: "change a password; without a name, your own", ArgsUsage: "[NAME]",
				Flags: []cli.Flag{
					&cli.StringFlag{Name: "current-file", Usage: "`FILE` that holds your current password, - for standard input"},
					passwordFlag("password-file"),
				},
				Action: a.remote(changePassword),
			},
		},
	}
}

func roleFlag() cli.Flag {
	return &cli.StringFlag{Name: "role", Usage: "`ROLE`: admin, reader, ciops, fedAdmin or fedReader", Value: "reader"}
}

func listAccounts(ctx context.Context, in *invocation, c *client.Client) error {
	list, err := c.Accounts(ctx)
	if err != nil {
		return err
	}
	return in.print(list, func(t *output.Table) {
		t.Header("NAME", "ROLE", "CREATED", "LAST LOGIN")
		for _, k := range list.Items {
			t.Row(k.Username, k.Role, stamp(k.CreatedAt), in.ago(k.LastLogin))
		}
	})
}

func addAccount(ctx context.Context, in *invocation, c *client.Client) error {
	password, err := in.password("password-file", "password for "+in.arg(0)+": ", true)
	if err != nil {
		return err
	}
	added, err := c.AddAccount(ctx, api.Account{Username: in.arg(0), Role: in.text("role"), Password: password})
	if err != nil {
		return err
	}
	return in.print(added, func(t *output.Table) {
		t.Row("Name:", added.Username)
		t.Row("Role:", added.Role)
	})
}

func removeAccount(ctx context.Context, in *invocation, c *client.Client) error {
	if err := c.RemoveAccount(ctx, in.arg(0)); err != nil {
		return err
	}
	in.hint("account %s is removed", in.arg(0))
	return nil
}

// changePassword asks for the current password only for one's own account.
func changePassword(ctx context.Context, in *invocation, c *client.Client) error {
	if in.text("current-file") == "-" && in.text("password-file") == "-" {
		return usagef("only one password can come from standard input")
	}
	status, err := c.Status(ctx)
	if err != nil {
		return err
	}
	name, change := in.arg(0), api.PasswordChange{}
	if name == "" {
		name = status.Username
	}
	if name == status.Username {
		if change.Current, err = in.password("current-file", "current password: ", false); err != nil {
			return err
		}
	}
	if change.New, err = in.password("password-file", "new password for "+name+": ", true); err != nil {
		return err
	}
	if err := c.ChangePassword(ctx, name, change); err != nil {
		return err
	}
	in.hint("the password of %s is changed", name)
	return nil
}

func (a *App) apikeyCommand() *cli.Command {
	return &cli.Command{
		Name: "apikey", Category: groupAccess, Usage: "the keys that pipelines and other programs use",
		Subcommands: []*cli.Command{
			{Name: "list", Usage: "list the keys", Action: a.remote(listKeys)},
			{
				Name: "create", Usage: "make a key and print it", ArgsUsage: "NAME",
				Flags: []cli.Flag{
					roleFlag(),
					&cli.DurationFlag{Name: "ttl", Usage: "valid this long, such as 720h; default without end"},
				},
				Action: a.remote(createKey),
			},
			{Name: "remove", Usage: "remove a key", ArgsUsage: "NAME", Action: a.remote(removeKey)},
		},
	}
}

func listKeys(ctx context.Context, in *invocation, c *client.Client) error {
	list, err := c.APIKeys(ctx)
	if err != nil {
		return err
	}
	return in.print(list, func(t *output.Table) {
		t.Header("NAME", "ROLE", "CREATED BY", "CREATED", "EXPIRES")
		for _, k := range list.Items {
			t.Row(k.Name, k.Role, k.CreatedBy, stamp(k.CreatedAt), stamp(k.ExpiresAt))
		}
	})
}

// createKey prints the key alone, so that it can be written to a file.
func createKey(ctx context.Context, in *invocation, c *client.Client) error {
	key := api.APIKey{Name: in.arg(0), Role: in.text("role")}
	switch ttl := in.flags.Duration("ttl"); {
	case ttl < 0:
		return usagef("--ttl is negative")
	case ttl > 0:
		key.ExpiresAt = in.Now().Add(ttl).UTC().Truncate(time.Second)
	}
	made, err := c.CreateAPIKey(ctx, key)
	if err != nil {
		return err
	}
	if err := in.print(made, func(t *output.Table) { t.Line("%s", made.Key) }); err != nil {
		return err
	}
	in.hint("key %s (%s) is shown this once; keep it in a file and use --apikey-file", made.Name, made.Role)
	return nil
}

func removeKey(ctx context.Context, in *invocation, c *client.Client) error {
	if err := c.RemoveAPIKey(ctx, in.arg(0)); err != nil {
		return err
	}
	in.hint("key %s is removed", in.arg(0))
	return nil
}
