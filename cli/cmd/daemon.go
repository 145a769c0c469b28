package cmd

import (
	"context"

	"github.com/urfave/cli/v2"

	"github.com/muster-sec/muster/cli/client"
	"github.com/muster-sec/muster/cli/output"
	"github.com/muster-sec/muster/core/httpapi/api"
)

func (a *App) statusCommand() *cli.Command {
	return &cli.Command{
		Name: "status", Category: groupDaemon, Usage: "what the daemon is, and who you are there",
		Action: a.remote(showStatus),
	}
}

func showStatus(ctx context.Context, in *invocation, c *client.Client) error {
	s, err := c.Status(ctx)
	if err != nil {
		return err
	}
	err = in.print(s, func(t *output.Table) {
		t.Row("Server:", c.Server())
		t.Row("Cluster:", s.ClusterName)
		t.Row("Role:", s.Role)
		t.Row("Version:", s.Version)
		t.Row("Started:", in.ago(s.StartedAt))
		t.Row("You are:", s.Username+" ("+s.UserRole+")")
		t.Row("Vulnerability DB:", in.dbAge(s.DB))
	})
	in.dbHint(s.DB)
	return err
}

func (in *invocation) dbAge(db api.DB) string {
	switch {
	case !db.Present:
		return "none"
	case db.Stale:
		return "built " + in.ago(db.UpdatedAt) + ", stale"
	}
	return "built " + in.ago(db.UpdatedAt)
}

// dbHint says aloud that answers are worth less than they look.
func (in *invocation) dbHint(db api.DB) {
	switch {
	case !db.Present:
		in.hint("warning: there is no vulnerability database: images are listed, but nothing is found in them")
	case db.Stale:
		in.hint("warning: the vulnerability database is stale: newer vulnerabilities are missed")
	}
}

func (a *App) auditCommand() *cli.Command {
	return &cli.Command{
		Name: "audit", Category: groupAccess, Usage: "who did what, newest first",
		Flags:  []cli.Flag{&cli.IntFlag{Name: "limit", Usage: "the newest `N` only, 0 for all", Value: 50}},
		Action: a.remote(showAudit),
	}
}

func showAudit(ctx context.Context, in *invocation, c *client.Client) error {
	list, err := pages(in.flags.Int("limit"), func(cursor string, size int) (api.List[api.AuditEvent], error) {
		return c.Audit(ctx, cursor, size)
	})
	if err != nil {
		return err
	}
	return in.print(list, func(t *output.Table) {
		t.Header("TIME", "WHO", "DID", "TO", "OUTCOME")
		for _, e := range list.Items {
			t.Row(stamp(e.Time), e.Actor, e.Action, e.Target, e.Outcome)
		}
	})
}
