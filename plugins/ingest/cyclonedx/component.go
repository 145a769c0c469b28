package cyclonedx

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/muster-sec/muster/plugins/ingest/internal/document"
	"github.com/muster-sec/muster/plugins/ingest/internal/imagename"
	"github.com/muster-sec/muster/plugins/ingest/internal/purl"
	"github.com/muster-sec/muster/plugins/sdk"
)

const maxNesting = 32 // of components within components

// component is what is read of a component, and of a tool.
type component struct {
	Ref        string      `json:"bom-ref"`
	Type       string      `json:"type"`
	Group      string      `json:"group"`
	Name       string      `json:"name"`
	Version    string      `json:"version"`
	PURL       string      `json:"purl"`
	Licenses   []license   `json:"licenses"`
	Properties []property  `json:"properties"`
	Components []component `json:"components"`
}

type license struct {
	License struct {
		ID   string `json:"id"`
		Name string `json:"name"`
	} `json:"license"`
	Expression string `json:"expression"`
}

type property struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// tools are a list until version 1.4 and an object with components from 1.5 on.
type tools struct {
	list []component
}

// UnmarshalJSON reads both.
func (t *tools) UnmarshalJSON(raw []byte) error {
	if jsontext.Value(raw).Kind() == '[' {
		return json.Unmarshal(raw, &t.list)
	}
	var object struct {
		Components []component `json:"components"`
	}
	err := json.Unmarshal(raw, &object)
	t.list = object.Components
	return err
}

// made is the tool that made the document; of several, the first.
func (t *tools) made() component {
	if len(t.list) == 0 {
		return component{}
	}
	return t.list[0]
}

func (c *component) all(property string) []string {
	var values []string
	for _, p := range c.Properties {
		if p.Name == property {
			values = append(values, p.Value)
		}
	}
	return values
}

// first returns the value of the first of the properties that is there.
func (c *component) first(properties ...string) string {
	for _, name := range properties {
		if all := c.all(name); len(all) > 0 {
			return all[0]
		}
	}
	return ""
}

// component takes over one component and those within it.
func (p *parser) component(c component, depth int) error {
	if depth > maxNesting {
		return fmt.Errorf("%w: components are nested deeper than %d", sdk.ErrLimit, maxNesting)
	}
	switch {
	case c.Type == "operating-system":
		p.os = c
	case c.Name == "":
		if err := p.Warn("a component without a name is left out"); err != nil {
			return err
		}
	case c.Version == "" && c.PURL == "", c.Type == "file":
		// What groups others, as a lock file does, and what is no package.
	default:
		pkg := c.pkg()
		if err := p.AddPackage(pkg); err != nil {
			return err
		}
		if c.Ref != "" {
			p.byRef[c.Ref] = &pkg
		}
	}
	for _, inner := range c.Components {
		if err := p.component(inner, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func (c *component) pkg() sdk.Package {
	u, _ := purl.Parse(c.PURL)
	out := sdk.Package{
		Ecosystem: cmp.Or(c.first("aquasecurity:trivy:PkgType", "syft:package:type"), u.Type),
		Name:      cmp.Or(u.Package(), c.grouped()),
		Version:   cmp.Or(c.Version, u.Version),
		Arch:      u.Qualifiers.Get("arch"),
		PURL:      c.PURL,
		Path:      c.first("aquasecurity:trivy:FilePath", "syft:location:0:path"),
	}
	out.SourceName, out.SourceVersion = c.source(u)
	if layer := c.first("aquasecurity:trivy:LayerDiffID", "syft:location:0:layerID"); imagename.IsDigest(layer) {
		out.Layer = layer
	}
	var licenses []string
	for _, l := range c.Licenses {
		if text := cmp.Or(l.Expression, l.License.ID, l.License.Name); text != "" {
			licenses = append(licenses, text)
		}
	}
	out.Licenses = document.Clip(licenses, document.MaxLicenses)
	return out
}

func (c *component) grouped() string {
	if c.Group == "" {
		return c.Name
	}
	return c.Group + "/" + c.Name
}

// source is the source package: as Trivy's properties say it, or else as the
// package URL does ("upstream=NAME@VERSION").
func (c *component) source(u purl.URL) (name, version string) {
	if name = c.first("aquasecurity:trivy:SrcName"); name != "" {
		version = c.first("aquasecurity:trivy:SrcVersion")
		if release := c.first("aquasecurity:trivy:SrcRelease"); release != "" {
			version += "-" + release
		}
		if epoch := c.first("aquasecurity:trivy:SrcEpoch"); epoch != "" && epoch != "0" {
			version = epoch + ":" + version
		}
		return name, version
	}
	name, version, _ = strings.Cut(u.Qualifiers.Get("upstream"), "@")
	return name, version
}
