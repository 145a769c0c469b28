package httpapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/muster-sec/muster/core/fault"
)

// BodyLimit bounds every JSON body but CI documents.
const BodyLimit = 1 << 20

// ReadJSON decodes the body into a T. It refuses another content type (415),
// a body over BodyLimit (413), and text that is not exactly one value with
// known fields (400).
func ReadJSON[T any](w http.ResponseWriter, r *http.Request) (T, error) {
	var v T
	err := ReadJSONOver(w, r, &v)
	return v, err
}

// ReadJSONOver is ReadJSON into a value that has some fields already: those
// that the body does not name stay.
func ReadJSONOver(w http.ResponseWriter, r *http.Request, v any) error {
	if err := CheckContentType(r, "application/json"); err != nil {
		return err
	}
	return decodeJSON(http.MaxBytesReader(w, r.Body, BodyLimit), v)
}

// decodeJSON reads exactly one value with no unknown field.
func decodeJSON(body io.Reader, v any) error {
	dec := json.NewDecoder(body)
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return BodyError(err)
	}
	switch _, err := dec.Token(); {
	case err == nil:
		return fault.New(fault.Invalid, "the body goes on after its JSON value")
	case !errors.Is(err, io.EOF):
		return BodyError(err)
	}
	return nil
}

// BodyError makes an error of reading a body one for who sent it.
func BodyError(err error) error {
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return fault.New(fault.TooLarge, "the body is larger than %d bytes", tooLarge.Limit)
	}
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fault.New(fault.Invalid, "the body's %q is a %s, not a %s", wrong.Field, wrong.Value, wrong.Type)
	}
	switch {
	case errors.Is(err, io.EOF):
		return fault.New(fault.Invalid, "the body is empty, not JSON")
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fault.New(fault.Invalid, "the body ends within its JSON value")
	}
	return fault.New(fault.Invalid, "the body is not the JSON wanted: %s", strings.TrimPrefix(err.Error(), "json: "))
}

// CheckContentType refuses a body of another media type; parameters such as a
// charset do not matter.
func CheckContentType(r *http.Request, accepted ...string) error {
	given := r.Header.Get("Content-Type")
	media, _, err := mime.ParseMediaType(given)
	if err == nil && slices.Contains(accepted, media) {
		return nil
	}
	if given == "" {
		given = "none"
	}
	return fmt.Errorf("content type %.100s, want %s: %w", given, strings.Join(accepted, " or "), errContentType)
}
