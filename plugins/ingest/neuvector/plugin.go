package neuvector

import (
	"context"
	"io"

	"github.com/muster-sec/muster/plugins/ingest/internal/document"
	"github.com/muster-sec/muster/plugins/sdk"
)

const (
	// Name is the plugin's name.
	Name = "neuvector"
	// FormatResult is what Recognize calls what the scanner posts.
	FormatResult = "neuvector-result"
	// FormatReport is what Recognize calls what the scanner leaves in a file.
	FormatReport = "neuvector-report"
)

// Ingester is the plugin. It holds no state.
type Ingester struct{}

var _ sdk.Ingester = Ingester{}

// Plugin declares the plugin, of the given version, for sdk.Serve.
func Plugin(version string) sdk.Plugin {
	return sdk.Plugin{Name: Name, Version: version, Kind: sdk.KindIngest, Ingester: Ingester{}}
}

// Recognize looks into what is called result or report for names that only
// NeuVector writes there, as far as head reaches.
func (Ingester) Recognize(_ context.Context, head []byte) (string, error) {
	for name, value := range document.Head(head) {
		switch {
		case name == "result" && hasAny(value.Names(), "ImageID", "CVEDBCreateTime", "OSScanStatus", "PlatformVersion", "ScanTypesRequested", "Vuls"):
			return FormatResult, nil
		case name == "report" && hasAny(value.Names(), "cvedb_version", "cvedb_create_time", "image_id", "base_os", "setid_perms"):
			return FormatReport, nil
		}
	}
	return "", nil
}

func hasAny(names map[string]document.Beginning, wanted ...string) bool {
	for _, w := range wanted {
		if _, ok := names[w]; ok {
			return true
		}
	}
	return false
}

// Parse reads one document. Its errors are sdk.ErrInvalid or sdk.ErrLimit, or
// those of doc and sink.
func (Ingester) Parse(ctx context.Context, doc io.Reader, sink sdk.Sink) error {
	return document.Parse(ctx, doc, sink, func(r *document.Reader) document.Shape { return &parser{Reader: r} })
}
