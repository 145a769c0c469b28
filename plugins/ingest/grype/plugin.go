package grype

import (
	"context"
	"io"

	"github.com/muster-sec/muster/plugins/ingest/internal/document"
	"github.com/muster-sec/muster/plugins/sdk"
)

const (
	// Name is the plugin's name.
	Name = "grype"
	// Format is what Recognize calls the documents.
	Format = "grype-json"
)

// Ingester is the plugin. It holds no state.
type Ingester struct{}

var _ sdk.Ingester = Ingester{}

// Plugin declares the plugin, of the given version, for sdk.Serve.
func Plugin(version string) sdk.Plugin {
	return sdk.Plugin{Name: Name, Version: version, Kind: sdk.KindIngest, Ingester: Ingester{}}
}

// Recognize looks for a match, or for what Grype says of itself, among the names
// at the top of the document, as far as head reaches. Grype writes the matches
// first, and the first of them may be longer than head.
func (Ingester) Recognize(_ context.Context, head []byte) (string, error) {
	matches := false
	for name, value := range document.Head(head) {
		switch name {
		case "matches", "ignoredMatches":
			matches = true
			if _, ours := value.First().Names()["vulnerability"]; ours {
				return Format, nil
			}
		case "descriptor":
			if matches && value.Names()["name"].Text() == Name {
				return Format, nil
			}
		}
	}
	return "", nil
}

// Parse reads one document. Its errors are sdk.ErrInvalid or sdk.ErrLimit, or
// those of doc and sink.
func (Ingester) Parse(ctx context.Context, doc io.Reader, sink sdk.Sink) error {
	return document.Parse(ctx, doc, sink, func(r *document.Reader) document.Shape { return &parser{Reader: r} })
}
