package pull

import "testing"

func FuzzReferrers(f *testing.F) {
	f.Add([]byte(`{"schemaVersion":2,"manifests":[{"digest":"sha256:aa","artifactType":"application/spdx+json","annotations":{"in-toto.io/predicate-type":"x"}}]}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		referrers, err := parseReferrers(raw)
		if err != nil && referrers != nil {
			t.Error("both an answer and an error")
		}
		for _, r := range referrers {
			r.SBOMFormat()
		}
	})
}
