package neuvector

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/muster-sec/muster/plugins/ingest/internal/document"
	"github.com/muster-sec/muster/plugins/ingest/internal/imagename"
	"github.com/muster-sec/muster/plugins/sdk"
)

// parser reads one document.
type parser struct {
	*document.Reader

	found   bool // a result or a report
	failed  int  // the scanner's error; 0 is none
	message string
	subject subject
	listed  bool
}

var _ document.Shape = (*parser)(nil)

// subject is what both forms say of the image.
type subject struct {
	registry, repository, tag, digest, imageID string

	os      string // "alpine:3.12.12"
	version string // of the vulnerability database, which is all that is told
}

// Field reads the value of one name at the top of the document.
func (p *parser) Field(name string) error {
	switch name {
	case "result":
		p.found = true
		return p.Object("the result as an object", p.resultField)
	case "error_message":
		return p.Value(&p.message)
	case "report":
		if null, err := p.Null(); null || err != nil {
			return err // the scan failed, and error_message says why
		}
		p.found = true
		return p.Object("the report as an object", p.reportField)
	default:
		return p.Skip()
	}
}

func (p *parser) resultField(name string) error {
	s := &p.subject
	texts := map[string]*string{
		"Registry": &s.registry, "Repository": &s.repository, "Tag": &s.tag, "Digest": &s.digest, "ImageID": &s.imageID,
		"Namespace": &s.os, "Version": &s.version,
	}
	if text, ok := texts[name]; ok {
		return p.Value(text)
	}
	switch name {
	case "Error":
		return p.Value(&p.failed)
	case "Vuls":
		return p.Array(name, func() error { return vulnerability(p, &resultVul{}) })
	case "Modules":
		return p.Array(name, func() error { return module(p, &resultModule{}) })
	default:
		return p.Skip()
	}
}

func (p *parser) reportField(name string) error {
	s := &p.subject
	texts := map[string]*string{
		"registry": &s.registry, "repository": &s.repository, "tag": &s.tag, "digest": &s.digest, "image_id": &s.imageID,
		"base_os": &s.os, "cvedb_version": &s.version,
	}
	if text, ok := texts[name]; ok {
		return p.Value(text)
	}
	switch name {
	case "vulnerabilities":
		return p.Array(name, func() error { return vulnerability(p, &reportVul{}) })
	case "modules":
		return p.Array(name, func() error { return module(p, &reportModule{}) })
	default:
		return p.Skip()
	}
}

// Subject makes out which image the document is about.
func (p *parser) Subject() (sdk.Subject, error) {
	s := p.subject
	switch {
	case p.message != "":
		return sdk.Subject{}, fmt.Errorf("%w: the scan failed: %.500s", sdk.ErrInvalid, p.message)
	case p.failed != 0:
		return sdk.Subject{}, fmt.Errorf("%w: the scan failed: %s", sdk.ErrInvalid, reason(p.failed))
	case !p.found:
		return sdk.Subject{}, fmt.Errorf("%w: there is neither a result nor a report of NeuVector's scanner", sdk.ErrInvalid)
	}
	digest, err := digestOf("digest", s.digest)
	if err != nil {
		return sdk.Subject{}, err
	}
	id, err := digestOf("image id", s.imageID)
	if err != nil {
		return sdk.Subject{}, err
	}
	family, release, _ := strings.Cut(s.os, ":")
	out := sdk.Subject{
		Tag: s.tag, Digest: digest, ImageID: id, OSFamily: family, OSVersion: release,
		Tool: Name, ToolVersion: s.version, ListsPackages: p.listed,
	}
	host := strings.Trim(strings.TrimPrefix(strings.TrimPrefix(s.registry, "https://"), "http://"), "/")
	name, ok := imagename.Parse(strings.TrimPrefix(host+"/"+s.repository, "/"))
	if !ok && s.repository != "" {
		return sdk.Subject{}, fmt.Errorf("%w: %.200q in the registry %.200q is no name of a repository", sdk.ErrInvalid, s.repository, s.registry)
	}
	out.Registry, out.Repository = name.Registry, name.Repository
	return out, nil
}

var bareDigest = regexp.MustCompile(`^[0-9a-f]{64}$`)

// digestOf reads a digest, which the scanner writes with or without "sha256:".
func digestOf(what, text string) (string, error) {
	switch {
	case text == "" || imagename.IsDigest(text):
		return text, nil
	case bareDigest.MatchString(text):
		return "sha256:" + text, nil
	default:
		return "", fmt.Errorf("%w: the %s %.100q is not a sha256 digest", sdk.ErrInvalid, what, text)
	}
}

// reason is what the scanner's numbers of errors mean, in their order.
func reason(code int) string {
	reasons := []string{
		"", "network error", "unsupported operating system", "file size over limit", "package error", "database error", "timeout",
		"scan in progress", "registry API error", "access to the file system", "container API call error", "Xray API call error",
		"container exit", "authentication error", "certificate error", "scan canceled", "driver API not supported", "image not found",
		"AWS resource download error", "invalid input arguments", "signature scan error", "no scanner acquired in time",
	}
	if code > 0 && code < len(reasons) {
		return reasons[code]
	}
	return fmt.Sprintf("error %d", code)
}
