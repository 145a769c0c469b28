package cmd

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/muster-sec/muster/cli/client"
	"github.com/muster-sec/muster/cli/output"
	"github.com/muster-sec/muster/cli/rulefile"
)

const aboutRuleFiles = `FILE is YAML or JSON: one rule, a list, or what rule export writes. A rule with an
id is that rule; one without is the rule of the same cfg_type with the same
comment. Rules of the cluster that FILE does not mention stay as they are.`

func (a *App) ruleApplyCommand() *cli.Command {
	return &cli.Command{
		Name: "apply", Usage: "create and update rules from a file", Description: aboutRuleFiles,
		Flags: []cli.Flag{
			fileFlag(),
			&cli.BoolFlag{Name: "dry-run", Usage: "say what would change, and change nothing"},
		},
		Action: a.remote(applyRules),
	}
}

func (a *App) ruleDiffCommand() *cli.Command {
	return &cli.Command{
		Name: "diff", Usage: "compare a file with the cluster", Description: aboutRuleFiles,
		Flags: []cli.Flag{
			fileFlag(),
			&cli.BoolFlag{Name: "exit-code", Usage: "exit code 1 when there are differences"},
		},
		Action: a.remote(diffRules),
	}
}

func fileFlag() cli.Flag {
	return &cli.StringFlag{Name: "file", Aliases: []string{"f"}, Usage: "`FILE` of rules, - for standard input"}
}

// plan reads the file and compares it with the cluster.
func (in *invocation) plan(ctx context.Context, c *client.Client) ([]rulefile.Change, error) {
	name, err := in.required("file")
	if err != nil {
		return nil, err
	}
	data, err := in.readAtMost(name, rulefile.MaxSize)
	if err != nil {
		return nil, err
	}
	wanted, err := rulefile.Parse(data)
	if err != nil {
		return nil, usagef("%s: %w", sourceName(name), err)
	}
	if len(wanted) == 0 {
		return nil, usagef("%s holds no rule", sourceName(name))
	}
	existing, err := c.Rules(ctx, "")
	if err != nil {
		return nil, err
	}
	changes, err := rulefile.Plan(wanted, existing.Items)
	if err != nil {
		return nil, usagef("%s: %w", sourceName(name), err).withTry("muster rule list")
	}
	return changes, nil
}

// applyRules makes the changes one by one; what was done before an error is
// printed, so that nobody has to guess.
func applyRules(ctx context.Context, in *invocation, c *client.Client) error {
	changes, err := in.plan(ctx, c)
	if err != nil {
		return err
	}
	if in.flags.Bool("dry-run") {
		in.hint("dry run: nothing is changed")
		return in.printChanges(changes, false)
	}
	for i := range changes {
		if err := applyChange(ctx, c, &changes[i]); err != nil {
			in.hint("%d of %s applied before this one failed: %s", i, plural(len(changes), "rule"), title(changes[i]))
			return err
		}
	}
	return in.printChanges(changes, false)
}

// applyChange replaces the wanted rule by what the daemon made of it.
func applyChange(ctx context.Context, c *client.Client, change *rulefile.Change) (err error) {
	switch change.Action {
	case rulefile.Create:
		change.Rule, err = c.AddRule(ctx, change.Rule)
	case rulefile.Update:
		change.Rule, err = c.UpdateRule(ctx, change.Rule)
	case rulefile.Unchanged:
	}
	return err
}

func diffRules(ctx context.Context, in *invocation, c *client.Client) error {
	changes, err := in.plan(ctx, c)
	if err != nil {
		return err
	}
	if err := in.printChanges(changes, true); err != nil {
		return err
	}
	if n := different(changes); n > 0 && in.flags.Bool("exit-code") {
		return policyf("%s of the file differ from the cluster", plural(n, "rule")).withTry("muster rule apply --file %s", in.text("file"))
	}
	return nil
}

func different(changes []rulefile.Change) (n int) {
	for _, c := range changes {
		if c.Action != rulefile.Unchanged {
			n++
		}
	}
	return n
}

func (in *invocation) printChanges(changes []rulefile.Change, facts bool) error {
	return in.print(itemsOf(changes), func(t *output.Table) {
		for _, c := range changes {
			t.Line("%-9s  %s", c.Action, title(c))
			if !facts || c.Action == rulefile.Unchanged {
				continue
			}
			for _, fact := range c.Diff() {
				t.Line("           %s", fact)
			}
		}
		t.Line("%d of %s changed", different(changes), plural(len(changes), "rule"))
	})
}

// title names a rule in a line of text.
func title(c rulefile.Change) string {
	name := c.Rule.Comment
	if name == "" {
		name = criteria(c.Rule)
	}
	if c.Rule.ID == 0 {
		return fmt.Sprintf("new %s %s rule: %s", c.Rule.CfgType, c.Rule.RuleType, name)
	}
	return fmt.Sprintf("%d %s %s rule: %s", c.Rule.ID, c.Rule.CfgType, c.Rule.RuleType, name)
}
