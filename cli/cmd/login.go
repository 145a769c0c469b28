package cmd

import (
	"context"
	"errors"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/muster-sec/muster/cli/client"
	"github.com/muster-sec/muster/cli/contexts"
)

// localServer is what login means without a server and without a context.
const localServer = "https://127.0.0.1:10443"

func (a *App) loginCommand() *cli.Command {
	return &cli.Command{
		Name: "login", Category: groupAccess, Usage: "log in at a daemon and store the session",
		Description: `The first login at a server whose certificate no system root vouches for shows
the certificate's SHA-256 fingerprint and asks. Compare it with the one that the
daemon logs at its start. Without a terminal give --fingerprint, --ca or
--trust-on-first-use. Afterwards exactly this trust is required.`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "username", Aliases: []string{"u"}, Usage: "`NAME` of the account; asked for when absent"},
			passwordFlag("password-file"),
			&cli.BoolFlag{Name: "trust-on-first-use", Usage: "accept an unknown server's certificate without asking"},
		},
		Action: a.local(login),
	}
}

func passwordFlag(name string) cli.Flag {
	return &cli.StringFlag{Name: name, Usage: "`FILE` that holds the password, - for standard input"}
}

func login(ctx context.Context, in *invocation) error {
	if in.apiKeyGiven() {
		return usagef("login is for accounts; an API key needs none").withTry("muster status, with the same key")
	}
	file, err := in.contextFile()
	if err != nil {
		return err
	}
	set, err := file.Load()
	if err != nil {
		return err
	}
	server, err := in.loginServer(set)
	if err != nil {
		return err
	}
	next, err := in.agree(ctx, server, set)
	if err != nil {
		return err
	}
	if err := in.openSession(ctx, &next); err != nil {
		return err
	}
	return file.Update(ctx, func(s *contexts.Set) error {
		s.Put(next)
		s.Current = next.Server
		return nil
	})
}

func (in *invocation) loginServer(set contexts.Set) (string, error) {
	if set.Current == "" && in.setting("server", "MUSTER_SERVER") == "" {
		return localServer, nil
	}
	return in.server(set)
}

// openSession logs in and writes the token into next.
func (in *invocation) openSession(ctx context.Context, next *contexts.Context) error {
	username := in.text("username")
	if username == "" && in.Terminal.Stdin {
		var err error
		if username, err = in.ask("username: "); err != nil {
			return err
		}
	}
	if username == "" {
		return usagef("--username is needed")
	}
	password, err := in.password("password-file", "password: ", false)
	if err != nil {
		return err
	}
	trust, err := in.trust(*next)
	if err != nil {
		return err
	}
	c, err := in.dial(next.Server, trust, client.Credential{})
	if err != nil {
		return err
	}
	defer c.Close()
	answer, err := c.Login(ctx, username, password)
	if err != nil {
		return err
	}
	next.Username, next.Token, next.ExpiresAt = answer.Username, answer.Token, answer.ExpiresAt
	in.hint("logged in at %s as %s (%s), till %s", next.Server, answer.Username, answer.Role, stamp(answer.ExpiresAt))
	return nil
}

// agree settles how the server is trusted: by flag, as stored, by the system's
// roots, or by a person who compares fingerprints, in this order.
func (in *invocation) agree(ctx context.Context, server string, set contexts.Set) (contexts.Context, error) {
	next := contexts.Context{Server: server}
	trust, err := in.trust(contexts.Context{})
	switch {
	case err != nil:
		return next, err
	case trust.Pin != nil:
		next.Fingerprint = trust.Pin.String()
		return next, nil
	case len(trust.CAPEM) > 0:
		next.CA = string(trust.CAPEM)
		return next, nil
	}
	if stored, ok := set.Find(server); ok {
		next.CA, next.Fingerprint = stored.CA, stored.Fingerprint
		return next, nil
	}
	shown, err := client.Introduce(ctx, server)
	if err != nil || shown.Err == nil {
		return next, err
	}
	next.Fingerprint = shown.Fingerprint.String()
	return next, in.firstUse(server, shown)
}

func (in *invocation) firstUse(server string, shown client.Introduction) error {
	in.hint("the certificate of %s is not vouched for: %v", server, shown.Err)
	in.hint("SHA-256 fingerprint: %s", shown.Fingerprint)
	if in.flags.Bool("trust-on-first-use") {
		return nil
	}
	if !in.Terminal.Stdin {
		return newProblem(exitUnreachable, "the server's certificate is unknown, and there is no terminal to ask on").
			withCheck(client.CheckCertificate).
			withTry("--fingerprint %s once you have compared it, --ca FILE, or --trust-on-first-use", shown.Fingerprint)
	}
	answer, err := in.ask("is this the fingerprint that the daemon logged at its start? Type yes to trust it: ")
	if err != nil {
		return err
	}
	if !strings.EqualFold(answer, "yes") {
		return newProblem(exitUnreachable, "the server is not trusted; nothing was sent").withCheck(client.CheckCertificate)
	}
	return nil
}

func (a *App) logoutCommand() *cli.Command {
	return &cli.Command{
		Name: "logout", Category: groupAccess, Usage: "end the session at a daemon",
		Flags:  []cli.Flag{&cli.BoolFlag{Name: "forget", Usage: "also forget the server and how it is trusted"}},
		Action: a.local(logout),
	}
}

// logout forgets the token in any case, then reports whether the daemon could
// be told.
func logout(ctx context.Context, in *invocation) error {
	file, err := in.contextFile()
	if err != nil {
		return err
	}
	set, err := file.Load()
	if err != nil {
		return err
	}
	server, err := in.server(set)
	if err != nil {
		return err
	}
	stored, ok := set.Find(server)
	if !ok {
		return failf("no context is stored for %s", server).withTry("muster context list")
	}
	told := in.endSession(ctx, stored)
	err = file.Update(ctx, func(s *contexts.Set) error {
		if in.flags.Bool("forget") {
			s.Remove(server)
			if s.Current == server {
				s.Current = ""
			}
			return nil
		}
		stored.Token, stored.Username, stored.ExpiresAt = "", "", contexts.Context{}.ExpiresAt
		s.Put(stored)
		return nil
	})
	return errors.Join(told, err)
}

func (in *invocation) endSession(ctx context.Context, stored contexts.Context) error {
	if stored.Token == "" {
		return nil
	}
	trust, err := in.trust(stored)
	if err != nil {
		return err
	}
	c, err := in.dial(stored.Server, trust, client.Credential{Token: stored.Token})
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.Logout(ctx); err != nil && !client.IsStatus(err, 401) {
		return err // 401: the session had ended by itself
	}
	return nil
}
