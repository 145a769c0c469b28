package report

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/muster-sec/muster/scanner/compliance"
	"github.com/muster-sec/muster/scanner/match"
	"github.com/muster-sec/muster/scanner/purl"
	"github.com/muster-sec/muster/scanner/vex"
)

const (
	sarifVersion = "2.1.0"
	sarifSchema  = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
	projectURL   = "https://github.com/muster-sec/muster"
)

// The types below are the part of SARIF 2.1.0 that is written.
type sarifLog struct {
	Schema  string     `json:"$schema"`
	Version string     `json:"version"`
	Runs    []sarifRun `json:"runs"`
}

type sarifRun struct {
	Tool       sarifTool            `json:"tool"`
	Automation sarifAutomation      `json:"automationDetails"`
	Bases      map[string]sarifBase `json:"originalUriBaseIds"`
	Results    []sarifResult        `json:"results"`
	ColumnKind string               `json:"columnKind"`
	Properties map[string]any       `json:"properties"`
	rules      map[string]int
}

type sarifTool struct {
	Driver sarifDriver `json:"driver"`
}

type sarifDriver struct {
	Name           string      `json:"name"`
	Version        string      `json:"version,omitempty"`
	InformationURI string      `json:"informationUri"`
	Rules          []sarifRule `json:"rules"`
}

type sarifAutomation struct {
	ID string `json:"id"`
}

type sarifBase struct {
	URI string `json:"uri"`
}

type sarifText struct {
	Text     string `json:"text"`
	Markdown string `json:"markdown,omitempty"`
}

type sarifRule struct {
	ID         string         `json:"id"`
	Name       string         `json:"name"`
	Short      sarifText      `json:"shortDescription"`
	Full       sarifText      `json:"fullDescription"`
	HelpURI    string         `json:"helpUri,omitempty"`
	Help       sarifText      `json:"help"`
	Properties map[string]any `json:"properties"`
}

type sarifResult struct {
	RuleID       string             `json:"ruleId"`
	RuleIndex    int                `json:"ruleIndex"`
	Level        string             `json:"level"`
	Message      sarifText          `json:"message"`
	Locations    []sarifLocation    `json:"locations"`
	Fingerprints map[string]string  `json:"partialFingerprints"`
	Suppressions []sarifSuppression `json:"suppressions,omitempty"`
	Properties   map[string]any     `json:"properties,omitempty"`
}

type sarifLocation struct {
	Physical sarifPhysical `json:"physicalLocation"`
	Message  sarifText     `json:"message"`
}

type sarifPhysical struct {
	Artifact sarifArtifact `json:"artifactLocation"`
	Region   sarifRegion   `json:"region"`
}

type sarifArtifact struct {
	URI  string `json:"uri"`
	Base string `json:"uriBaseId"`
}

type sarifRegion struct {
	StartLine int `json:"startLine"`
}

type sarifSuppression struct {
	Kind          string `json:"kind"`
	Status        string `json:"status"`
	Justification string `json:"justification,omitempty"`
}

// SARIF writes the document as SARIF 2.1.0, one run for each image. Settled
// findings are suppressed results. Fingerprints stay the same while an image is
// rebuilt, so that a finding keeps its identity in the tools that follow it.
func SARIF(w io.Writer, d Document) error {
	log := sarifLog{Schema: sarifSchema, Version: sarifVersion, Runs: []sarifRun{}}
	for _, i := range d.Images {
		run, err := d.sarifRun(i)
		if err != nil {
			return err
		}
		log.Runs = append(log.Runs, run)
	}
	return encode(w, "sarif", log)
}

func (d Document) sarifRun(i Image) (sarifRun, error) {
	repository, _ := purl.Repository(i.Image.Reference)
	run := sarifRun{
		Tool:       sarifTool{sarifDriver{Name: "muster", Version: d.Tool, InformationURI: projectURL, Rules: []sarifRule{}}},
		Automation: sarifAutomation{"muster/" + repository + "/" + i.Image.Platform + "/"},
		Bases:      map[string]sarifBase{"ROOTPATH": {"file:///"}}, Results: []sarifResult{}, ColumnKind: "unicodeCodePoints",
		Properties: map[string]any{
			"image": i.Image.Reference, "digest": i.Image.Digest, "imageID": i.Image.ImageID, "vulnerabilityDatabase": d.Database.Revision,
		},
		rules: map[string]int{},
	}
	if i.EndOfLife != nil {
		run.Properties["endOfLife"] = dayOf(i.EndOfLife)
	}
	for _, f := range i.Findings {
		if err := d.sarifFinding(&run, i, f); err != nil {
			return run, err
		}
	}
	for _, s := range i.Secrets {
		rule := run.rule(plainRule("secret/"+s.Rule, "Secret", s.Title, "Revoke the secret and hand it in at run time.", 8))
		text := fmt.Sprintf("%s in %s: %s", s.Title, rooted(s), s.Evidence)
		run.add(i, issue{rule: rule, level: "error", text: text, path: s.Path, line: s.Line, mark: s.Mark, what: s.Evidence})
	}
	for _, s := range i.SetIDs {
		rule := run.rule(plainRule(s.Rule, "SetIDFile", "File that runs as its "+ownerOf(s.Rule), "chmod a-s FILE", 2))
		text := fmt.Sprintf("/%s is %s (%s)", s.Path, s.Rule, s.Evidence)
		run.add(i, issue{rule: rule, level: "note", text: text, path: s.Path, mark: s.Mark})
	}
	for _, c := range i.Checks {
		for _, m := range c.Messages {
			if c.Level != compliance.Pass {
				rule := run.rule(plainRule(c.ID, "ImageCheck", c.Description, c.Remediation, 4))
				run.add(i, issue{rule: rule, level: "warning", text: m, path: "Dockerfile", mark: c.Mark, what: m})
			}
		}
	}
	return run, nil
}

