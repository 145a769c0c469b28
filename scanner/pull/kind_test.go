package pull

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/types"
)

// TestKindOf has what a document holds, says, and is declared as.
func TestKindOf(t *testing.T) {
	t.Parallel()
	const (
		image = `"config":{},"layers":[]`
		index = `"manifests":[]`
	)
	for _, c := range []struct {
		text     string
		declared types.MediaType
		want     types.MediaType
		err      error
	}{
		{`{` + image + `}`, "", types.OCIManifestSchema1, nil},
		{`{` + index + `}`, "", types.OCIImageIndex, nil},
		{`{` + image + `}`, types.DockerManifestSchema2, types.DockerManifestSchema2, nil},
		{`{` + image + `}`, "application/json", types.OCIManifestSchema1, nil},
		{`{"mediaType":"application/vnd.docker.distribution.manifest.list.v2+json",` + index + `}`, "", types.DockerManifestList, nil},
		// Nothing declares which of the two it is.
		{`{` + image + `,` + index + `}`, "", "", ErrMalformed},
		{`{"layers":[],` + index + `}`, "", "", ErrMalformed},
		{`{"config":{},` + index + `}`, "", "", ErrMalformed},
		{`{` + image + `,` + index + `}`, types.OCIImageIndex, "", ErrMalformed},
		{`{"config":null,"layers":null,` + index + `}`, "", types.OCIImageIndex, nil},
		{`{}`, types.OCIImageIndex, "", ErrMalformed},
		{`{` + image + `}`, types.OCIImageIndex, "", ErrMalformed},
		{`{` + index + `}`, types.OCIManifestSchema1, "", ErrMalformed},
		{`{"mediaType":"application/vnd.oci.image.index.v1+json",` + image + `}`, "", "", ErrMalformed},
		{`{"mediaType":"application/vnd.oci.image.manifest.v1+json",` + index + `}`, "", "", ErrMalformed},
		{`{"mediaType":"text/plain",` + image + `}`, "", "", ErrUnsupported},
		{`{"fsLayers":[],` + image + `}`, "", "", ErrUnsupported},
	} {
		var s shape
		if err := json.Unmarshal([]byte(c.text), &s); err != nil {
			t.Fatal(err)
		}
		got, err := kindOf(s, c.declared)
		if got != c.want || !errors.Is(err, c.err) {
			t.Errorf("%s declared as %q: %q, %v", c.text, c.declared, got, err)
		}
	}
}
