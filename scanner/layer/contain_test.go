package layer

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/scanner/analyze"
	"github.com/muster-sec/muster/scanner/analyze/npm"
	"github.com/muster-sec/muster/scanner/inventory"
	"github.com/muster-sec/muster/scanner/limit"
	"github.com/muster-sec/muster/scanner/sampleimage"
)

// fragile is an analyzer that breaks on whatever it meets.
type fragile struct{}

func (fragile) Name() string                              { return "fragile" }
func (fragile) Version() int                              { return 1 }
func (fragile) Required(analyze.File) bool                { return true }
func (fragile) Begin() analyze.Run                        { return fragile{} }
func (fragile) Read(_ analyze.File, body io.Reader) error { panic("index out of range") }
func (fragile) Result() analyze.Result                    { panic("nil map") }

// TestBrokenAnalyzerIsContained also has two analyzers read the same file.
func TestBrokenAnalyzerIsContained(t *testing.T) {
	t.Parallel()
	raw := tarOf(t, sampleimage.NodeModules("srv", sampleimage.Package{Name: "lodash", Version: "4.17.11"})...)
	r := New([]analyze.Analyzer{fragile{}, npm.Analyzer{}}, limit.Limits{})
	got, err := r.Analyze(context.Background(), Blob{Digest: digest(raw), Body: bytes.NewReader(raw)})
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Sets) != 1 || len(got.Problems) != 2 || got.Problems[1].Analyzer != "fragile" {
		t.Errorf("sets %+v, problems %+v", got.Sets, got.Problems)
	}
}

func TestAnalysisSurvivesJSON(t *testing.T) {
	t.Parallel()
	want, err := analyzeBytes(sampleLayer(t), "", limit.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got inventory.LayerAnalysis
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for i, s := range got.Sets {
		if s.Set.ID() != want.Sets[i].Set.ID() {
			t.Errorf("%s has another name after it was stored", s.Path)
		}
	}
}
