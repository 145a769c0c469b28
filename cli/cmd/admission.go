package cmd

import (
	"context"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/muster-sec/muster/cli/client"
	"github.com/muster-sec/muster/cli/output"
	"github.com/muster-sec/muster/core/httpapi/api"
)

func (a *App) admissionCommand() *cli.Command {
	return &cli.Command{
		Name: "admission", Category: groupAdmission, Usage: "ask and switch admission control",
		Subcommands: []*cli.Command{
			{
				Name: "review", Usage: "ask what admission control would decide", ArgsUsage: "[FILE|-]",
				Description: `FILE, or standard input, is an AdmissionReview or a Kubernetes object (Pod,
Deployment, …) in JSON or YAML. Nothing is admitted or recorded as admitted.
Exit code 1 when it is denied.`,
				Flags: []cli.Flag{
					&cli.StringFlag{Name: "namespace", Aliases: []string{"n"}, Usage: "`NAME` for an object that names none", Value: "default"},
					&cli.BoolFlag{Name: "trace", Usage: "show every rule that was looked at"},
				},
				Action: a.remote(review),
			},
			{
				Name: "state", Usage: "show or switch admission control",
				Flags: []cli.Flag{
					&cli.BoolFlag{Name: "enable", Usage: "switch on; --enable=false switches off"},
					&cli.StringFlag{Name: "mode", Usage: "`MODE`: monitor or protect"},
				},
				Action: a.remote(admissionState),
			},
		},
	}
}

func review(ctx context.Context, in *invocation, c *client.Client) error {
	file := in.arg(0)
	if file == "" {
		file = "-"
	}
	if file == "-" && in.Terminal.Stdin {
		in.hint("reading an AdmissionReview or a Kubernetes object from the terminal …")
	}
	data, err := in.readFile(file)
	if err != nil {
		return err
	}
	body, err := admissionReview(data, in.text("namespace"))
	if err != nil {
		return usagef("%s: %w", sourceName(file), err)
	}
	answer, err := c.Review(ctx, body)
	if err != nil {
		return err
	}
	if err := in.printDecision(answer); err != nil {
		return err
	}
	if !answer.Decision.Allowed {
		return policyf("denied: %s", answer.Decision.Message)
	}
	return nil
}

func (in *invocation) printDecision(a api.ReviewAnswer) error {
	d := a.Decision
	err := in.print(a, func(t *output.Table) {
		t.Row("Decision:", allowed(d.Allowed))
		t.Field("Message", d.Message)
		if d.Rule != nil {
			hitRows(t, "Rule:", *d.Rule)
		}
		for _, v := range d.Violations {
			hitRows(t, "Violation:", v)
		}
		if len(d.Containers) > 0 {
			t.Gap()
			t.Header("CONTAINER", "KIND", "DECISION", "RESULTS", "RULE", "IMAGE")
		}
		for _, c := range d.Containers {
			rule := c.Note
			if c.Rule != nil {
				rule = ruleTitle(*c.Rule)
			}
			t.Row(c.Name, c.Kind, allowed(c.Allowed), knownResults(c.Results), rule, c.Image)
		}
		if in.flags.Bool("trace") {
			trace(t, d.Containers)
		}
	})
	for _, w := range d.Warnings {
		in.hint("warning: %s", w)
	}
	return err
}

func hitRows(t *output.Table, title string, h api.RuleHit) {
	t.Row(title, ruleTitle(h))
	for _, because := range h.Because {
		t.Row("  because:", because)
	}
	t.Field("  such as", strings.Join(h.CVEs, " "))
}

func ruleTitle(h api.RuleHit) string {
	text := fmt.Sprintf("%d %s %s", h.ID, h.CfgType, h.RuleType)
	if h.Mode != "" {
		text += " (" + h.Mode + ")"
	}
	if h.Comment != "" {
		text += ": " + h.Comment
	}
	return text
}

func trace(t *output.Table, containers []api.ContainerDecision) {
	for _, c := range containers {
		t.Gap()
		t.Line("rules for %s:", c.Name)
		for _, s := range c.Trace {
			t.Row(fmt.Sprintf("  %d", s.ID), s.Outcome, strings.Join(s.Why, "; "))
		}
	}
}

func allowed(yes bool) string {
	if yes {
		return "allowed"
	}
	return "denied"
}

func knownResults(verdicts []api.Verdict) string {
	var known []string
	for _, v := range verdicts {
		known = append(known, v.Source+" "+counts(v.Counts))
	}
	if len(known) == 0 {
		return "none"
	}
	return strings.Join(known, ", ")
}

// admissionState shows the state, after changing what the flags name.
func admissionState(ctx context.Context, in *invocation, c *client.Client) error {
	state, err := c.AdmissionState(ctx)
	if err != nil {
		return err
	}
	if in.flags.IsSet("enable") || in.flags.IsSet("mode") {
		if in.flags.IsSet("enable") {
			state.Enable = in.flags.Bool("enable")
		}
		if in.flags.IsSet("mode") {
			state.Mode = in.text("mode")
		}
		if state, err = c.SetAdmissionState(ctx, state); err != nil {
			return err
		}
	}
	return in.print(state, func(t *output.Table) {
		t.Row("Enabled:", yesNo(state.Enable))
		t.Row("Mode:", state.Mode)
	})
}
