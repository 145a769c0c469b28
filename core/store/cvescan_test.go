package store

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/core/model"
	"github.com/muster-sec/muster/core/policy"
)

// decodeCVEs is what scanCVEs must be equal to.
func decodeCVEs(list model.FindingList) []policy.CVE {
	cves := []policy.CVE{}
	for _, f := range list.Findings {
		cves = append(cves, policy.CVE{ID: f.ID, Severity: model.ParseSeverity(string(f.Severity))})
	}
	return cves
}

func TestScanCVEsReadsWhatListsHold(t *testing.T) {
	t.Parallel()
	hostile := `x"},{"id":"CVE-FAKE","severity":"low\\` + "\n<&\u2028é"
	for _, list := range []model.FindingList{
		model.NewFindingList(nil),
		model.NewFindingList([]model.Finding{{ID: "CVE-1"}, {ID: "CVE-2", Severity: model.Critical, Package: "p", Title: "t", Score: 7.5}}),
		model.NewFindingList([]model.Finding{{ID: hostile, Package: hostile, Severity: model.High, Title: hostile}, {ID: "CVE-3", Severity: "odd"}}),
	} {
		body, err := json.Marshal(list)
		if err != nil {
			t.Fatal(err)
		}
		got, err := scanCVEs(body)
		if diff := cmp.Diff(decodeCVEs(list), got); diff != "" || err != nil {
			t.Errorf("%s: %v %s", body, err, diff)
		}
	}
}

func TestScanCVEsRefusesWhatIsNoList(t *testing.T) {
	t.Parallel()
	for _, body := range []string{`{"id":`, `{"id":7,"severity":"low"}`, `{"id":"a`, `{"id":"a\`, `{"id":"a"}`, `{"id":"a","severity":`, `{"id":"\x","severity":"low"}`} {
		if got, err := scanCVEs([]byte(body)); err == nil {
			t.Errorf("%s gives %v", body, got)
		}
	}
}

func FuzzScanCVEs(f *testing.F) {
	f.Add("CVE-1", "openssl", "high", []byte(`{"findings":[{"id":"a","severity":"low"}]}`))
	f.Add(`"},{"id":"`, "\\", `","severity":"`, []byte(`{"id":"\\"`))
	f.Fuzz(func(t *testing.T, id, text, severity string, raw []byte) {
		if cves, err := scanCVEs(raw); err == nil && len(cves) > len(raw) {
			t.Fatal("more findings than bytes")
		}
		list := model.NewFindingList([]model.Finding{{ID: id, Package: text, Title: text, Severity: model.Severity(severity)}, {ID: text}})
		body, err := json.Marshal(list)
		if err != nil {
			t.Fatal(err)
		}
		var valid model.FindingList // as JSON can hold it: invalid UTF-8 is replaced
		if err := json.Unmarshal(body, &valid); err != nil {
			t.Fatal(err)
		}
		got, err := scanCVEs(body)
		if err != nil {
			t.Fatal(err)
		}
		want := decodeCVEs(valid)
		for i := range want {
			want[i].Severity = knownSeverity(string(valid.Findings[i].Severity))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
	})
}
