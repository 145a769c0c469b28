package cmd

import (
	"context"
	"strconv"

	"github.com/urfave/cli/v2"

	"github.com/muster-sec/muster/cli/client"
	"github.com/muster-sec/muster/cli/output"
	"github.com/muster-sec/muster/core/httpapi/api"
)

func (a *App) clusterCommand() *cli.Command {
	return &cli.Command{
		Name: "cluster", Category: groupFederation, Usage: "the clusters of the federation",
		Subcommands: []*cli.Command{
			{Name: "list", Usage: "list the clusters and how far each has come", Action: a.remote(listClusters)},
			{Name: "show", Usage: "show one cluster", ArgsUsage: "NAME|ID", Action: a.remote(showCluster)},
			{
				Name: "remove", Usage: "remove a managed cluster from the federation", ArgsUsage: "NAME|ID",
				Flags: []cli.Flag{yesFlag()}, Action: a.remote(removeCluster),
			},
			{Name: "deploy", Usage: "compare everything with a managed cluster now", ArgsUsage: "NAME|ID...", Action: a.remote(deployClusters)},
			{
				Name: "settings", Usage: "show or change what travels to the managed clusters",
				Flags: []cli.Flag{
					&cli.BoolFlag{Name: "sync-ci-results", Usage: "send CI results too; --sync-ci-results=false takes them back"},
				},
				Action: a.remote(clusterSettings),
			},
		},
	}
}

func listClusters(ctx context.Context, in *invocation, c *client.Client) error {
	list, err := c.Clusters(ctx)
	if err != nil {
		return err
	}
	return in.print(list, func(t *output.Table) {
		t.Header("NAME", "ROLE", "STATUS", "LAG", "LAST SEEN", "VERSION", "IMAGES", "RULES")
		for _, k := range list.Items {
			t.Row(k.Name, k.Role, k.Status, k.Lag, in.ago(k.LastSeen), k.Version, of(k.Summary, k.Summary.Images), of(k.Summary, k.Summary.Rules))
		}
	})
}

// of is a figure that a cluster reported of itself. A primary reports nothing
// to its members.
func of(s api.ClusterSummary, n int) string {
	if s == (api.ClusterSummary{}) {
		return "-"
	}
	return strconv.Itoa(n)
}

func showCluster(ctx context.Context, in *invocation, c *client.Client) error {
	k, err := findCluster(ctx, c, in.arg(0))
	if err != nil {
		return err
	}
	return in.print(k, func(t *output.Table) {
		t.Field("Name", k.Name)
		t.Field("ID", k.ID)
		t.Field("Role", k.Role)
		t.Field("Address", k.Address)
		t.Field("Status", k.Status)
		t.Field("Reason", k.Reason)
		t.Field("Version", k.Version)
		t.Field("Joined", stamp(k.JoinedAt))
		t.Field("Last seen", in.ago(k.LastSeen))
		t.Row("Applied:", ratio(k.Applied, k.Head))
		t.Row("Lag:", plural(k.Lag, "revision"))
		t.Row("Clock offset:", offset(k.ClockOffsetMS))
		t.Row("Images:", of(k.Summary, k.Summary.Images))
		t.Row("Rules:", of(k.Summary, k.Summary.Rules))
		t.Row("Decisions a day:", k.Summary.DecisionsDay)
		t.Field("Vulnerability DB", stamp(k.Summary.DBUpdatedAt))
	})
}

func removeCluster(ctx context.Context, in *invocation, c *client.Client) error {
	k, err := findCluster(ctx, c, in.arg(0))
	if err != nil {
		return err
	}
	if err := in.confirm("Cluster " + k.Name + " loses its federated rules and results."); err != nil {
		return err
	}
	if err := c.RemoveCluster(ctx, k.ID); err != nil {
		return err
	}
	in.hint("cluster %s is removed; it cleans up at its next contact", k.Name)
	return nil
}

func deployClusters(ctx context.Context, in *invocation, c *client.Client) error {
	for _, name := range in.flags.Args().Slice() {
		k, err := findCluster(ctx, c, name)
		if err != nil {
			return err
		}
		if err := c.DeployCluster(ctx, k.ID); err != nil {
			return err
		}
		in.hint("cluster %s is asked to compare everything; see: muster cluster show %s", k.Name, k.Name)
	}
	return nil
}

// clusterSettings shows the settings, after changing what the flags name.
func clusterSettings(ctx context.Context, in *invocation, c *client.Client) error {
	settings, err := c.FedSettings(ctx)
	if err != nil {
		return err
	}
	if in.flags.IsSet("sync-ci-results") {
		settings.FedSync.CIResults = in.flags.Bool("sync-ci-results")
		if settings, err = c.SetFedSettings(ctx, settings); err != nil {
			return err
		}
	}
	return in.print(settings, func(t *output.Table) {
		t.Row("CI results travel:", yesNo(settings.FedSync.CIResults))
	})
}

// findCluster accepts an id or a name that only one cluster has.
func findCluster(ctx context.Context, c *client.Client, name string) (api.Cluster, error) {
	list, err := c.Clusters(ctx)
	if err != nil {
		return api.Cluster{}, err
	}
	var found []api.Cluster
	for _, k := range list.Items {
		if k.ID == name {
			return k, nil
		}
		if k.Name == name {
			found = append(found, k)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return api.Cluster{}, failf("there is no cluster %q", name).
			withTry("muster cluster list")
	}
	return api.Cluster{}, failf("%d clusters have the name %q", len(found), name).withTry("use the id: muster cluster list -o json")
}
