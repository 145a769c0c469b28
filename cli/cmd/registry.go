package cmd

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/muster-sec/muster/cli/client"
	"github.com/muster-sec/muster/cli/output"
	"github.com/muster-sec/muster/core/httpapi/api"
)

func (a *App) registryCommand() *cli.Command {
	return &cli.Command{
		Name: "registry", Category: groupImages, Usage: "the registries that are scanned",
		Subcommands: []*cli.Command{
			a.registryAddCommand(),
			a.registryUpdateCommand(),
			{Name: "list", Usage: "list the registries and their last runs", Action: a.remote(listRegistries)},
			{Name: "show", Usage: "show one registry", ArgsUsage: "NAME", Action: a.remote(showRegistry)},
			a.registryTestCommand(),
			a.registryScanCommand(),
			a.pushAddressCommand(),
			{
				Name: "remove", Usage: "remove a registry and its results", ArgsUsage: "NAME",
				Flags: []cli.Flag{yesFlag()}, Action: a.remote(removeRegistry),
			},
		},
	}
}

func (a *App) registryAddCommand() *cli.Command {
	return &cli.Command{
		Name: "add", Usage: "add a registry", ArgsUsage: "NAME",
		Description: "A name that begins with fed. is scanned by the primary for every cluster of\nthe federation.",
		Flags: append(registryFlags(),
			&cli.StringFlag{Name: "type", Usage: "registry `PLUGIN`", Value: "oci"},
			&cli.BoolFlag{Name: "test", Usage: "test first, and add only when every step succeeds"}),
		Action: a.remote(addRegistry),
	}
}

func (a *App) registryUpdateCommand() *cli.Command {
	return &cli.Command{
		Name: "update", Usage: "change what the flags name of a registry", ArgsUsage: "NAME",
		Description: "A list that is given replaces the old list; --filter '' empties it.",
		Flags:       registryFlags(), Action: a.remote(updateRegistry),
	}
}

// registryFlags are what can be set and changed.
func registryFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "url", Usage: "`URL` of the registry"},
		&cli.StringSliceFlag{Name: "repository", Usage: "scan this `REPOSITORY` instead of the whole catalog; repeatable"},
		&cli.StringSliceFlag{Name: "filter", Usage: "scan what matches `REPOSITORY:TAG`, * is anything; repeatable"},
		&cli.StringSliceFlag{Name: "platform", Usage: "scan this `OS/ARCH` of multi-platform images; repeatable; default all"},
		&cli.StringFlag{Name: "schedule", Usage: "`CRON` expression or @every 10m; default by hand only"},
		&cli.StringFlag{Name: "username", Usage: "`NAME` to log in with"},
		passwordFlag("password-file"),
		&cli.StringFlag{Name: "token-file", Usage: "`FILE` that holds a bearer token, - for standard input"},
		&cli.StringSliceFlag{Name: "set", Usage: "`KEY=VALUE` of the plugin's own settings, null takes it away; repeatable"},
		&cli.StringSliceFlag{Name: "set-file", Usage: "`KEY=FILE` for a setting that is a secret; repeatable"},
		&cli.StringFlag{Name: "ca-cert", Usage: "`FILE` with the registry's certificate authority, PEM"},
		&cli.BoolFlag{Name: "no-rescan", Usage: "do not match again after an update of the vulnerability DB"},
	}
}

func addRegistry(ctx context.Context, in *invocation, c *client.Client) error {
	if _, err := in.required("url"); err != nil {
		return err
	}
	flags, err := in.registryPatch()
	if err != nil {
		return err
	}
	r := flags.Apply(api.Registry{Name: in.arg(0), Type: in.text("type")})
	if in.flags.Bool("test") {
		steps, err := c.TryRegistry(ctx, r)
		if err != nil {
			return err
		}
		// Beside the result, which is the registry that was added.
		if err := output.Write(in.Stderr, output.Text, steps, stepTable(steps.Items)); err != nil {
			return err
		}
		if err := in.judgeSteps(r.Name, steps.Items); err != nil {
			return err
		}
	}
	added, err := c.AddRegistry(ctx, r)
	if err != nil {
		return err
	}
	if err := in.printRegistry(added); err != nil {
		return err
	}
	in.hint("next: muster registry scan %s --wait", added.Name)
	return nil
}

func updateRegistry(ctx context.Context, in *invocation, c *client.Client) error {
	if in.flags.NumFlags() == 0 {
		return usagef("nothing to change is given")
	}
	patch, err := in.registryPatch()
	if err != nil {
		return err
	}
	changed, err := c.UpdateRegistry(ctx, in.arg(0), patch)
	if err != nil {
		return err
	}
	return in.printRegistry(changed)
}

// registryPatch takes what the flags name and leaves the rest alone.
func (in *invocation) registryPatch() (client.RegistryPatch, error) {
	p := client.RegistryPatch{
		URL: in.given("url"), Schedule: in.given("schedule"), Username: in.given("username"),
		Repositories: in.givenList("repository"), Filters: in.givenList("filter"), Platforms: in.givenList("platform"),
	}
	if in.flags.IsSet("no-rescan") {
		p.RescanAfterDBUpdate = new(!in.flags.Bool("no-rescan"))
	}
	if file := in.text("ca-cert"); file != "" {
		pem, err := in.readFile(file)
		if err != nil {
			return p, err
		}
		p.CACert = new(string(pem))
	}
	var err error
	if p.Settings, err = in.registrySettings(); err != nil {
		return p, err
	}
	return p, in.registrySecrets(&p)
}

