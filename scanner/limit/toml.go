package limit

import (
	"bytes"
	"fmt"
	"io"

	"github.com/BurntSushi/toml"
)

// tomlDepth bounds nested values; real documents have two or three.
const tomlDepth = 64

// TOML is a document that may be decoded: neither too long nor too deep.
type TOML []byte

// ReadTOML reads a document of at most max bytes, which name calls in errors. A
// decoder needs many times as much memory.
func ReadTOML(r io.Reader, name string, max int64) (TOML, error) {
	text, err := ReadAll(r, name, max)
	if err != nil {
		return nil, err
	}
	if err := Check("toml_depth", tomlDepth, TOMLDepth(text)); err != nil {
		return nil, err
	}
	return text, nil
}

// Decode decodes the document. The library has been seen to panic on documents
// made to do so; that is an error too.
func (t TOML) Decode(into any) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the document cannot be read: %v", p)
		}
	}()
	return toml.Unmarshal(t, into)
}

// TOMLDepth returns how deeply arrays, inline tables and the parts of a dotted key
// are nested in a TOML document, counted without decoding it: decoders recurse,
// and a stack that is exhausted ends the process; of a long key they keep every
// beginning. What follows a syntax error counts for nothing, because decoders
// stop there.
func TOMLDepth(data []byte) int64 {
	var depth, deepest, dots int64
	for i := 0; i < len(data); {
		switch data[i] {
		case '#':
			i += length(data[i:], "\n")
			dots = 0
			continue
		case '"', '\'':
			i += tomlString(data[i:])
			continue
		case '[', '{':
			depth++
			deepest = max(deepest, depth)
		case ']', '}':
			depth = max(0, depth-1)
		case '.':
			dots++
			deepest = max(deepest, dots)
		case '=', ',', '\n':
			dots = 0
		}
		i++
	}
	return deepest
}

// tomlString returns the length of the string at the beginning of data.
func tomlString(data []byte) int {
	quote := data[:1]
	escapes := quote[0] == '"'
	if triple := bytes.Repeat(quote, 3); bytes.HasPrefix(data, triple) {
		for i := 3; i < len(data); i++ {
			switch {
			case escapes && data[i] == '\\':
				i++
			case bytes.HasPrefix(data[i:], triple):
				// Two quotes before the closing ones belong to the text.
				for i += 3; i < len(data) && data[i] == quote[0]; i++ {
				}
				return i
			}
		}
		return len(data)
	}
	for i := 1; i < len(data); i++ {
		switch {
		case escapes && data[i] == '\\':
			i++
		case data[i] == quote[0] || data[i] == '\n':
			return i + 1
		}
	}
	return len(data)
}

// length returns how many bytes there are up to the mark, and with it.
func length(data []byte, mark string) int {
	if i := bytes.Index(data, []byte(mark)); i >= 0 {
		return i + len(mark)
	}
	return len(data)
}
