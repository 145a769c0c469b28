package trivy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/muster-sec/muster/plugins/sdk"
)

const (
	maxItems   = 1_000_000 // packages and findings of a document
	maxResults = 100_000
	batch      = 256
)

// errSink marks an error that is the caller's and not the document's.
var errSink = errors.New("taking over what was parsed")

// parser reads one document.
type parser struct {
	ctx    context.Context // of the one Parse the parser lives for
	sink   sdk.Sink
	source *boundedReader
	dec    *jsontext.Decoder

	header  header
	results int
	items   int
	listed  bool // packages are listed somewhere
	warned  map[string]bool
}

// header is what a document says about itself, outside of its results.
type header struct {
	Version      int
	Tool         struct{ Version string }
	ArtifactName string
	ArtifactType string
	CreatedAt    time.Time
	Metadata     metadata
}

type metadata struct {
	OS struct {
		Family string
		Name   string
	}
	ImageID     string
	DiffIDs     []string
	RepoTags    []string
	RepoDigests []string
	ImageConfig struct {
		Architecture string `json:"architecture"`
		OS           string `json:"os"`
		Variant      string `json:"variant"`
	}
}

// document reads the whole of it and hands the subject over last, when all of
// it is known.
func (p *parser) document() error {
	if err := p.expect('{', "a JSON object"); err != nil {
		return err
	}
	for p.dec.PeekKind() != '}' {
		key, err := p.dec.ReadToken()
		if err != nil {
			return err
		}
		if err := p.field(key.String()); err != nil {
			return err
		}
	}
	if _, err := p.dec.ReadToken(); err != nil {
		return err
	}
	if _, err := p.dec.ReadToken(); !errors.Is(err, io.EOF) {
		if err != nil {
			return err
		}
		return fmt.Errorf("%w: the document goes on after its end, at byte %d", sdk.ErrInvalid, p.dec.InputOffset())
	}
	subject, err := p.subject()
	if err != nil {
		return err
	}
	return p.hand(p.sink.Subject(subject))
}

// field reads the value of one name at the top of the document.
func (p *parser) field(name string) error {
	switch name {
	case "SchemaVersion":
		return p.value(&p.header.Version)
	case "Trivy":
		return p.value(&p.header.Tool)
	case "ArtifactName":
		return p.value(&p.header.ArtifactName)
	case "ArtifactType":
		return p.value(&p.header.ArtifactType)
	case "CreatedAt":
		return p.value(&p.header.CreatedAt)
	case "Metadata":
		return p.value(&p.header.Metadata)
	case "Results":
		return p.each("Results", p.result)
	default:
		return p.dec.SkipValue()
	}
}

func (p *parser) value(v any) error { return json.UnmarshalDecode(p.dec, v) }

// each reads an array, or null, and calls f in front of every element.
func (p *parser) each(name string, f func() error) error {
	if p.dec.PeekKind() == 'n' {
		return p.dec.SkipValue()
	}
	if err := p.expect('[', name+" as an array"); err != nil {
		return err
	}
	for p.dec.PeekKind() != ']' {
		if err := p.ctx.Err(); err != nil {
			return err
		}
		if err := f(); err != nil {
			return err
		}
	}
	_, err := p.dec.ReadToken()
	return err
}

func (p *parser) expect(kind jsontext.Kind, what string) error {
	tok, err := p.dec.ReadToken()
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: the document is empty", sdk.ErrInvalid)
	}
	if err != nil {
		return err
	}
	if tok.Kind() != kind {
		return fmt.Errorf("%w: at byte %d: expected %s, found %s", sdk.ErrInvalid, p.dec.InputOffset(), what, tok.Kind())
	}
	return nil
}

// hand marks errors of the sink.
func (p *parser) hand(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", errSink, err)
}

// warn tells once of everything that is left out.
func (p *parser) warn(format string, args ...any) error {
	message := fmt.Sprintf(format, args...)
	if p.warned[message] || len(p.warned) >= 100 {
		return nil
	}
	p.warned[message] = true
	return p.hand(p.sink.Warn(message))
}

// count bounds how many packages and findings a document has.
func (p *parser) count() error {
	if p.items++; p.items > maxItems {
		return fmt.Errorf("%w: the document lists more than %d packages and findings", sdk.ErrLimit, maxItems)
	}
	return nil
}