// registrySettings reads --set and --set-file. What looks like JSON and is no
// number or word is sent as such; the daemon reads the rest as the plugin's
// schema says, so that an account's number stays a text.
func (in *invocation) registrySettings() (map[string]any, error) {
	settings := map[string]any{}
	for _, pair := range in.flags.StringSlice("set") {
		name, text, ok := strings.Cut(pair, "=")
		if !ok || name == "" {
			return nil, usagef("--set %s: write KEY=VALUE", name)
		}
		settings[name] = settingOf(text)
	}
	for _, pair := range in.flags.StringSlice("set-file") {
		name, file, ok := strings.Cut(pair, "=")
		if !ok || name == "" || file == "" {
			return nil, usagef("--set-file %s: write KEY=FILE", name)
		}
		secret, err := in.secretFile(file)
		if err != nil {
			return nil, err
		}
		settings[name] = secret
	}
	return settings, nil
}

func settingOf(text string) any {
	var value any
	if text == "null" || strings.ContainsAny(text[:min(1, len(text))], `{["`) && json.Unmarshal([]byte(text), &value) == nil {
		return value
	}
	return text
}

// registrySecrets reads a token from its file, or else a password, which is
// asked for when a username without either is given.
func (in *invocation) registrySecrets(p *client.RegistryPatch) (err error) {
	if file := in.text("token-file"); file != "" {
		p.Token, err = in.secretFile(file)
		return err
	}
	if in.text("username") != "" || in.text("password-file") != "" {
		p.Password, err = in.password("password-file", "password for "+in.text("username")+" at the registry: ", false)
	}
	return err
}

// given is a flag's value, nil when the flag is absent.
func (in *invocation) given(flag string) *string {
	if !in.flags.IsSet(flag) {
		return nil
	}
	return new(in.text(flag))
}

// givenList is a repeatable flag's values, nil when the flag is absent; empty
// values only say that the list is meant.
func (in *invocation) givenList(flag string) *[]string {
	if !in.flags.IsSet(flag) {
		return nil
	}
	return new(slices.DeleteFunc(in.flags.StringSlice(flag), func(s string) bool { return s == "" }))
}

func listRegistries(ctx context.Context, in *invocation, c *client.Client) error {
	list, err := c.Registries(ctx)
	if err != nil {
		return err
	}
	return in.print(list, func(t *output.Table) {
		t.Header("NAME", "TYPE", "URL", "STATE", "IMAGES", "LAST RUN", "NEXT RUN")
		for _, r := range list.Items {
			last := ""
			if r.LastRun != nil {
				last = r.LastRun.State + " " + in.ago(r.LastRun.StartedAt)
			}
			t.Row(r.Name, r.Type, r.URL, r.State, r.Images, last, in.ago(r.NextRun))
		}
	})
}

func showRegistry(ctx context.Context, in *invocation, c *client.Client) error {
	r, err := c.Registry(ctx, in.arg(0))
	if err != nil {
		return err
	}
	return in.printRegistry(r)
}

func (in *invocation) printRegistry(r api.Registry) error {
	return in.print(r, func(t *output.Table) {
		t.Field("Name", r.Name)
		t.Field("Type", r.Type)
		t.Field("URL", r.URL)
		t.Field("Repositories", strings.Join(r.Repositories, " "))
		t.Field("Filters", strings.Join(r.Filters, " "))
		t.Field("Platforms", strings.Join(r.Platforms, " "))
		t.Field("Schedule", r.Schedule)
		t.Field("Username", r.Username)
		t.Row("Password:", yesNo(r.HasPassword))
		t.Row("Token:", yesNo(r.HasToken))
		for _, name := range slices.Sorted(maps.Keys(r.Settings)) {
			t.Field("Setting "+name, fmt.Sprint(r.Settings[name]))
		}
		t.Field("Secret settings", strings.Join(r.SecretSettings, " "))
		t.Field("Origin", r.Origin)
		t.Field("State", r.State)
		t.Row("Images:", r.Images)
		t.Field("Next run", in.ago(r.NextRun))
		if r.LastRun != nil {
			t.Row("Last run:", r.LastRun.State+", "+in.ago(r.LastRun.StartedAt))
			t.Row("", sum(*r.LastRun))
			t.Field("Last error", r.LastRun.Error)
			t.Field("Last warning", r.LastRun.Warning)
			in.outlook(t, *r.LastRun)
		}
	})
}

func removeRegistry(ctx context.Context, in *invocation, c *client.Client) error {
	name := in.arg(0)
	if err := in.confirm("Registry " + name + " and its scan results are removed."); err != nil {
		return err
	}
	if err := c.RemoveRegistry(ctx, name); err != nil {
		return err
	}
	in.hint("registry %s is removed", name)
	return nil
}
