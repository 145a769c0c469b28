// Package compliance checks how an image is built against the image part of the
// CIS Docker Benchmark (chapter 4). It reads an inventory and no image.
package compliance

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/muster-sec/muster/scanner/inventory"
	"github.com/muster-sec/muster/scanner/secrets"
)

// Profile chooses checks: those of a level include those of the levels below.
type Profile string

// The profiles of the benchmark.
const (
	Level1 Profile = "Level 1"
	Level2 Profile = "Level 2"
)

// ParseProfile reads a profile: "level1", "Level 1", "1"; empty means Level 2,
// which is everything.
func ParseProfile(text string) (Profile, error) {
	switch strings.ToLower(strings.ReplaceAll(strings.ReplaceAll(text, " ", ""), "-", "")) {
	case "level1", "1":
		return Level1, nil
	case "", "level2", "2":
		return Level2, nil
	}
	return "", fmt.Errorf("compliance: %.40q is not a profile: use level1 or level2", text)
}

// Level is the outcome of a check.
type Level string

// The outcomes.
const (
	Pass Level = "PASS"
	Warn Level = "WARN"
)

// Check is one check with its outcome. The fields are those that readers of
// NeuVector's reports know.
type Check struct {
	// ID is the number of the check, as "I.4.1".
	ID          string  `json:"test_number"`
	Category    string  `json:"category"`
	Type        string  `json:"type"`
	Profile     Profile `json:"profile"`
	Scored      bool    `json:"scored"`
	Automated   bool    `json:"automated"`
	Description string  `json:"description"`
	Remediation string  `json:"remediation"`
	Level       Level   `json:"level"`
	// Messages are what was found, one line for each place.
	Messages []string `json:"message,omitempty"`
}

// definition is a check before it is run.
type definition struct {
	check Check
	run   func(inventory.Inventory, *secrets.Detector) []string
}

// maxMessages bounds the places that one check names.
const maxMessages = 100

// Run runs the checks of a profile, in the order of their numbers. Set-id files
// and secrets are judged by the inventory's sightings: without their analyzers
// those checks see the configuration only.
func Run(inv inventory.Inventory, profile Profile) []Check {
	detector := secrets.New()
	var result []Check
	for _, d := range definitions() {
		if profile == Level1 && d.check.Profile != Level1 {
			continue
		}
		c := d.check
		c.Category, c.Type, c.Automated, c.Level = "docker", "image", true, Pass
		if c.Messages = d.run(inv, detector); len(c.Messages) > 0 {
			c.Level = Warn
		}
		if more := len(c.Messages) - maxMessages; more > 0 {
			c.Messages = append(c.Messages[:maxMessages:maxMessages], fmt.Sprintf("and %d more", more))
		}
		result = append(result, c)
	}
	return result
}

func definitions() []definition {
	return []definition{
		{Check{
			ID: "I.4.1", Profile: Level1, Scored: true, Description: "Ensure that a user for the container has been created",
			Remediation: "Add a USER instruction that names a user other than root.",
		}, rootUser},
		{Check{
			ID: "I.4.6", Profile: Level1, Scored: true, Description: "Ensure that HEALTHCHECK instructions have been added to container images",
			Remediation: "Add a HEALTHCHECK instruction, or probes where the image is deployed.",
		}, noHealthcheck},
		{Check{
			ID: "I.4.8", Profile: Level2, Description: "Ensure setuid and setgid permissions are removed",
			Remediation: "Remove the permissions from files that do not need them: chmod a-s FILE.",
		}, setID},
		{Check{
			ID: "I.4.9", Profile: Level1, Description: "Ensure that COPY is used instead of ADD in Dockerfiles",
			Remediation: "Use COPY; ADD may fetch from the network and unpack what it fetched.",
		}, usesADD},
		{Check{
			ID: "I.4.10", Profile: Level1, Description: "Ensure secrets are not stored in Dockerfiles",
			Remediation: "Revoke the secret; hand secrets in at run time, or as build secrets that no layer keeps.",
		}, holdsSecrets},
	}
}

func rootUser(inv inventory.Inventory, _ *secrets.Detector) []string {
	user, _, _ := strings.Cut(inv.Image.User, ":")
	switch user {
	case "":
		return []string{"no user is set: the container runs as root"}
	case "root", "0":
		return []string{fmt.Sprintf("the user is %q", inv.Image.User)}
	}
	return nil
}

func noHealthcheck(inv inventory.Inventory, _ *secrets.Detector) []string {
	if inv.Image.Healthcheck {
		return nil
	}
	return []string{"the image has no HEALTHCHECK"}
}

func setID(inv inventory.Inventory, _ *secrets.Detector) []string {
	var messages []string
	for _, s := range inv.Sightings {
		if s.Kind == inventory.SetIDSighting {
			messages = append(messages, fmt.Sprintf("/%s is %s (%s)", s.Path, s.Rule, s.Evidence))
		}
	}
	return messages
}

var addStep = regexp.MustCompile(`^(?:/bin/sh -c #\(nop\)\s+)?ADD\s`)

// usesADD passes over the first layer: a root file system comes as an archive,
// which only ADD unpacks.
func usesADD(inv inventory.Inventory, _ *secrets.Detector) []string {
	var messages []string
	layers := 0
	for _, h := range inv.Image.History {
		if h.Empty {
			continue
		}
		layers++
		if text := strings.TrimSpace(h.CreatedBy); layers > 1 && addStep.MatchString(text) {
			messages = append(messages, fmt.Sprintf("layer %d: %s", layers, shorten(text)))
		}
	}
	return messages
}

// holdsSecrets looks where Dockerfiles put them, and at files that were seen to
// have one.
func holdsSecrets(inv inventory.Inventory, d *secrets.Detector) []string {
	var messages []string
	for _, f := range Configured(inv.Image, d) {
		messages = append(messages, fmt.Sprintf("%s: %s %s", f.Path, f.Title, f.Evidence))
	}
	for _, s := range inv.Sightings {
		if s.Kind == inventory.SecretSighting {
			messages = append(messages, fmt.Sprintf("/%s: %s %s", s.Path, s.Title, s.Evidence))
		}
	}
	return messages
}

// Configured returns the secrets that an image's configuration holds: variables,
// labels, build steps, commands. The path of a sighting names the place.
func Configured(image inventory.Image, d *secrets.Detector) []inventory.Sighting {
	var result []inventory.Sighting
	look := func(place, text string) {
		for _, m := range d.Text(text) {
			result = append(result, inventory.Sighting{
				Kind: inventory.SecretSighting, Path: place, Rule: m.Rule, Title: m.Title, Evidence: m.Masked,
			})
		}
	}
	for _, e := range image.Env {
		name, _, _ := strings.Cut(e, "=")
		look("config:env:"+name, e)
	}
	for name, value := range image.Labels {
		look("config:label:"+name, value)
	}
	for n, h := range image.History {
		look(fmt.Sprintf("config:history:%d", n+1), h.CreatedBy+"\n"+h.Comment)
	}
	look("config:command", strings.Join(slices.Concat(image.Entrypoint, image.Cmd), " "))
	slices.SortStableFunc(result, func(a, b inventory.Sighting) int { return cmp.Compare(a.Path, b.Path) })
	return result
}

var userinfo = regexp.MustCompile(`://[^/@\s]+@`)

// shorten makes a build step fit on a line, without a password in an address.
func shorten(text string) string {
	const most = 120
	text = userinfo.ReplaceAllString(text, "://****@")
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return text
}
