package sbom_test

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/muster-sec/muster/scanner/sbom"
)

func TestUnwrap(t *testing.T) {
	t.Parallel()
	const doc = `{"bomFormat":"CycloneDX"}`
	statement := `{"_type":"https://in-toto.io/Statement/v0.1","predicateType":"https://cyclonedx.org/bom","predicate":` + doc + `}`
	dsse := `{"payloadType":"application/vnd.in-toto+json","payload":"` + base64.StdEncoding.EncodeToString([]byte(statement)) + `"}`
	for name, c := range map[string]struct {
		text, want string
		err        error
	}{
		"plain":           {doc, doc, nil},
		"tags and values": {"SPDXVersion: SPDX-2.2", "SPDXVersion: SPDX-2.2", nil},
		"statement":       {statement, doc, nil},
		"old cosign":      {`{"predicate":{"Data":` + doc + `,"Timestamp":"x"}}`, doc, nil},
		"DSSE":            {dsse, doc, nil},
		"bundle":          {`{"mediaType":"x","dsseEnvelope":` + dsse + `}`, doc, nil},
		"no base64":       {`{"payload":"%"}`, "", sbom.ErrMalformed},
		"endless":         {strings.Repeat(`{"predicate":`, 9) + doc + strings.Repeat("}", 9), "", sbom.ErrMalformed},
	} {
		got, err := sbom.Unwrap([]byte(c.text))
		if string(got) != c.want || !errors.Is(err, c.err) {
			t.Errorf("%s: %s, %v", name, got, err)
		}
	}
}

func FuzzUnwrap(f *testing.F) {
	f.Add(`{"dsseEnvelope":{"payload":"eyJwcmVkaWNhdGUiOnt9fQ=="}}`)
	f.Fuzz(func(t *testing.T, text string) {
		if got, err := sbom.Unwrap([]byte(text)); err != nil && got != nil {
			t.Error("both an answer and an error")
		}
	})
}
