package vex

import (
	"encoding/json"
	"fmt"
	"slices"
)

// openVEX is an OpenVEX document, version 0.0.1 or 0.2.0 (github.com/openvex/spec).
type openVEX struct {
	Timestamp  string `json:"timestamp"`
	Statements []struct {
		Vulnerability openVEXName      `json:"vulnerability"`
		Products      []openVEXProduct `json:"products"`
		// Subcomponents stood beside the products in version 0.0.1.
		Subcomponents   []openVEXProduct `json:"subcomponents"`
		Status          Status           `json:"status"`
		Justification   string           `json:"justification"`
		ImpactStatement string           `json:"impact_statement"`
		ActionStatement string           `json:"action_statement"`
		StatusNotes     string           `json:"status_notes"`
		Timestamp       string           `json:"timestamp"`
		LastUpdated     string           `json:"last_updated"`
	} `json:"statements"`
}

// openVEXName is a vulnerability: an object, or a word in version 0.0.1.
type openVEXName struct {
	Name    string   `json:"name"`
	Aliases []string `json:"aliases"`
}

// UnmarshalJSON implements json.Unmarshaler.
func (n *openVEXName) UnmarshalJSON(raw []byte) error {
	if len(raw) > 0 && raw[0] == '"' {
		return json.Unmarshal(raw, &n.Name)
	}
	type plain openVEXName
	return json.Unmarshal(raw, (*plain)(n))
}

// openVEXProduct is a product or a part of one: an object, or a word in version 0.0.1.
type openVEXProduct struct {
	ID          string `json:"@id"`
	Identifiers struct {
		PURL string `json:"purl"`
	} `json:"identifiers"`
	Hashes        map[string]string `json:"hashes"`
	Subcomponents []openVEXProduct  `json:"subcomponents"`
}

// UnmarshalJSON implements json.Unmarshaler.
func (p *openVEXProduct) UnmarshalJSON(raw []byte) error {
	if len(raw) > 0 && raw[0] == '"' {
		return json.Unmarshal(raw, &p.ID)
	}
	type plain openVEXProduct
	return json.Unmarshal(raw, (*plain)(p))
}

func (p openVEXProduct) names() []Product {
	var result []Product
	for _, name := range []string{p.ID, p.Identifiers.PURL} {
		if product, ok := productOf(name); ok && !slices.Contains(result, product) {
			result = append(result, product)
		}
	}
	if digest := p.Hashes["sha-256"]; digest != "" {
		result = append(result, Product{Image: "sha256:" + digest})
	}
	return result
}

func readOpenVEX(raw []byte) ([]Statement, error) {
	var doc openVEX
	if err := json.Unmarshal(raw, &doc); err != nil {
		return nil, fmt.Errorf("%w: OpenVEX: %w", ErrMalformed, err)
	}
	var result []Statement
	for i, s := range doc.Statements {
		if !slices.Contains([]Status{NotAffected, Affected, Fixed, UnderInvestigation}, s.Status) {
			return nil, fmt.Errorf("%w: OpenVEX statement %d has status %.40q", ErrMalformed, i+1, s.Status)
		}
		var products []Product
		for _, p := range s.Products {
			products = append(products, within(p, append(p.Subcomponents, s.Subcomponents...))...)
		}
		if len(products) == 0 {
			continue // it is about something that is no package and no image
		}
		text := s.ImpactStatement
		for _, other := range []string{s.StatusNotes, s.ActionStatement} {
			if text == "" {
				text = other
			}
		}
		result = append(result, Statement{
			IDs: append([]string{s.Vulnerability.Name}, s.Vulnerability.Aliases...), Products: products,
			Mark:   Mark{Status: s.Status, Justification: s.Justification, Statement: text},
			Issued: moment(s.LastUpdated, s.Timestamp, doc.Timestamp),
		})
	}
	return result, nil
}

// within combines a product with its parts: the parts count, in that product.
// Parts of a product that is no image are passed over: nobody can tell whether a
// package of an image is that part, and the statement is true of no other.
func within(p openVEXProduct, parts []openVEXProduct) []Product {
	if len(parts) == 0 {
		return p.names()
	}
	var result []Product
	for _, whole := range p.names() {
		for _, part := range parts {
			for _, name := range part.names() {
				if whole.Image != "" && name.Package != "" {
					result = append(result, Product{Image: whole.Image, Package: name.Package})
				}
			}
		}
	}
	return result
}
