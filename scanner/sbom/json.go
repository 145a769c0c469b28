package sbom

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/muster-sec/muster/scanner/limit"
)

// reader reads a JSON document in one pass, whichever of the two formats it is:
// what names the format may come last. It keeps what has a package URL.
type reader struct {
	decoder *json.Decoder
	// cyclonedx and spdx are what the document is in each format.
	cyclonedx, spdx Document
	bomFormat       string
	spdxVersion     string
	context         bool
	places          places
	// wrong is the first value that is not what its name promises; it only counts
	// in a document of a known format.
	wrong error
}

func readJSON(r io.Reader, packages int) (Document, error) {
	in := &reader{
		decoder:   json.NewDecoder(r),
		cyclonedx: Document{Format: "cyclonedx", most: packages},
		spdx:      Document{Format: "spdx", most: packages},
		places:    places{files: map[string]string{}, of: map[string]string{}},
	}
	err := in.object(in.member)
	known := in.bomFormat == "CycloneDX" || strings.HasPrefix(in.spdxVersion, "SPDX-2.")
	switch {
	case errors.Is(err, limit.ErrExceeded):
		return Document{}, fmt.Errorf("sbom: read: %w", err)
	case !known && err != nil:
		return Document{}, fmt.Errorf("%w: %w", ErrFormat, err)
	case !known && in.context:
		return Document{}, fmt.Errorf("%w: SPDX 3 is not read yet, SPDX 2 is", ErrFormat)
	case !known:
		return Document{}, ErrFormat
	case errors.Join(err, in.wrong) != nil:
		return Document{}, fmt.Errorf("%w: %w", ErrMalformed, errors.Join(err, in.wrong))
	case in.bomFormat == "CycloneDX":
		return in.cyclonedx, nil
	}
	in.spdx.Version = strings.TrimPrefix(in.spdxVersion, "SPDX-")
	in.places.settle(&in.spdx)
	return in.spdx, nil
}

// member reads the value of one name at the top of a document.
func (in *reader) member(name string) error {
	switch name {
	case "bomFormat":
		return in.value(&in.bomFormat)
	case "specVersion":
		return in.value(&in.cyclonedx.Version)
	case "metadata":
		return in.metadata()
	case "components":
		return in.array(func() error { return in.component() })
	case "spdxVersion":
		return in.value(&in.spdxVersion)
	case "@context":
		in.context = true
	case "name":
		return in.value(&in.spdx.Name)
	case "packages":
		return in.array(in.spdxPackage)
	case "files":
		return in.array(in.spdxFile)
	case "relationships":
		return in.array(in.spdxRelationship)
	}
	return in.skip()
}

// object reads an object and calls member for each of its names, which has to
// read the value.
func (in *reader) object(member func(name string) error) error {
	open, err := in.decoder.Token()
	if err != nil {
		return err
	}
	if open != json.Delim('{') {
		return errors.New("not an object")
	}
	for in.decoder.More() {
		name, err := in.decoder.Token()
		if err != nil {
			return err
		}
		text, _ := name.(string) // names of members are strings
		if err := member(text); err != nil {
			return err
		}
	}
	_, err = in.decoder.Token()
	return err
}

// array reads an array and calls item for each of its items, which has to read it.
func (in *reader) array(item func() error) error {
	open, err := in.decoder.Token()
	if err != nil || open == nil {
		return err
	}
	if open != json.Delim('[') {
		in.notice(fmt.Errorf("%v where an array is expected", open))
		return in.rest(open)
	}
	for in.decoder.More() {
		if err := item(); err != nil {
			return err
		}
	}
	_, err = in.decoder.Token()
	return err
}

// value reads a value; one of another type is noticed and no error.
func (in *reader) value(into any) error {
	err := in.decoder.Decode(into)
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		in.notice(err)
		return nil
	}
	return err
}

func (in *reader) notice(err error) {
	if in.wrong == nil {
		in.wrong = err
	}
}

// skip passes over a value token by token, so that a long one takes no memory.
func (in *reader) skip() error {
	first, err := in.decoder.Token()
	if err != nil {
		return err
	}
	return in.rest(first)
}

// rest passes over what follows the first token of a value.
func (in *reader) rest(first json.Token) error {
	depth := 0
	for token := first; ; {
		switch token {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth <= 0 {
			return nil
		}
		var err error
		if token, err = in.decoder.Token(); err != nil {
			return err
		}
	}
}
