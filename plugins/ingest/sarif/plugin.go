package sarif

import (
	"context"
	"io"
	"strings"

	"github.com/muster-sec/muster/plugins/ingest/internal/document"
	"github.com/muster-sec/muster/plugins/sdk"
)

const (
	// Name is the plugin's name.
	Name = "sarif"
	// Format is what Recognize calls the documents.
	Format = "sarif/2.1.0"

	version = "2.1.0"
)

// Ingester is the plugin. It holds no state.
type Ingester struct{}

var _ sdk.Ingester = Ingester{}

// Plugin declares the plugin, of the given version, for sdk.Serve.
func Plugin(version string) sdk.Plugin {
	return sdk.Plugin{Name: Name, Version: version, Kind: sdk.KindIngest, Ingester: Ingester{}}
}

// Recognize looks for the version together with the runs or with SARIF's schema,
// among the names at the top of the document, as far as head reaches.
func (Ingester) Recognize(_ context.Context, head []byte) (string, error) {
	versioned, ours := false, false
	for name, value := range document.Head(head) {
		switch name {
		case "version":
			versioned = value.Text() == version
		case "$schema":
			ours = ours || strings.Contains(strings.ToLower(value.Text()), "sarif")
		case "runs":
			_, tool := value.First().Names()["tool"]
			_, results := value.First().Names()["results"]
			ours = ours || tool || results || value.Is("[]")
		}
		if versioned && ours {
			return Format, nil
		}
	}
	return "", nil
}

// Parse reads one document. Its errors are sdk.ErrInvalid or sdk.ErrLimit, or
// those of doc and sink.
func (Ingester) Parse(ctx context.Context, doc io.Reader, sink sdk.Sink) error {
	return document.Parse(ctx, doc, sink, func(r *document.Reader) document.Shape { return &parser{Reader: r} })
}