func ownerOf(rule string) string {
	if rule == "setgid" {
		return "group"
	}
	return "owner"
}

func (d Document) sarifFinding(run *sarifRun, i Image, f Finding) error {
	n, known := run.rules[f.ID]
	if !known {
		detail, err := d.detail(f.ID)
		if err != nil {
			return err
		}
		n = run.rule(findingRule(f, detail.Description, detail.CweIDs))
	}
	text := fmt.Sprintf("%s %s is affected by %s (%s)", f.Package, f.Installed, f.ID, strings.ToLower(f.Severity.String()))
	if f.Fixed != "" {
		text += ", fixed in " + f.Fixed
	}
	run.add(i, issue{rule: n, level: sarifLevel(f.Severity), text: text, path: f.Path, mark: f.Mark, what: f.Package})
	run.Results[len(run.Results)-1].Properties = map[string]any{
		"purl": f.PURL, "layer": f.Layer, "layerIndex": f.LayerIndex, "inBaseImage": f.InBase, "status": f.Status,
	}
	return nil
}

func findingRule(f Finding, description string, weaknesses []string) sarifRule {
	title, link, score := f.ID, "", 0.0
	if f.Summary != nil {
		title, link, score = cmp.Or(f.Title, f.ID), f.URL, f.Score
	}
	if score == 0 {
		score = map[match.Severity]float64{match.Critical: 9.5, match.High: 8, match.Medium: 5.5, match.Low: 2}[f.Severity]
	}
	return sarifRule{
		ID: f.ID, Name: "VulnerablePackage", Short: sarifText{Text: shorten(title, 200)},
		Full: sarifText{Text: cmp.Or(description, title)}, HelpURI: absoluteURL(link),
		Help: sarifText{Text: fmt.Sprintf("%s\n%s", title, link), Markdown: fmt.Sprintf("**%s** %s", f.ID, link)},
		Properties: map[string]any{
			"security-severity": fmt.Sprintf("%.1f", score), "precision": "very-high",
			"tags": append([]string{"vulnerability", "security", f.Severity.String()}, weaknesses...),
		},
	}
}

func plainRule(id, name, title, help string, score float64) sarifRule {
	return sarifRule{
		ID: id, Name: name, Short: sarifText{Text: title}, Full: sarifText{Text: title}, Help: sarifText{Text: help},
		Properties: map[string]any{
			"security-severity": fmt.Sprintf("%.1f", score), "precision": "high", "tags": []string{"security"},
		},
	}
}

// rule returns the index of a rule, added when it is new.
func (r *sarifRun) rule(rule sarifRule) int {
	if n, known := r.rules[rule.ID]; known {
		return n
	}
	n := len(r.Tool.Driver.Rules)
	r.Tool.Driver.Rules = append(r.Tool.Driver.Rules, rule)
	r.rules[rule.ID] = n
	return n
}

// issue is one result before it is put into SARIF's form.
type issue struct {
	rule              int
	level, text, path string
	line              int
	mark              *vex.Mark
	// what tells issues of one rule and path apart.
	what string
}

func (r *sarifRun) add(i Image, x issue) {
	id := r.Tool.Driver.Rules[x.rule].ID
	repository, _ := purl.Repository(i.Image.Reference)
	sum := sha256.Sum256([]byte(strings.Join([]string{repository, id, x.path, x.what}, "\x00")))
	path := cmp.Or(x.path, "unknown")
	result := sarifResult{
		RuleID: id, RuleIndex: x.rule, Level: x.level, Message: sarifText{Text: x.text},
		Locations: []sarifLocation{{
			Physical: sarifPhysical{
				Artifact: sarifArtifact{URI: (&url.URL{Path: path}).String(), Base: "ROOTPATH"},
				Region:   sarifRegion{StartLine: max(1, x.line)},
			},
			Message: sarifText{Text: i.Image.Reference + ": " + path},
		}},
		Fingerprints: map[string]string{"muster/v1": hex.EncodeToString(sum[:16])},
	}
	if x.mark != nil && x.mark.Status.Settles() {
		result.Suppressions = []sarifSuppression{{
			Kind: "external", Status: "accepted",
			Justification: strings.TrimSpace(string(x.mark.Status) + " " + cmp.Or(x.mark.Statement, x.mark.Justification)),
		}}
	}
	r.Results = append(r.Results, result)
}

func sarifLevel(s match.Severity) string {
	switch s {
	case match.Critical, match.High:
		return "error"
	case match.Medium:
		return "warning"
	}
	return "note"
}

// absoluteURL returns what is fit to stand where a format demands a URI.
func absoluteURL(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return ""
	}
	return u.String()
}
