package vex

import (
	"bytes"
	"fmt"
	"net/url"
	"strings"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// readCycloneDX reads the analyses of a CycloneDX document, stand-alone VEX or
// part of an SBOM. A vulnerability without an analysis says nothing.
func readCycloneDX(raw []byte) ([]Statement, error) {
	var doc cdx.BOM
	if err := cdx.NewBOMDecoder(bytes.NewReader(raw), cdx.BOMFileFormatJSON).Decode(&doc); err != nil {
		return nil, fmt.Errorf("%w: CycloneDX: %w", ErrMalformed, err)
	}
	names := map[string]string{}
	if doc.Metadata != nil && doc.Metadata.Component != nil {
		nameComponents(names, []cdx.Component{*doc.Metadata.Component}, 0)
	}
	nameComponents(names, list(doc.Components), 0)
	var timestamp string
	if doc.Metadata != nil {
		timestamp = doc.Metadata.Timestamp
	}
	var result []Statement
	for _, v := range list(doc.Vulnerabilities) {
		if v.Analysis == nil || v.ID == "" {
			continue
		}
		status, ok := analysisStatus(v.Analysis.State)
		if !ok {
			continue
		}
		s := Statement{
			IDs:    []string{v.ID},
			Mark:   Mark{Status: status, Justification: string(v.Analysis.Justification), Statement: v.Analysis.Detail},
			Issued: moment(v.Analysis.LastUpdated, v.Analysis.FirstIssued, v.Updated, timestamp),
		}
		for _, r := range list(v.References) {
			s.IDs = append(s.IDs, r.ID)
		}
		for _, a := range list(v.Affects) {
			if p, ok := productOf(referred(a.Ref, names)); ok {
				s.Products = append(s.Products, p)
			}
		}
		if len(s.Products) > 0 {
			result = append(result, s)
		}
	}
	return result, nil
}

func analysisStatus(state cdx.ImpactAnalysisState) (Status, bool) {
	switch state {
	case cdx.IASNotAffected, cdx.IASFalsePositive:
		return NotAffected, true
	case cdx.IASResolved, cdx.IASResolvedWithPedigree:
		return Fixed, true
	case cdx.IASExploitable:
		return Affected, true
	case cdx.IASInTriage:
		return UnderInvestigation, true
	}
	return "", false
}

// nameComponents notes the package URLs of components by their references.
func nameComponents(names map[string]string, components []cdx.Component, depth int) {
	if depth > maxBranches {
		return
	}
	for _, c := range components {
		if c.BOMRef != "" && c.PackageURL != "" {
			names[c.BOMRef] = c.PackageURL
		}
		nameComponents(names, list(c.Components), depth+1)
	}
}

// referred resolves a reference: to a component of the same document, by a
// BOM-Link into another (urn:cdx:SERIAL/VERSION#REF), or a package URL itself.
func referred(ref string, names map[string]string) string {
	if name, known := names[ref]; known {
		return name
	}
	if !strings.HasPrefix(ref, "urn:cdx:") {
		return ref
	}
	_, fragment, _ := strings.Cut(ref, "#")
	if text, err := url.PathUnescape(fragment); err == nil {
		fragment = text
	}
	if name, known := names[fragment]; known {
		return name
	}
	return fragment
}

func list[T any](p *[]T) []T {
	if p == nil {
		return nil
	}
	return *p
}
