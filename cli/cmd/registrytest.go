package cmd

import (
	"context"
	"net/http"

	"github.com/urfave/cli/v2"

	"github.com/muster-sec/muster/cli/client"
	"github.com/muster-sec/muster/cli/output"
	"github.com/muster-sec/muster/core/httpapi/api"
)

func (a *App) registryTestCommand() *cli.Command {
	return &cli.Command{
		Name: "test", Usage: "try to reach, log in, list and read, step by step", ArgsUsage: "NAME",
		Description: "The last step shows what a run would scan. The flags are those of add: they are tried, laid over the registry of that name\nif there is one, and nothing is saved.",
		Flags:       append(registryFlags(), &cli.StringFlag{Name: "type", Usage: "registry `PLUGIN`; default oci for a new one"}),
		Action:      a.remote(testRegistry),
	}
}

func testRegistry(ctx context.Context, in *invocation, c *client.Client) error {
	steps, err := in.tryRegistry(ctx, c)
	if err != nil {
		return err
	}
	if err := in.print(steps, stepTable(steps.Items)); err != nil {
		return err
	}
	return in.judgeSteps(in.arg(0), steps.Items)
}

func stepTable(steps []api.DiagnosisStep) func(*output.Table) {
	return func(t *output.Table) {
		t.Header("STEP", "OK", "DETAIL")
		for _, s := range steps {
			t.Row(s.Name, yesNo(s.OK), s.Detail)
		}
	}
}

// tryRegistry has the saved registry tested, or what the flags make of it.
func (in *invocation) tryRegistry(ctx context.Context, c *client.Client) (api.List[api.DiagnosisStep], error) {
	var none api.List[api.DiagnosisStep]
	if in.flags.NumFlags() == 0 {
		return c.TestRegistry(ctx, in.arg(0))
	}
	patch, err := in.registryPatch()
	if err != nil {
		return none, err
	}
	r, err := c.Registry(ctx, in.arg(0))
	switch {
	case client.IsStatus(err, http.StatusNotFound):
		if _, err := in.required("url"); err != nil {
			return none, err
		}
		r = api.Registry{Name: in.arg(0), Type: "oci"}
	case err != nil:
		return none, err
	}
	if in.flags.IsSet("type") {
		r.Type = in.text("type")
	}
	return c.TryRegistry(ctx, patch.Apply(r))
}

// judgeSteps says what a person should do about the steps of a test. A step that
// failed is an error; a warning is none.
func (in *invocation) judgeSteps(registry string, steps []api.DiagnosisStep) error {
	for _, s := range steps {
		if !s.OK {
			return failf("registry %s: %s", registry, s.Detail).withCheck("%s", s.Name).withTry("%s", s.Hint)
		}
		if s.Warning != "" {
			in.hint("warning: %s", s.Warning)
			in.hint("try:     %s", s.Hint)
		}
	}
	return nil
}
