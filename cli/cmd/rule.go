package cmd

import (
	"context"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/muster-sec/muster/cli/client"
	"github.com/muster-sec/muster/cli/output"
	"github.com/muster-sec/muster/core/httpapi/api"
)

// The owners of rules as the API names them, beside rules that are built in.
const (
	federalRule = "federal"
	localRule   = "user_created"
)

func (a *App) ruleCommand() *cli.Command {
	return &cli.Command{
		Name: "rule", Category: groupAdmission, Usage: "the rules that admit or deny",
		Subcommands: []*cli.Command{
			{Name: "list", Usage: "list the rules in the order of evaluation", Flags: []cli.Flag{scopeFlag()}, Action: a.remote(listRules)},
			{Name: "show", Usage: "show one rule", ArgsUsage: "ID", Action: a.remote(showRule)},
			a.ruleAddCommand(),
			a.ruleApplyCommand(),
			a.ruleDiffCommand(),
			{
				Name: "export", Usage: "write the rules as apply reads them; YAML unless --output json",
				Flags: []cli.Flag{scopeFlag()}, Action: a.remote(exportRules),
			},
			{Name: "remove", Usage: "remove rules", ArgsUsage: "ID...", Action: a.remote(removeRules)},
		},
	}
}

func scopeFlag() cli.Flag {
	return &cli.StringFlag{Name: "scope", Usage: "`SCOPE`: fed or local; default both"}
}

func (in *invocation) scope() (string, error) {
	s := in.text("scope")
	if s != "" && s != "fed" && s != "local" {
		return "", usagef("--scope %q: use fed or local", s)
	}
	return s, nil
}

func listRules(ctx context.Context, in *invocation, c *client.Client) error {
	scope, err := in.scope()
	if err != nil {
		return err
	}
	list, err := c.Rules(ctx, scope)
	if err != nil {
		return err
	}
	return in.print(list, func(t *output.Table) {
		t.Header("ID", "OWNER", "TYPE", "MODE", "ON", "CRITERIA", "COMMENT")
		for _, r := range list.Items {
			t.Row(r.ID, r.CfgType, r.RuleType, r.RuleMode, yesNo(!r.Disable), clip(criteria(r)), clip(r.Comment))
		}
	})
}

func criteria(r api.Rule) string {
	all := make([]string, 0, len(r.Criteria))
	for _, c := range r.Criteria {
		all = append(all, c.Name+" "+c.Op+" "+c.Value)
	}
	return strings.Join(all, " and ")
}

func showRule(ctx context.Context, in *invocation, c *client.Client) error {
	id, err := ruleID(in.arg(0))
	if err != nil {
		return err
	}
	r, err := c.Rule(ctx, id)
	if err != nil {
		return err
	}
	return in.printRule(r)
}

func (in *invocation) printRule(r api.Rule) error {
	return in.print(r, func(t *output.Table) {
		t.Row("ID:", r.ID)
		t.Row("Owner:", r.CfgType)
		t.Row("Type:", r.RuleType)
		t.Field("Mode", r.RuleMode)
		t.Row("On:", yesNo(!r.Disable))
		t.Field("Comment", r.Comment)
		for _, c := range r.Criteria {
			t.Row("Criterion:", c.Name+" "+c.Op+" "+c.Value)
		}
		t.Field("Containers", strings.Join(r.Containers, " "))
		t.Field("On missing", r.OnMissing)
		t.Field("Unreadable", r.Unreadable)
	})
}

func ruleID(s string) (uint32, error) {
	id, err := strconv.ParseUint(s, 10, 32)
	if err != nil || id == 0 {
		return 0, usagef("%q is not the id of a rule", s).withTry("muster rule list")
	}
	return uint32(id), nil
}

func (a *App) ruleAddCommand() *cli.Command {
	return &cli.Command{
		Name: "add", Usage: "add a rule",
		Description: "For example: muster rule add --type deny --criterion 'cveHighCount >= 1'",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "type", Usage: "`TYPE`: deny or exception"},
			&cli.StringSliceFlag{Name: "criterion", Usage: "`'NAME OP VALUE'`; repeatable, all must match"},
			&cli.StringFlag{Name: "comment", Usage: "`TEXT` for people; also what apply knows the rule by"},
			&cli.StringFlag{Name: "mode", Usage: "`MODE` of a deny rule: monitor or protect; default the global one"},
			&cli.StringFlag{Name: "on-missing", Usage: "`CHOICE` when a criterion's data has not arrived: ignore or match"},
			&cli.BoolFlag{Name: "federated", Usage: "for every cluster of the federation"},
			&cli.BoolFlag{Name: "disabled", Usage: "store the rule switched off"},
		},
		Action: a.remote(addRule),
	}
}

func addRule(ctx context.Context, in *invocation, c *client.Client) error {
	kind, err := in.required("type")
	if err != nil {
		return err
	}
	r := api.Rule{
		RuleType: kind, CfgType: localRule, Comment: in.text("comment"), RuleMode: in.text("mode"),
		OnMissing: in.text("on-missing"), Disable: in.flags.Bool("disabled"), Criteria: []api.Criterion{},
	}
	if in.flags.Bool("federated") {
		r.CfgType = federalRule
	}
	for _, text := range in.flags.StringSlice("criterion") {
		criterion, err := parseCriterion(text)
		if err != nil {
			return err
		}
		r.Criteria = append(r.Criteria, criterion)
	}
	added, err := c.AddRule(ctx, r)
	if err != nil {
		return err
	}
	return in.printRule(added)
}

// parseCriterion splits at the first two spaces; a value may hold more.
func parseCriterion(text string) (api.Criterion, error) {
	name, rest, _ := strings.Cut(strings.TrimSpace(text), " ")
	op, value, ok := strings.Cut(strings.TrimSpace(rest), " ")
	if !ok {
		return api.Criterion{}, usagef("--criterion %q: use 'NAME OP VALUE', such as 'cveHighCount >= 1'", text)
	}
	return api.Criterion{Name: name, Op: op, Value: strings.TrimSpace(value)}, nil
}

// exportRules leaves out what cannot be applied anywhere: rules that are built
// in, and rules of which this version knows only a part.
func exportRules(ctx context.Context, in *invocation, c *client.Client) error {
	scope, err := in.scope()
	if err != nil {
		return err
	}
	list, err := c.Rules(ctx, scope)
	if err != nil {
		return err
	}
	own := []api.Rule{}
	for _, r := range list.Items {
		switch {
		case r.CfgType != federalRule && r.CfgType != localRule:
		case r.Unreadable != "":
			in.hint("warning: rule %d is left out: %s", r.ID, r.Unreadable)
		default:
			own = append(own, r)
		}
	}
	if in.format == output.Text {
		in.format = output.YAML
	}
	return in.print(itemsOf(own), nil)
}

func removeRules(ctx context.Context, in *invocation, c *client.Client) error {
	for _, arg := range in.flags.Args().Slice() {
		id, err := ruleID(arg)
		if err != nil {
			return err
		}
		if err := c.RemoveRule(ctx, id); err != nil {
			return err
		}
		in.hint("rule %d is removed", id)
	}
	return nil
}
