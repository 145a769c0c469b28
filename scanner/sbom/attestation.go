package sbom

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
)

// envelope is what a bill of materials may come in when somebody attests it: an
// in-toto statement, alone or in a DSSE envelope, that one alone or in a Sigstore
// bundle.
type envelope struct {
	Bundle    json.RawMessage `json:"dsseEnvelope"`
	Payload   *string         `json:"payload"`
	Predicate json.RawMessage `json:"predicate"`
	// Data is where an old Cosign put a predicate.
	Data json.RawMessage `json:"Data"`
}

// maxEnvelopes bounds envelopes in envelopes: the deepest chain is a bundle with an
// envelope with a statement with data.
const maxEnvelopes = 5

// Unwrap returns the bill of materials that an attestation carries, or the text
// itself when it is none. Signatures are not checked: whoever could attach the
// attestation to the image is believed. It returns ErrMalformed for an envelope
// that cannot be opened.
func Unwrap(text []byte) ([]byte, error) {
	for range maxEnvelopes {
		var e envelope
		if err := json.Unmarshal(text, &e); err != nil {
			return text, nil // not JSON: no envelope
		}
		switch {
		case len(e.Bundle) > 0:
			text = e.Bundle
		case e.Payload != nil:
			payload, err := base64.StdEncoding.DecodeString(*e.Payload)
			if err != nil {
				return nil, fmt.Errorf("%w: envelope: %w", ErrMalformed, err)
			}
			text = payload
		case len(e.Predicate) > 0:
			text = e.Predicate
		case len(e.Data) > 0:
			text = e.Data
		default:
			return text, nil
		}
	}
	return nil, fmt.Errorf("%w: too many envelopes", ErrMalformed)
}
