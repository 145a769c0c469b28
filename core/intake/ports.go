// Package intake takes in the scan results that CI pipelines post.
package intake

import (
	"context"
	"io"

	"github.com/muster-sec/muster/core/model"
)

// Ingester reads CI documents through ingest plugins.
type Ingester interface {
	// Recognize names the format of a document by its first bytes.
	Recognize(ctx context.Context, head []byte) (format string, err error)
	// Parse reads a whole document.
	Parse(ctx context.Context, format string, r io.Reader) (model.Document, error)
}
