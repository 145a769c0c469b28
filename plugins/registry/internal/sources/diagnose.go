package sources

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"

	"github.com/muster-sec/muster/plugins/sdk"
)

// Diagnose tries, in this order, to find the host, to reach the registry, to
// sign in, to list repositories, and to read one of them.
func (r *Registry) Diagnose(ctx context.Context, cfg sdk.Config) ([]sdk.Step, error) {
	s, err := r.of(cfg)
	if err != nil {
		return nil, err
	}
	d := &diagnosis{Opened: s}
	steps := []struct {
		name string
		try  func(context.Context) (detail string, err error)
	}{
		{"resolve", d.resolveHost},
		{"connect", d.Connect},
		{"authenticate", d.SignIn},
		{"list", d.list},
		{"read", d.read},
	}
	var done []sdk.Step
	for _, step := range steps {
		detail, err := step.try(ctx)
		if err != nil {
			return append(done, sdk.Step{Name: step.name, Detail: err.Error(), Fix: d.fix(step.name, err)}), nil
		}
		done = append(done, sdk.Step{Name: step.name, OK: true, Detail: detail})
	}
	return done, nil
}

// diagnosis is what the steps hand on to each other.
type diagnosis struct {
	*Opened
	repository string
}

func (d *diagnosis) resolveHost(ctx context.Context) (string, error) {
	host := (&url.URL{Host: d.Host}).Hostname()
	addresses, err := net.DefaultResolver.LookupHost(ctx, host)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s is %v", host, addresses[:min(len(addresses), 4)]), nil
}

func (d *diagnosis) list(ctx context.Context) (string, error) {
	if len(d.Configured) > 0 {
		d.repository = d.Configured[0]
		return fmt.Sprintf("%d repositories are configured", len(d.Configured)), nil
	}
	for repo, err := range d.Repositories(ctx) {
		if err != nil {
			return "", err
		}
		d.repository = repo
		return "the listing begins with " + repo, nil
	}
	return "the listing is empty", nil
}

func (d *diagnosis) read(ctx context.Context) (string, error) {
	if d.repository == "" {
		return "there is nothing to read", nil
	}
	for tag, err := range d.Tags(ctx, d.repository) {
		if err != nil {
			return "", err
		}
		if tag.Name == "" {
			continue
		}
		manifest, err := d.Resolve(ctx, d.repository, tag.Name)
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("%s:%s is %s", d.repository, tag.Name, manifest.Digest), nil
	}
	return d.repository + " has no tags", nil
}

// fix says what to change when a step failed.
func (d *diagnosis) fix(step string, err error) string {
	if d.Fix != nil {
		if fix := d.Fix(step, err); fix != "" {
			return fix
		}
	}
	switch {
	case errors.Is(err, sdk.ErrUnauthorized) && d.Anonymous:
		return "set `username` and `password`, or `token`: the registry does not answer without a login"
	case errors.Is(err, sdk.ErrUnauthorized):
		return "check `username` and `password`, or `token`: the registry refused them"
	case step == "resolve":
		return "check the host in `url`, and that this machine can resolve it"
	case step == "list":
		return "name the repositories in `repositories`, or use a credential that may list them"
	case errors.Is(err, sdk.ErrDenied):
		return "give the account the right to pull from " + d.repository
	case step == "connect":
		return "check host, port and scheme of `url`, the `ca`, and whether a proxy is needed"
	default:
		return "see the detail; the registry's own log may say more"
	}
}
