package cmd

import (
	"context"
	"errors"

	"github.com/urfave/cli/v2"

	"github.com/muster-sec/muster/cli/client"
	"github.com/muster-sec/muster/cli/output"
	"github.com/muster-sec/muster/core/httpapi/api"
)

func (a *App) submitCommand() *cli.Command {
	return &cli.Command{
		Name: "submit", Category: groupImages, Usage: "post the result of another scanner", ArgsUsage: "FILE|-",
		Description: `The format is recognised by content unless --format names an ingest plugin.
When the command ends with exit code 0, the result is stored. Give --digest when
the document does not name one: without it the result counts nowhere in admission.`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "format", Usage: "ingest `PLUGIN` that reads the document"},
			&cli.StringFlag{Name: "job", Usage: "`NAME` of the pipeline"},
			&cli.StringFlag{Name: "source", Usage: "`SYSTEM` that runs it, such as jenkins or github"},
			&cli.StringFlag{Name: "digest", Usage: "`DIGEST` of the image that was scanned"},
			&cli.StringFlag{Name: "reference", Usage: "`HOST/REPOSITORY:TAG` of the image"},
			failOnFlag(),
		},
		Action: a.remote(submit),
	}
}

func submit(ctx context.Context, in *invocation, c *client.Client) error {
	failOn := in.text("fail-on")
	if failOn != "" {
		if _, err := atLeast(api.Counts{}, failOn); err != nil {
			return err
		}
	}
	document, err := in.open(in.arg(0))
	if err != nil {
		return err
	}
	r, err := c.Submit(ctx, client.Submission{
		Format: in.text("format"), Job: in.text("job"), Source: in.text("source"),
		Digest: in.text("digest"), Reference: in.text("reference"),
	}, document)
	if err = errors.Join(err, document.Close()); err != nil {
		return err
	}
	if err := in.printReceipt(r); err != nil || failOn == "" {
		return err
	}
	if n, _ := atLeast(r.Counts, failOn); n > 0 {
		return policyf("the document has %s of severity %s or worse", plural(n, "finding"), failOn)
	}
	return nil
}

func (in *invocation) printReceipt(r api.Receipt) error {
	err := in.print(r, func(t *output.Table) {
		t.Row("Result:", r.ID)
		t.Field("Digest", r.Digest)
		t.Field("Reference", r.Reference)
		t.Field("Format", r.Format)
		t.Row("Tool:", r.Tool+" "+r.ToolVersion)
		t.Row("Packages:", r.Packages)
		t.Row(countsTitle+":", counts(r.Counts))
		t.Row("Document:", r.DocumentHash)
	})
	for _, w := range r.Warnings {
		in.hint("warning: %s", w)
	}
	if r.Duplicate {
		in.hint("the same document was posted before; nothing was changed")
	}
	if r.Digest == "" {
		in.hint("warning: no digest is known, so the result counts nowhere in admission; give --digest")
	}
	return err
}

func (a *App) resultCommand() *cli.Command {
	return &cli.Command{
		Name: "result", Category: groupImages, Usage: "the results that pipelines posted",
		Subcommands: []*cli.Command{{
			Name: "list", Usage: "list the results, newest first",
			Flags:  []cli.Flag{&cli.IntFlag{Name: "limit", Usage: "`N` at most; default all"}},
			Action: a.remote(listResults),
		}},
	}
}

func listResults(ctx context.Context, in *invocation, c *client.Client) error {
	list, err := pages(in.flags.Int("limit"), func(cursor string, size int) (api.List[api.CIResult], error) {
		return c.Results(ctx, cursor, size)
	})
	if err != nil {
		return err
	}
	return in.print(list, func(t *output.Table) {
		t.Header("ID", "REFERENCE", "TOOL", "JOB", countsTitle, "POSTED BY", "POSTED", "DIGEST")
		for _, r := range list.Items {
			t.Row(r.ID, r.Reference, r.Tool, r.Job, counts(r.Counts), r.PostedBy, in.ago(r.PostedAt), r.Digest)
		}
	})
}
