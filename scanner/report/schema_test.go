package report_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/muster-sec/muster/scanner/report"
)

// TestSchemas holds what is written against the formats' own schemas.
func TestSchemas(t *testing.T) {
	t.Parallel()
	files := []string{"bom-1.6.schema.json", "spdx.schema.json", "jsf-0.82.schema.json", "spdx-schema-2.3.json", "sarif-2.1.0-rtm.5.json"}
	for f, file := range map[report.Format]string{
		report.FormatSARIF: "sarif-2.1.0-rtm.5.json", report.FormatCycloneDX: "bom-1.6.schema.json", report.FormatSPDX: "spdx-schema-2.3.json",
	} {
		t.Run(string(f), func(t *testing.T) {
			t.Parallel()
			compiler := jsonschema.NewCompiler()
			compiler.AssertFormat()
			for _, name := range files {
				raw, err := os.ReadFile(filepath.Join("testdata", "schema", name))
				if err != nil {
					t.Fatal(err)
				}
				doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
				if err != nil {
					t.Fatal(err)
				}
				if err := compiler.AddResource("http://cyclonedx.org/schema/"+name, doc); err != nil {
					t.Fatal(err)
				}
			}
			schema, err := compiler.Compile("http://cyclonedx.org/schema/" + file)
			if err != nil {
				t.Fatal(err)
			}
			for name, d := range map[string]report.Document{
				"two images": document(), "one": one(), "none": report.New(database(), now(), nil),
			} {
				var out bytes.Buffer
				if err := report.Write(&out, f, d); err != nil {
					t.Fatal(err)
				}
				written, err := jsonschema.UnmarshalJSON(&out)
				if err != nil {
					t.Fatal(err)
				}
				if err := schema.Validate(written); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
		})
	}
	// The schemas must be able to say no.
	t.Run("refuses", func(t *testing.T) {
		t.Parallel()
		raw, err := os.ReadFile(filepath.Join("testdata", "schema", "spdx-schema-2.3.json"))
		if err != nil {
			t.Fatal(err)
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		compiler := jsonschema.NewCompiler()
		if err := compiler.AddResource("spdx.json", doc); err != nil {
			t.Fatal(err)
		}
		schema, err := compiler.Compile("spdx.json")
		if err != nil {
			t.Fatal(err)
		}
		if schema.Validate(map[string]any{"spdxVersion": "SPDX-2.3"}) == nil {
			t.Error("an empty document passes")
		}
	})
}
