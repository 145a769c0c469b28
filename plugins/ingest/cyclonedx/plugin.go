package cyclonedx

import (
	"context"
	"io"

	"github.com/muster-sec/muster/plugins/ingest/internal/document"
	"github.com/muster-sec/muster/plugins/sdk"
)

const (
	// Name is the plugin's name.
	Name = "cyclonedx"
	// Format is what Recognize calls the documents.
	Format = "cyclonedx-json"

	bomFormat = "CycloneDX"
)

// Ingester is the plugin. It holds no state.
type Ingester struct{}

var _ sdk.Ingester = Ingester{}

// Plugin declares the plugin, of the given version, for sdk.Serve.
func Plugin(version string) sdk.Plugin {
	return sdk.Plugin{Name: Name, Version: version, Kind: sdk.KindIngest, Ingester: Ingester{}}
}

// Recognize looks for the format's name, which every document bears at its top.
func (Ingester) Recognize(_ context.Context, head []byte) (string, error) {
	for name, value := range document.Head(head) {
		if name == "bomFormat" && value.Text() == bomFormat {
			return Format, nil
		}
	}
	return "", nil
}

// Parse reads one document. Its errors are sdk.ErrInvalid or sdk.ErrLimit, or
// those of doc and sink.
func (Ingester) Parse(ctx context.Context, doc io.Reader, sink sdk.Sink) error {
	return document.Parse(ctx, doc, sink, func(r *document.Reader) document.Shape {
		return &parser{Reader: r, byRef: map[string]*sdk.Package{}}
	})
}
