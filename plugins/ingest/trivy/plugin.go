package trivy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"

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
	dec := jsontext.NewDecoder(bytes.NewReader(trimBOM(head)))
	if tok, err := dec.ReadToken(); err != nil || tok.Kind() != '{' {
		return "", nil
	}
	version, ours := false, false
	for {
		tok, err := dec.ReadToken()
		if err != nil || tok.Kind() != '"' {
			break // head ends in the middle of the document
		}
		key := tok.String()
		switch key {
		case "Trivy", "ArtifactID", "ArtifactName", "ArtifactType", "Results":
			ours = true
		}
		if key == "SchemaVersion" {
			value, err := dec.ReadValue()
			if err != nil || string(value) != "2" {
				return "", nil
			}
			version = true
		} else if err := dec.SkipValue(); err != nil {
			break
		}
		if version && ours {
			break
		}
	}
	if version && ours {
		return Format, nil
	}
	return "", nil
}

// Parse reads one document. Its errors are sdk.ErrInvalid or sdk.ErrLimit, or
// those of doc and sink.
func (Ingester) Parse(ctx context.Context, doc io.Reader, sink sdk.Sink) error {
	p := &parser{ctx: ctx, sink: sink, warned: map[string]bool{}}
	p.source = &boundedReader{r: doc, tail: func() int64 { return p.dec.InputOffset() }}
	p.dec = jsontext.NewDecoder(p.source)
	err := p.document()
	switch {
	case err == nil:
		return nil
	case p.source.err != nil: // the decoder wraps it in words of its own
		return p.source.err
	default:
		return p.explain(err)
	}
}

// explain adds where in the document an error is.
func (p *parser) explain(err error) error {
	var syntax *jsontext.SyntacticError
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%w: the document ends at byte %d, in the middle of it", sdk.ErrInvalid, p.source.read)
	case errors.As(err, &syntax) && bytes.HasPrefix(p.source.head, []byte{0xFF, 0xFE}), bytes.HasPrefix(p.source.head, []byte{0xFE, 0xFF}):
		return fmt.Errorf("%w: the document is UTF-16, which shells write on redirection: use trivy's --output instead", sdk.ErrInvalid)
	case errors.As(err, &syntax):
		return fmt.Errorf("%w: at byte %d: %w", sdk.ErrInvalid, syntax.ByteOffset, err)
	case errors.Is(err, errSink), errors.Is(err, sdk.ErrInvalid), errors.Is(err, sdk.ErrLimit), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	default:
		return fmt.Errorf("%w: at byte %d: %w", sdk.ErrInvalid, p.dec.InputOffset(), err)
	}
}

// trimBOM cuts the mark that some editors put before UTF-8.
func trimBOM(b []byte) []byte { return bytes.TrimPrefix(b, []byte("\xEF\xBB\xBF")) }
