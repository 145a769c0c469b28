package cmd

import (
	"cmp"
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/muster-sec/muster/cli/client"
	"github.com/muster-sec/muster/cli/output"
	"github.com/muster-sec/muster/core/httpapi/api"
)

func showImage(ctx context.Context, in *invocation, c *client.Client) error {
	digest, err := findDigest(ctx, c, in.arg(0))
	if err != nil {
		return err
	}
	r, err := c.Image(ctx, digest)
	if err != nil {
		return err
	}
	err = in.print(r, func(t *output.Table) {
		t.Row("Digest:", r.Digest)
		t.Field("Image ID", r.ImageID)
		t.Field("Names", strings.Join(r.Names, " "))
		t.Field("Platform", r.Platform)
		t.Field("OS", r.OS)
		t.Field("Built on", base(r.Base))
		t.Field("Created", stamp(r.Created))
		t.Field("User", r.User)
		t.Field("Status", r.Status)
		t.Field("Reason", r.Reason)
		t.Field("Scanned", in.ago(r.ScannedAt))
		t.Field("Vulnerability DB", in.dbOf(r.DB))
		t.Field("End of life", endOfLife(r.Verdicts, in.Now()))
		t.Row("Packages:", len(r.Packages))
		t.Row(countsTitle+":", counts(r.Counts))
		for _, g := range r.Gaps {
			t.Field("Not judged", gap(g))
		}
		for _, p := range r.Problems {
			t.Field("Not read", p.Path+": "+p.Reason)
		}
		for _, c := range r.Checks {
			if c.Level != "PASS" {
				t.Field("Check "+c.ID, c.Description+": "+strings.Join(c.Messages, "; "))
			}
		}
		for _, s := range r.Secrets {
			t.Field("Secret", secretOf(s))
		}
		if len(r.Findings) > 0 {
			t.Gap()
			t.Header("SEVERITY", "ID", "PACKAGE", "INSTALLED", "FIXED IN", "SOURCE", "TITLE")
		}
		for _, f := range r.Findings {
			t.Row(f.Severity, f.ID, f.Package, f.Installed, f.Fixed, f.Source, clip(f.Title))
		}
	})
	in.staleHint(r.DB)
	return err
}

// dbOf shows the vulnerability database behind an answer.
func (in *invocation) dbOf(db api.DBVersion) string {
	if db.Stale {
		return stamp(db.UpdatedAt) + ", stale"
	}
	return stamp(db.UpdatedAt)
}

// staleHint says aloud that an answer was made with an old database.
func (in *invocation) staleHint(db api.DBVersion) {
	if db.Stale {
		in.hint("warning: the vulnerability database behind this is %s old: newer vulnerabilities are missed", span(in.Now().Sub(db.UpdatedAt)))
	}
}

// base names the image that another was built on.
func base(b *api.BaseImage) string {
	switch {
	case b == nil:
		return ""
	case b.Layers == 0:
		return cmp.Or(b.Name, b.Digest)
	}
	text := cmp.Or(b.Name, b.Digest, "an image that is not known") + " (" + plural(b.Layers, "layer")
	if b.Evidence != "layers" { // which leave no doubt
		text += ", going by its " + b.Evidence
	}
	return text + ")"
}

// endOfLife is when the release that an image has stops, or stopped, to get
// security updates.
func endOfLife(verdicts []api.Verdict, now time.Time) string {
	for _, v := range verdicts {
		end, err := time.Parse(time.DateOnly, v.EndOfLife)
		switch {
		case err != nil:
		case now.After(end.AddDate(0, 0, 1)):
			return v.EndOfLife + ": " + v.OS + " gets no security updates any more"
		default:
			return v.EndOfLife
		}
	}
	return ""
}

func gap(g api.Gap) string {
	if g.Packages == 0 {
		return g.Stream + ", " + g.Reason
	}
	return plural(g.Packages, "package") + " of " + g.Stream + ", " + g.Reason
}

func secretOf(s api.Sighting) string {
	text := s.Path
	if s.Line > 0 {
		text += ":" + strconv.Itoa(s.Line)
	}
	text += ": " + s.Title + " " + s.Evidence
	if s.Deleted {
		text += " (in a layer below; a layer above deletes it)"
	}
	return text
}

// clip shortens a sentence to what a table line bears.
func clip(s string) string {
	const most = 60
	if runes := []rune(s); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return s
}
