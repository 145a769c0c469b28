package cmd

import (
	"context"

	"github.com/urfave/cli/v2"

	"github.com/muster-sec/muster/cli/client"
	"github.com/muster-sec/muster/cli/contexts"
	"github.com/muster-sec/muster/cli/output"
)

func (a *App) contextCommand() *cli.Command {
	return &cli.Command{
		Name: "context", Category: groupAccess, Usage: "the servers that login stored",
		Subcommands: []*cli.Command{
			{Name: "list", Usage: "list the stored servers", Action: a.local(listContexts)},
			{Name: "use", Usage: "choose the server that commands speak to", ArgsUsage: "URL", Action: a.local(useContext)},
		},
	}
}

// contextView is a stored context without its token.
type contextView struct {
	Server      string `json:"server"`
	Current     bool   `json:"current"`
	Username    string `json:"username,omitempty"`
	LoggedIn    bool   `json:"logged_in"`
	Trust       string `json:"trust"` // system, ca, fingerprint
	Fingerprint string `json:"fingerprint,omitempty"`
}

func listContexts(_ context.Context, in *invocation) error {
	set, err := in.loadContexts()
	if err != nil {
		return err
	}
	views := make([]contextView, 0, len(set.Contexts))
	for _, c := range set.Contexts {
		v := contextView{
			Server: c.Server, Current: c.Server == set.Current, Username: c.Username,
			LoggedIn: c.Token != "" && in.Now().Before(c.ExpiresAt), Trust: "system", Fingerprint: c.Fingerprint,
		}
		switch {
		case c.Fingerprint != "":
			v.Trust = "fingerprint"
		case c.CA != "":
			v.Trust = "ca"
		}
		views = append(views, v)
	}
	return in.print(itemsOf(views), func(t *output.Table) {
		t.Header("SERVER", "IN USE", "USERNAME", "LOGGED IN", "TRUST")
		for _, v := range views {
			t.Row(v.Server, yesNo(v.Current), v.Username, yesNo(v.LoggedIn), v.Trust)
		}
	})
}

func useContext(ctx context.Context, in *invocation) error {
	u, err := client.ParseServer(in.arg(0))
	if err != nil {
		return usagef("%w", err)
	}
	file, err := in.contextFile()
	if err != nil {
		return err
	}
	return file.Update(ctx, func(s *contexts.Set) error {
		if _, ok := s.Find(u.String()); !ok {
			return failf("no context is stored for %s", u).withTry("muster login --server %s", u)
		}
		s.Current = u.String()
		return nil
	})
}
