package vex

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// maxBranches bounds how deep a product tree is followed.
const maxBranches = 64

// csaf is the part of a CSAF 2.0 document that its VEX profile is made of
// (docs.oasis-open.org/csaf, section 4.5).
type csaf struct {
	Document struct {
		Tracking struct {
			CurrentReleaseDate string `json:"current_release_date"`
		} `json:"tracking"`
	} `json:"document"`
	Tree struct {
		Branches      []csafBranch  `json:"branches"`
		Products      []csafProduct `json:"full_product_names"`
		Groups        []csafGroup   `json:"product_groups"`
		Relationships []struct {
			Product  csafProduct `json:"full_product_name"`
			Part     string      `json:"product_reference"`
			Platform string      `json:"relates_to_product_reference"`
		} `json:"relationships"`
	} `json:"product_tree"`
	Vulnerabilities []csafVulnerability `json:"vulnerabilities"`
}

type csafBranch struct {
	Branches []csafBranch `json:"branches"`
	Product  *csafProduct `json:"product"`
}

type csafProduct struct {
	ID     string `json:"product_id"`
	Helper struct {
		PURL string `json:"purl"`
	} `json:"product_identification_helper"`
}

type csafGroup struct {
	ID       string   `json:"group_id"`
	Products []string `json:"product_ids"`
}

type csafVulnerability struct {
	CVE string `json:"cve"`
	IDs []struct {
		Text string `json:"text"`
	} `json:"ids"`
	Status struct {
		NotAffected   []string `json:"known_not_affected"`
		Fixed         []string `json:"fixed"`
		FirstFixed    []string `json:"first_fixed"`
		Affected      []string `json:"known_affected"`
		Investigating []string `json:"under_investigation"`
	} `json:"product_status"`
	Flags   []csafNote `json:"flags"`
	Threats []csafNote `json:"threats"`
}

// csafNote is a flag (why a product is not affected) or a threat (what it means).
type csafNote struct {
	Label    string   `json:"label"`
	Category string   `json:"category"`
	Details  string   `json:"details"`
	Products []string `json:"product_ids"`
	Groups   []string `json:"group_ids"`
}

func readCSAF(raw []byte) ([]Statement, error) {
	var doc csaf
	if err := json.Unmarshal(raw, &doc); err != nil {
		return nil, fmt.Errorf("%w: CSAF: %w", ErrMalformed, err)
	}
	products, err := doc.products()
	if err != nil {
		return nil, err
	}
	groups := map[string][]string{}
	for _, g := range doc.Tree.Groups {
		groups[g.ID] = g.Products
	}
	issued := moment(doc.Document.Tracking.CurrentReleaseDate)
	var result []Statement
	for _, v := range doc.Vulnerabilities {
		ids := v.names()
		for _, group := range v.statuses() {
			for _, id := range group.products {
				product, known := products[id]
				if !known || len(ids) == 0 {
					continue // named by something that cannot be compared
				}
				mark := Mark{Status: group.status}
				mark.Justification, mark.Statement = v.reason(id, group.status, groups)
				result = append(result, Statement{IDs: ids, Products: []Product{product}, Mark: mark, Issued: issued})
			}
		}
	}
	return result, nil
}

// products finds the package URLs behind the document's own product ids.
func (c csaf) products() (map[string]Product, error) {
	result := map[string]Product{}
	add := func(p csafProduct) {
		if product, ok := productOf(p.Helper.PURL); ok {
			result[p.ID] = product
		}
	}
	for _, p := range c.Tree.Products {
		add(p)
	}
	if err := walkBranches(c.Tree.Branches, 0, add); err != nil {
		return nil, err
	}
	for _, r := range c.Tree.Relationships {
		part, known := result[r.Part]
		switch {
		case r.Product.Helper.PURL != "":
			add(r.Product)
		case known:
			// A part of a platform that is an image counts in that image only. Of
			// other platforms nothing is known; a version tells them apart.
			part.Image = result[r.Platform].Image
			if part.Image != "" || strings.Contains(part.Package, "@") {
				result[r.Product.ID] = part
			}
		}
	}
	return result, nil
}

func walkBranches(branches []csafBranch, depth int, add func(csafProduct)) error {
	if depth > maxBranches {
		return fmt.Errorf("%w: CSAF product tree is nested too deeply", ErrMalformed)
	}
	for _, b := range branches {
		if b.Product != nil {
			add(*b.Product)
		}
		if err := walkBranches(b.Branches, depth+1, add); err != nil {
			return err
		}
	}
	return nil
}

func (v csafVulnerability) names() []string {
	var ids []string
	if v.CVE != "" {
		ids = append(ids, v.CVE)
	}
	for _, id := range v.IDs {
		if id.Text != "" {
			ids = append(ids, id.Text)
		}
	}
	return ids
}

type csafStatus struct {
	status   Status
	products []string
}

// statuses are in the order in which a later one outweighs an earlier one, should
// a document contradict itself: the finding that needs attention wins.
func (v csafVulnerability) statuses() []csafStatus {
	return []csafStatus{
		{NotAffected, v.Status.NotAffected},
		{Fixed, append(slices.Clone(v.Status.Fixed), v.Status.FirstFixed...)},
		{UnderInvestigation, v.Status.Investigating},
		{Affected, v.Status.Affected},
	}
}

// reason looks for the flag and the threat that speak of a product, or of all.
func (v csafVulnerability) reason(product string, status Status, groups map[string][]string) (justification, statement string) {
	about := func(n csafNote) bool {
		inGroup := func(g string) bool { return slices.Contains(groups[g], product) }
		return len(n.Products)+len(n.Groups) == 0 || slices.Contains(n.Products, product) || slices.ContainsFunc(n.Groups, inGroup)
	}
	if status != NotAffected {
		return "", ""
	}
	for _, f := range v.Flags {
		if about(f) {
			justification = f.Label
		}
	}
	for _, t := range v.Threats {
		if t.Category == "impact" && about(t) {
			statement = t.Details
		}
	}
	return justification, statement
}
