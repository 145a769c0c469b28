package cmd_test

import (
	"encoding/pem"
	"io"
	"log"
	"net/http/httptest"
	"net/url"
	"os"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/muster-sec/muster/scanner/sampleimage"
	"github.com/muster-sec/muster/scanner/vulndb/build"
)

// images is the script command that starts registries with the sample images,
// one with TLS ($TLSREGISTRY, $WORK/registry.pem) and one without ($REGISTRY),
// and builds the database that knows their vulnerabilities ($VULNDB).
func images(ts *testscript.TestScript, _ bool, _ []string) {
	silent := log.New(io.Discard, "", 0)
	handler := registry.New(registry.Logger(silent))
	plain := httptest.NewServer(handler)
	ts.Defer(plain.Close)
	secure := httptest.NewUnstartedServer(handler)
	secure.Config.ErrorLog = silent
	secure.StartTLS()
	ts.Defer(secure.Close)

	catalog, err := sampleimage.Catalog(today())
	ts.Check(err)
	for _, tagged := range catalog {
		ref, err := name.ParseReference(host(ts, plain.URL)+"/"+tagged.Repository+":"+tagged.Tag, name.Insecure)
		ts.Check(err)
		ts.Check(remote.Write(ref, tagged.Image))
	}
	db, err := build.Write(ts.MkAbs("db"), sampleimage.Advisories(today().Add(-96*time.Hour)))
	ts.Check(err)
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
