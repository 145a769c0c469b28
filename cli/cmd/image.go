package cmd

import (
	"context"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/muster-sec/muster/cli/client"
	"github.com/muster-sec/muster/cli/output"
	"github.com/muster-sec/muster/core/httpapi/api"
	"github.com/muster-sec/muster/core/model"
)

func (a *App) imageCommand() *cli.Command {
	return &cli.Command{
		Name: "image", Category: groupImages, Usage: "the images that are known",
		Subcommands: []*cli.Command{
			{
				Name: "list", Usage: "list images", ArgsUsage: "[PART-OF-NAME]",
				Flags: []cli.Flag{
					&cli.StringFlag{Name: "registry", Usage: "of the registry `NAME`"},
					&cli.StringFlag{Name: "status", Usage: "in this `STATE`, such as finished, failed or unsupported"},
					&cli.StringFlag{Name: "severity", Usage: "with findings of this `SEVERITY`"},
					&cli.IntFlag{Name: "limit", Usage: "`N` at most; default all"},
				},
				Action: a.remote(listImages),
			},
			{
				Name: "show", Usage: "show an image with its findings", ArgsUsage: "DIGEST|REFERENCE",
				Action: a.remote(showImage),
			},
			{
				Name: "verdict", Usage: "show what admission knows of an image", ArgsUsage: "DIGEST|REFERENCE",
				Description: "Exit code 5 when nothing is known yet.",
				Flags:       []cli.Flag{failOnFlag()},
				Action:      a.remote(showVerdict),
			},
		},
	}
}

func failOnFlag() cli.Flag {
	return &cli.StringFlag{Name: "fail-on", Usage: "exit code 1 for findings of this `SEVERITY` or worse"}
}

func listImages(ctx context.Context, in *invocation, c *client.Client) error {
	list, err := images(ctx, c, client.ImageQuery{
		Registry: in.text("registry"), Status: in.text("status"), Severity: in.text("severity"), Text: in.arg(0),
	}, in.flags.Int("limit"))
	if err != nil {
		return err
	}
	return in.print(list, func(t *output.Table) {
		t.Header("NAME", "STATUS", countsTitle, "SOURCE", "SCANNED", "DIGEST")
		for _, i := range list.Items {
			found := "" // nothing is known, which is not the same as nothing found
			if len(i.Sources) > 0 {
				found = counts(i.Counts)
			}
			t.Row(firstName(i.Names), i.Status, found, strings.Join(i.Sources, "+"), in.ago(i.ScannedAt), i.Digest)
		}
	})
}

// images follows the pages till limit, 0 being all.
func images(ctx context.Context, c *client.Client, q client.ImageQuery, limit int) (api.List[api.Image], error) {
	return pages(limit, func(cursor string, size int) (api.List[api.Image], error) {
		q.Cursor, q.Limit = cursor, size
		return c.Images(ctx, q)
	})
}

// firstName stands for all names of an image in a table.
func firstName(names []string) string {
	switch len(names) {
	case 0:
		return ""
	case 1:
		return names[0]
	}
	return names[0] + " and " + plural(len(names)-1, "other")
}

func showVerdict(ctx context.Context, in *invocation, c *client.Client) error {
	failOn := in.text("fail-on")
	if failOn != "" {
		if _, err := atLeast(api.Counts{}, failOn); err != nil {
			return err
		}
	}
	digest, err := findDigest(ctx, c, in.arg(0))
	if err != nil {
		return err
	}
	list, err := c.Verdicts(ctx, digest)
	if err != nil {
		return err
	}
	err = in.print(list, func(t *output.Table) {
		t.Header("SOURCE", "PRODUCER", "ORIGIN", countsTitle, "ROOT", "SCANNED", "DB", "FINDINGS")
		for _, v := range list.Items {
			known := "known"
			if !v.FindingsKnown {
				known = "on their way"
			}
			t.Row(v.Source, v.Producer, v.Origin, counts(v.Counts), yesNo(v.RunAsRoot), in.ago(v.ScannedAt), in.dbOf(v.DB), known)
		}
	})
	for _, v := range list.Items {
		in.staleHint(v.DB)
	}
	if err != nil || failOn == "" {
		return err
	}
	return failVerdicts(digest, list.Items, failOn)
}

func failVerdicts(digest string, verdicts []api.Verdict, failOn string) error {
	for _, v := range verdicts {
		n, err := atLeast(v.Counts, failOn)
		if err != nil {
			return err
		}
		if n > 0 {
			return policyf("%s has %s of severity %s or worse", digest, plural(n, "finding"), failOn).
				withTry("muster image show %s", digest)
		}
	}
	return nil
}

// findDigest accepts a digest, a reference that ends in one, or a name that one
// image alone has.
func findDigest(ctx context.Context, c *client.Client, reference string) (string, error) {
	candidate := reference
	if _, after, ok := strings.Cut(reference, "@"); ok {
		candidate = after
	}
	if digest, err := model.ParseDigest(candidate); err == nil {
		return string(digest), nil
	} else if strings.HasPrefix(candidate, "sha256:") {
		return "", usagef("%w", err)
	}
	list, err := images(ctx, c, client.ImageQuery{Text: reference}, 0)
	if err != nil {
		return "", err
	}
	var found []string
	for _, i := range list.Items {
		for _, name := range i.Names {
			if name == reference {
				found = append(found, i.Digest+" ("+i.Platform+")")
				candidate = i.Digest
			}
		}
	}
	switch len(found) {
	case 1:
		return candidate, nil
	case 0:
		return "", newProblem(exitNotReady, "no image is known by the name %q", reference).
			withTry("muster image list %s", lastPart(reference))
	}
	return "", usagef("%q names %d images: %s", reference, len(found), strings.Join(found, ", ")).withTry("use one of the digests")
}

// lastPart is what a person would search for: the name without host and tag.
func lastPart(reference string) string {
	name := reference[strings.LastIndex(reference, "/")+1:]
	name, _, _ = strings.Cut(name, ":")
	return name
}
