package sarif

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/muster-sec/muster/plugins/ingest/internal/document"
	"github.com/muster-sec/muster/plugins/ingest/internal/purl"
	"github.com/muster-sec/muster/plugins/sdk"
)

const maxTags = 32

// rule is what is kept of a rule: one vulnerability, for some tools in one
// package.
type rule struct {
	id, title, description, help, url string
	score                             string
	tags                              []string
}

// result is what is kept of a result.
type result struct {
	rule    string
	index   int // of the rule; negative if not told
	message string
	path    string
}

// text is a message in SARIF's way.
type text struct {
	Text string `json:"text"`
}

func (p *parser) rule(r *run) error {
	var in struct {
		ID               string `json:"id"`
		ShortDescription text   `json:"shortDescription"`
		FullDescription  text   `json:"fullDescription"`
		Help             text   `json:"help"`
		HelpURI          string `json:"helpUri"`
		Properties       struct {
			Score any      `json:"security-severity"` // a text, by GitHub's convention; some write a number
			Tags  []string `json:"tags"`
		} `json:"properties"`
	}
	if err := p.Value(&in); err != nil {
		return err
	}
	if len(r.rules) >= maxRules {
		return fmt.Errorf("%w: a run has more than %d rules", sdk.ErrLimit, maxRules)
	}
	if _, ok := r.byID[in.ID]; !ok {
		r.byID[in.ID] = len(r.rules)
	}
	kept := rule{
		id: in.ID, url: in.HelpURI, title: document.Cut(in.ShortDescription.Text, document.MaxTitle),
		description: document.Cut(in.FullDescription.Text, document.MaxDescription),
		help:        document.Cut(in.Help.Text, document.MaxDescription),
		tags:        document.Clip(in.Properties.Tags, maxTags),
	}
	if in.Properties.Score != nil {
		kept.score = fmt.Sprint(in.Properties.Score)
	}
	r.rules = append(r.rules, kept)
	return nil
}

func (p *parser) result(r *run) error {
	var in struct {
		RuleID string `json:"ruleId"`
		Rule   struct {
			ID    string `json:"id"`
			Index *int   `json:"index"`
		} `json:"rule"`
		RuleIndex     *int   `json:"ruleIndex"`
		Kind          string `json:"kind"`
		BaselineState string `json:"baselineState"`
		Message       text   `json:"message"`
		Locations     []struct {
			PhysicalLocation struct {
				ArtifactLocation struct {
					URI string `json:"uri"`
				} `json:"artifactLocation"`
			} `json:"physicalLocation"`
		} `json:"locations"`
		Suppressions []struct {
			Status string `json:"status"`
		} `json:"suppressions"`
	}
	if err := p.Value(&in); err != nil {
		return err
	}
	out := result{rule: cmp.Or(in.RuleID, in.Rule.ID), index: -1, message: document.Cut(in.Message.Text, document.MaxDescription)}
	if index := cmp.Or(in.RuleIndex, in.Rule.Index); index != nil {
		out.index = *index
	}
	switch {
	case in.Kind != "" && in.Kind != "fail", in.BaselineState == "absent":
		return nil // it says that something is well
	case len(in.Suppressions) > 0:
		return p.Warn("%.80s is suppressed in the document, and left out", out.rule)
	}
	if len(in.Locations) > 0 {
		out.path = in.Locations[0].PhysicalLocation.ArtifactLocation.URI
	}
	if r.results = append(r.results, out); len(r.results) > maxResults {
		return fmt.Errorf("%w: a run has more than %d results", sdk.ErrLimit, maxResults)
	}
	return nil
}

// ruleOf finds a result's rule: by its id, or else by its index.
func (r *run) ruleOf(found result) rule {
	if i, ok := r.byID[found.rule]; ok && found.rule != "" {
		return r.rules[i]
	}
	if found.index >= 0 && found.index < len(r.rules) {
		return r.rules[found.index]
	}
	return rule{id: found.rule}
}

// knownID are the names of vulnerabilities at the beginning of a rule's id, to
// which some tools add the package ("CVE-2022-37434-zlib").
var knownID = regexp.MustCompile(`^(CVE-[0-9]{4}-[0-9]{4,}|GHSA(?:-[0-9a-z]{4}){3})`)

// finding hands on one result, if it is about a package.
func (p *parser) finding(r *run, found result) error {
	rule := r.ruleOf(found)
	said := lines(found.message)
	for name, value := range lines(rule.help) {
		if _, ok := said[name]; !ok {
			said[name] = value
		}
	}
	id := cmp.Or(said["vulnerability"], found.rule, rule.id)
	if known := knownID.FindString(id); known != "" {
		id = known
	} else if known := knownID.FindString(found.rule); known != "" {
		id = known
	}
	f := sdk.Finding{
		ID: id, Ecosystem: said["type"], Package: said["package"], InstalledVersion: cmp.Or(said["installed version"], said["version"]),
		FixedVersion: notNone(cmp.Or(said["fixed version"], said["fix version"])),
		Title:        rule.title, Description: rule.description, URL: rule.url, Path: cmp.Or(said["location"], found.path),
	}
	if u, ok := purl.Parse(f.Package); ok {
		f.PURL, f.Package, f.Ecosystem = f.Package, u.Package(), u.Type
		f.InstalledVersion = cmp.Or(f.InstalledVersion, u.Version)
	}
	if f.Package == "" || f.ID == "" {
		p.left++
		return nil
	}
	f.Score = score(rule.score)
	f.Severity = severity(said["severity"], rule.tags, f.Score)
	return p.AddFinding(f)
}

// lines reads "Name: value" lines, the first of each name. Names are lower case.
func lines(message string) map[string]string {
	said := map[string]string{}
	for line := range strings.SplitSeq(message, "\n") {
		name, value, ok := strings.Cut(line, ":")
		name, value = strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(value)
		if _, again := said[name]; ok && !again && value != "" {
			said[strings.TrimPrefix(name, "vulnerable ")] = value
		}
	}
	return said
}

// notNone reads what tools write for "there is no fix".
func notNone(fixed string) string {
	switch strings.ToLower(fixed) {
	case "none", "not fixed", "n/a", "unknown":
		return ""
	default:
		return fixed
	}
}

func score(text string) float64 {
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || !(n > 0 && n <= 10) {
		return 0
	}
	return n
}

// severity is what the message says, or else a tag of the rule, or else what
// GitHub makes of the score.
func severity(said string, tags []string, score float64) sdk.Severity {
	if s := document.Severity(said); s > sdk.SeverityUnknown {
		return s
	}
	for _, s := range []string{"CRITICAL", "HIGH", "MEDIUM", "LOW"} {
		if slices.Contains(tags, s) {
			return document.Severity(s)
		}
	}
	switch {
	case score >= 9:
		return sdk.SeverityCritical
	case score >= 7:
		return sdk.SeverityHigh
	case score >= 4:
		return sdk.SeverityMedium
	case score > 0:
		return sdk.SeverityLow
	default:
		return document.Severity(said)
	}
}
