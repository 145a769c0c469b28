package document

import (
	"bytes"

	"github.com/go-json-experiment/json/jsontext"
)

// Head looks at the first bytes of a document, as far as they reach. It yields
// the names at the top of the JSON object that they begin, each with the value
// as far as it is there; a value that is cut off ends it. What is not the
// beginning of an object yields nothing.
func Head(head []byte) func(yield func(name string, value Beginning) bool) {
	return func(yield func(string, Beginning) bool) {
		head = trimBOM(head)
		dec := jsontext.NewDecoder(bytes.NewReader(head))
		if tok, err := dec.ReadToken(); err != nil || tok.Kind() != '{' {
			return
		}
		for {
			tok, err := dec.ReadToken()
			if err != nil || tok.Kind() != '"' {
				return
			}
			name := tok.String()
			from := dec.InputOffset()
			skipped := dec.SkipValue()
			to := dec.InputOffset()
			if skipped != nil {
				to = int64(len(head))
			}
			value := bytes.TrimLeft(head[from:to], " \t\r\n:")
			if !yield(name, Beginning(value)) || skipped != nil {
				return
			}
		}
	}
}

// Beginning is a JSON value, or the beginning of one.
type Beginning []byte

// Is says whether it is the given JSON text, for instance `"CycloneDX"`.
func (b Beginning) Is(text string) bool { return string(b) == text }

// Text returns a string without its quotes; empty for everything else.
func (b Beginning) Text() string {
	text, err := jsontext.AppendUnquote(nil, b)
	if err != nil {
		return ""
	}
	return string(text)
}

// First returns the first element of an array, or its beginning, nil if there is
// none.
func (b Beginning) First() Beginning {
	if len(b) == 0 || b[0] != '[' {
		return nil
	}
	return Beginning(bytes.TrimLeft(b[1:], " \t\r\n"))
}

// Names returns the names of an object, as far as it is there.
func (b Beginning) Names() map[string]Beginning {
	names := map[string]Beginning{}
	for name, value := range Head(b) {
		names[name] = value
	}
	return names
}
