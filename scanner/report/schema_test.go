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
	for f, file := range map[report.Format]string{
		report.FormatSARIF: "sarif-2.1.0-rtm.5.json", report.FormatCycloneDX: "bom-1.6.schema.json", report.FormatSPDX: "spdx-schema-2.3.json",
	} {
		t.Run(string(f), func(t *testing.T) {
			t.Parallel()
			rules := schema(t, file)
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
				if err := rules.Validate(written); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
		})
	}
}

// TestSchemaRefuses makes sure that a schema is able to say no.
func TestSchemaRefuses(t *testing.T) {
	t.Parallel()
	if schema(t, "spdx-schema-2.3.json").Validate(map[string]any{"spdxVersion": "SPDX-2.3"}) == nil {
		t.Error("an empty document passes")
	}
}

// schema compiles one of the schemas; they refer to each other by their addresses.
func schema(t *testing.T, file string) *jsonschema.Schema {
	t.Helper()
	const address = "http://cyclonedx.org/schema/"
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	for _, name := range []string{"bom-1.6.schema.json", "spdx.schema.json", "jsf-0.82.schema.json", "spdx-schema-2.3.json", "sarif-2.1.0-rtm.5.json"} {
		raw, err := os.ReadFile(filepath.Join("testdata", "schema", name))
		if err != nil {
			t.Fatal(err)
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		if err := compiler.AddResource(address+name, doc); err != nil {
			t.Fatal(err)
		}
	}
	compiled, err := compiler.Compile(address + file)
	if err != nil {
		t.Fatal(err)
	}
	return compiled
}
