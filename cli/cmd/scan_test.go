package cmd_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/muster-sec/muster/scanner/sampleimage"
	"github.com/muster-sec/muster/scanner/vulndb"
	"github.com/muster-sec/muster/scanner/vulndb/build"
)

// images is the script command that starts registries with the sample images,
// one with TLS ($TLSREGISTRY, $WORK/registry.pem) and one without ($REGISTRY),
// and builds the database that knows their vulnerabilities ($VULNDB), which is
// in the registries too (trivy-db:2). The image shop/web:1.4.2 has a bill of
// materials attached, and shop/leaky:1 holds what no image should.
func images(ts *testscript.TestScript, _ bool, _ []string) {
	silent := log.New(io.Discard, "", 0)
	handler := registry.New(registry.Logger(silent), registry.WithReferrersSupport(true))
	plain := httptest.NewServer(handler)
	ts.Defer(plain.Close)
	secure := httptest.NewUnstartedServer(handler)
	secure.Config.ErrorLog = silent
	secure.StartTLS()
	ts.Defer(secure.Close)

	push := func(reference string, image v1.Image) {
		ref, err := name.ParseReference(host(ts, plain.URL)+"/"+reference, name.Insecure)
		ts.Check(err)
		ts.Check(remote.Write(ref, image))
	}
	catalog, err := sampleimage.Catalog(today())
	ts.Check(err)
	for _, tagged := range catalog {
		push(tagged.Repository+":"+tagged.Tag, tagged.Image)
		if tagged.Repository == "shop/web" && tagged.Tag == "1.4.2" {
			push("shop/web:sbom", attachedTo(ts, tagged.Image))
		}
	}
	push("shop/leaky:1", leaky(ts))
	db, err := build.Write(ts.MkAbs("db"), sampleimage.Advisories(today().Add(-96*time.Hour)))
	ts.Check(err)
	push("trivy-db:2", databaseArtifact(ts, db))
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw})
	ts.Check(os.WriteFile(ts.MkAbs("registry.pem"), certificate, 0o600))
	ts.Setenv("REGISTRY", host(ts, plain.URL))
	ts.Setenv("TLSREGISTRY", host(ts, secure.URL))
	ts.Setenv("VULNDB", db)
}

func host(ts *testscript.TestScript, address string) string {
	u, err := url.Parse(address)
	ts.Check(err)
	return u.Host
}

// attachedTo is a bill of materials that refers to the image.
func attachedTo(ts *testscript.TestScript, image v1.Image) v1.Image {
	subject, err := partial.Descriptor(image)
	ts.Check(err)
	artifact := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), "application/spdx+json")
	artifact, err = mutate.AppendLayers(artifact, static.NewLayer([]byte(`{"spdxVersion":"SPDX-2.3","packages":[
		{"name":"minimist","externalRefs":[{"referenceType":"purl","referenceLocator":"pkg:npm/minimist@0.0.8"}]}]}`), "application/spdx+json"))
	ts.Check(err)
	referrer, ok := mutate.Subject(artifact, *subject).(v1.Image)
	if !ok {
		ts.Fatalf("an image with a subject is no image")
	}
	return referrer
}

// leaky is an image with a credential, a set-id file and a bill of materials.
func leaky(ts *testscript.TestScript) v1.Image {
	// Made here: the test holds no credential.
	token := "ghp_" + "aB3dE5gH7jK9mN1pQ2sT4vW6" + "yZ8xC0bF5nR3"
	image, err := sampleimage.Build(sampleimage.Spec{
		Layers: []sampleimage.Layer{
			sampleimage.Alpine("3.17.3", sampleimage.Package{Name: "zlib", Version: "1.2.12-r1"}),
			{
				{Path: "root/.netrc", Body: "machine github.com password " + token + "\n"},
				{Path: "usr/bin/su", Body: "x", Mode: 0o4755}, {Path: "app.cdx.json", Body: `{"bomFormat": "CycloneDX"}`},
			},
		},
		Created: today(), Env: []string{"GITHUB_TOKEN=" + token},
	})
	ts.Check(err)
	return image
}

// databaseArtifact packs a database as trivy-db is published.
func databaseArtifact(ts *testscript.TestScript, db string) v1.Image {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	w := tar.NewWriter(z)
	for _, file := range []string{db, filepath.Join(filepath.Dir(db), vulndb.MetadataFile)} {
		body, err := os.ReadFile(file)
		ts.Check(err)
		ts.Check(w.WriteHeader(&tar.Header{Name: filepath.Base(file), Mode: 0o644, Size: int64(len(body))}))
		_, err = w.Write(body)
		ts.Check(err)
	}
	ts.Check(errors.Join(w.Close(), z.Close()))
	image, err := mutate.AppendLayers(mutate.MediaType(empty.Image, types.OCIManifestSchema1),
		static.NewLayer(packed.Bytes(), "application/vnd.aquasec.trivy.db.layer.v1.tar+gzip"))
	ts.Check(err)
	return image
}
