package report

import "github.com/muster-sec/muster/scanner/compliance"

// The types below are NeuVector's report of an image from a pipeline, as its
// readers expect it: lists are never null, times are seconds.
type nvDocument struct {
	ErrorMessage string   `json:"error_message"`
	Report       nvReport `json:"report"`
}

type nvReport struct {
	ImageID       string            `json:"image_id"`
	Registry      string            `json:"registry"`
	Repository    string            `json:"repository"`
	Tag           string            `json:"tag"`
	Digest        string            `json:"digest"`
	Size          int64             `json:"size"`
	Author        string            `json:"author"`
	BaseOS        string            `json:"base_os"`
	CreatedAt     string            `json:"created_at"`
	DBVersion     string            `json:"cvedb_version"`
	DBCreated     string            `json:"cvedb_create_time"`
	OSStatus      string            `json:"os_scan_status"`
	Vulns         []nvVulnerability `json:"vulnerabilities"`
	Modules       []nvModule        `json:"modules"`
	Checks        []nvCheck         `json:"checks"`
	Secrets       []nvSecret        `json:"secrets"`
	SetIDs        []nvSetID         `json:"setid_perms"`
	Env           []string          `json:"envs"`
	Labels        map[string]string `json:"labels"`
	Cmds          []string          `json:"cmds"`
	Layers        []nvLayer         `json:"layers"`
	SignatureData nvSignature       `json:"signature_data"`
}

type nvSignature struct {
	Verifiers []string `json:"verifiers"`
	Timestamp string   `json:"verification_timestamp"`
}

type nvVulnerability struct {
	Name        string   `json:"name"`
	Score       float64  `json:"score"`
	Severity    string   `json:"severity"`
	Vectors     string   `json:"vectors"`
	Description string   `json:"description"`
	FileName    string   `json:"file_name"`
	PackageName string   `json:"package_name"`
	Version     string   `json:"package_version"`
	Fixed       string   `json:"fixed_version"`
	Link        string   `json:"link"`
	ScoreV3     float64  `json:"score_v3"`
	VectorsV3   string   `json:"vectors_v3"`
	Published   int64    `json:"published_timestamp"`
	Modified    int64    `json:"last_modified_timestamp"`
	CPEs        []string `json:"cpes"`
	CVEs        []string `json:"cves"`
	FeedRating  string   `json:"feed_rating"`
	InBase      bool     `json:"in_base_image,omitempty"`
	Tags        []string `json:"tags,omitempty"`
}

type nvModule struct {
	Name    string       `json:"name"`
	File    string       `json:"file"`
	Version string       `json:"version"`
	Source  string       `json:"source"`
	CVEs    []nvModuleID `json:"cves,omitempty"`
	CPEs    []string     `json:"cpes,omitempty"`
}

type nvModuleID struct {
	Name   string `json:"name"`
	Status string `json:"status"`
}

type nvCheck struct {
	compliance.Check
	Tags     []string `json:"tags"`
	Evidence string   `json:"evidence"`
	Location string   `json:"location"`
	Message  []string `json:"message"`
	Group    string   `json:"group"`
}

type nvSecret struct {
	Type       string `json:"type"`
	Evidence   string `json:"evidence"`
	Path       string `json:"path"`
	Suggestion string `json:"suggestion"`
}

type nvSetID struct {
	Type     string `json:"type"`
	Evidence string `json:"evidence"`
	Path     string `json:"path"`
}

type nvLayer struct {
	Digest  string            `json:"digest"`
	Cmds    string            `json:"cmds"`
	Vulns   []nvVulnerability `json:"vulnerabilities"`
	Secrets []nvSecret        `json:"secrets"`
	Size    int64             `json:"size"`
}
