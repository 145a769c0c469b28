package trivy

import (
	"context"
	"io"

	"github.com/muster-sec/muster/plugins/ingest/internal/document"
	"github.com/muster-sec/muster/plugins/sdk"
)

const (
	// Name is the plugin's name.
	Name = "trivy"
	// Format is what Recognize calls the documents.
	Format = "trivy-json/2"

	schemaVersion = 2
)

// Ingester is the plugin. It holds no state.
type Ingester struct{}

var _ sdk.Ingester = Ingester{}

// Plugin declares the plugin, of the given version, for sdk.Serve.
func Plugin(version string) sdk.Plugin {
	return sdk.Plugin{Name: Name, Version: version, Kind: sdk.KindIngest, Ingester: Ingester{}}
}

// Recognize looks for the schema version and for a name only Trivy writes,
// among the names at the top of the document, as far as head reaches.
func (Ingester) Recognize(_ context.Context, head []byte) (string, error) {
	version, ours := false, false
	for name, value := range document.Head(head) {
		switch name {
		case "Trivy", "ArtifactID", "ArtifactName", "ArtifactType", "Results":
			ours = true
		case "SchemaVersion":
			if !value.Is("2") {
				return "", nil
			}
			version = true
		}
		if version && ours {
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
