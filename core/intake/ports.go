package intake

import (
	"context"
	"io"
	"time"

	"github.com/muster-sec/muster/core/model"
)

// Ingester reads CI documents through ingest plugins.
type Ingester interface {
	// Recognize names the format of a document by its first bytes.
	Recognize(ctx context.Context, head []byte) (format string, err error)
	// Parse reads a whole document.
	Parse(ctx context.Context, format string, r io.Reader) (model.Document, error)
}

// Results keeps what was taken in.
type Results interface {
	// SaveCIResult returns after the commit is on the disk, with the id and
	// whether it was there before.
	SaveCIResult(ctx context.Context, r model.CIResult, doc model.Document) (model.CIResult, error)
	CIResults(ctx context.Context, cursor string, limit int) (results []model.CIResult, next string, err error)
	SweepCIResults(ctx context.Context, before time.Time) (int, error)
}

// Auditor records who did what.
type Auditor interface {
	Audit(ctx context.Context, e model.AuditEvent) error
}
