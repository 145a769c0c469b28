package cmd

import (
	"errors"
	"time"

	"github.com/muster-sec/muster/cli/output"
	"github.com/muster-sec/muster/scanner/report"
)

// oldDB is the age at which a clean result means little.
const oldDB = 3 * 24 * time.Hour

// print writes the result in the format that was asked for.
func (r *scanRun) print(images []report.Image) error {
	var from report.Database
	if r.db != nil {
		from = report.Database{Revision: r.db.Revision(), UpdatedAt: r.db.Metadata().UpdatedAt}
	}
	doc := report.New(from, r.Now(), images)
	doc.Tool = r.Version
	if r.db != nil {
		doc.Details = r.db
	}
	if r.plan.format == report.FormatTable || r.plan.format == "" && r.format == output.Text {
		return report.Table(r.Stdout, doc) // it says the database's age itself
	}
	if age := r.Now().Sub(from.UpdatedAt); !from.UpdatedAt.IsZero() && age > oldDB {
		r.hint("warning: the vulnerability database is %s old", span(age))
	}
	if r.plan.format == "" {
		return r.invocation.print(doc, nil)
	}
	err := report.Write(r.Stdout, r.plan.format, doc)
	if errors.Is(err, report.ErrOneImage) {
		return usagef("%w", err).withTry("--platform OS/ARCH chooses one")
	}
	return err
}
