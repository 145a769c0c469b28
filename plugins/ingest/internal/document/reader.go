package document

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/muster-sec/muster/plugins/sdk"
)

const (
	// Batch is how many packages or findings go to a sink together.
	Batch = 256

	maxItems    = 1_000_000 // packages and findings of a document
	maxWarnings = 100
)

// errSink marks an error that is the caller's and not the document's.
var errSink = errors.New("taking over what was parsed")

// Reader reads one document for the duration of one Parse. It is not safe for
// concurrent use.
type Reader struct {
	ctx    context.Context // of the one Parse the reader lives for
	sink   sdk.Sink
	source *boundedReader
	dec    *jsontext.Decoder

	packages []sdk.Package
	findings []sdk.Finding
	items    int
	warned   map[string]bool
}

// Parse reads a document that is one JSON object, calling field in front of the
// value of each of its names, and hands what finish returns on as its subject.
// Its errors are sdk.ErrInvalid or sdk.ErrLimit, or those of doc and sink.
func Parse(ctx context.Context, doc io.Reader, sink sdk.Sink, open func(*Reader) Shape) error {
	r := &Reader{ctx: ctx, sink: sink, warned: map[string]bool{}}
	r.source = &boundedReader{r: doc, tail: func() int64 { return r.dec.InputOffset() }}
	r.dec = jsontext.NewDecoder(r.source)
	err := r.whole(open(r))
	switch {
	case err == nil:
		return nil
	case r.source.err != nil: // the decoder wraps it in words of its own
		return r.source.err
	default:
		return r.explain(err)
	}
}

// Shape is what one kind of documents looks like.
type Shape interface {
	// Field reads or skips the value of one name at the top of the document.
	Field(name string) error
	// Subject is called at the end, when everything has been read, and may
	// still hand on packages and findings.
	Subject() (sdk.Subject, error)
}

func (r *Reader) whole(s Shape) error {
	if err := r.Object("a JSON object", s.Field); err != nil {
		return err
	}
	if _, err := r.dec.ReadToken(); !errors.Is(err, io.EOF) {
		if err != nil {
			return err
		}
		return fmt.Errorf("%w: the document goes on after its end, at byte %d", sdk.ErrInvalid, r.dec.InputOffset())
	}
	subject, err := s.Subject()
	if err != nil {
		return err
	}
	if err := errors.Join(r.checkSubject(subject), r.flush(1)); err != nil {
		return err
	}
	return r.hand(r.sink.Subject(subject))
}

// Object reads an object and calls field in front of the value of every name.
// What is said of it where there is something else.
func (r *Reader) Object(what string, field func(name string) error) error {
	if err := r.expect('{', what); err != nil {
		return err
	}
	for r.dec.PeekKind() != '}' {
		if err := r.ctx.Err(); err != nil {
			return err
		}
		key, err := r.dec.ReadToken()
		if err != nil {
			return err
		}
		if err := field(key.String()); err != nil {
			return err
		}
	}
	_, err := r.dec.ReadToken()
	return err
}

// Array reads an array, or null, and calls element in front of every element.
func (r *Reader) Array(name string, element func() error) error {
	if r.dec.PeekKind() == 'n' {
		return r.dec.SkipValue()
	}
	if err := r.expect('[', name+" as an array"); err != nil {
		return err
	}
	for r.dec.PeekKind() != ']' {
		if err := r.ctx.Err(); err != nil {
			return err
		}
		if err := element(); err != nil {
			return err
		}
	}
	_, err := r.dec.ReadToken()
	return err
}

// Value decodes the next value into v, a pointer.
func (r *Reader) Value(v any) error { return json.UnmarshalDecode(r.dec, v) }

// Text decodes the next value, a name of what is said to be, into s.
func (r *Reader) Text(of string, s *string) error {
	if err := r.Value(s); err != nil {
		return err
	}
	return r.check(of, field{"text", *s, MaxName})
}

// Skip passes over the next value.
func (r *Reader) Skip() error { return r.dec.SkipValue() }

// Null passes over the next value if it is null, and says whether it was.
func (r *Reader) Null() (bool, error) {
	if r.dec.PeekKind() != 'n' {
		return false, nil
	}
	return true, r.dec.SkipValue()
}

func (r *Reader) expect(kind jsontext.Kind, what string) error {
	tok, err := r.dec.ReadToken()
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: the document is empty", sdk.ErrInvalid)
	}
	if err != nil {
		return err
	}
	if tok.Kind() != kind {
		return fmt.Errorf("%w: at byte %d: expected %s, found %s", sdk.ErrInvalid, r.dec.InputOffset(), what, tok.Kind())
	}
	return nil
}

// Packages hands packages on.
func (r *Reader) Packages(p []sdk.Package) error { return r.hand(r.sink.Packages(p)) }

// Findings hands findings on.
func (r *Reader) Findings(f []sdk.Finding) error { return r.hand(r.sink.Findings(f)) }

// AddPackage checks a package and hands it on, together with others.
func (r *Reader) AddPackage(p sdk.Package) error {
	if err := r.CheckPackage(p); err != nil {
		return err
	}
	r.packages = append(r.packages, p)
	return r.flush(Batch)
}

// AddFinding checks a finding and hands it on, together with others.
func (r *Reader) AddFinding(f sdk.Finding) error {
	if err := r.CheckFinding(f); err != nil {
		return err
	}
	r.findings = append(r.findings, f)
	return r.flush(Batch)
}

// flush hands on what was added, from a number of items on.
func (r *Reader) flush(from int) error {
	if len(r.packages) >= from {
		packages := r.packages
		r.packages = nil
		if err := r.Packages(packages); err != nil {
			return err
		}
	}
	if len(r.findings) >= from {
		findings := r.findings
		r.findings = nil
		return r.Findings(findings)
	}
	return nil
}

// hand marks errors of the sink.
func (r *Reader) hand(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", errSink, err)
}

// Warn tells once of everything that is left out.
func (r *Reader) Warn(format string, args ...any) error {
	message := fmt.Sprintf(format, args...)
	if r.warned[message] || len(r.warned) >= maxWarnings {
		return nil
	}
	r.warned[message] = true
	return r.hand(r.sink.Warn(message))
}

// WarnAll tells sentences, each once.
func (r *Reader) WarnAll(messages []string) error {
	for _, m := range messages {
		if err := r.Warn("%s", m); err != nil {
			return err
		}
	}
	return nil
}

// count counts one package or finding, of which a document has a limited number.
func (r *Reader) count() error {
	if r.items++; r.items > maxItems {
		return fmt.Errorf("%w: the document lists more than %d packages and findings", sdk.ErrLimit, maxItems)
	}
	return nil
}

// explain adds where in the document an error is.
func (r *Reader) explain(err error) error {
	var syntax *jsontext.SyntacticError
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%w: the document ends at byte %d, in the middle of it", sdk.ErrInvalid, r.source.read)
	case bytes.HasPrefix(r.source.head, []byte{0xFF, 0xFE}), bytes.HasPrefix(r.source.head, []byte{0xFE, 0xFF}):
		return fmt.Errorf("%w: the document is UTF-16, which shells write on redirection: let the scanner write the file itself, with its option --output", sdk.ErrInvalid)
	case errors.As(err, &syntax):
		return fmt.Errorf("%w: at byte %d: %w", sdk.ErrInvalid, syntax.ByteOffset, err)
	case errors.Is(err, errSink), errors.Is(err, sdk.ErrInvalid), errors.Is(err, sdk.ErrLimit), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	default:
		return fmt.Errorf("%w: at byte %d: %w", sdk.ErrInvalid, r.dec.InputOffset(), err)
	}
}
