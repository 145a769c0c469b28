package compliance_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/scanner/compliance"
	"github.com/muster-sec/muster/scanner/inventory"
	"github.com/muster-sec/muster/scanner/secrets"
)

// token is made here: the test holds no credential.
func token() string { return "ghp_" + "aB3dE5gH7jK9mN1pQ2sT4vW6" + "yZ8xC0bF5nR3" }

func good() inventory.Inventory {
	return inventory.Inventory{Image: inventory.Image{
		User: "65532:65532", Healthcheck: true, Env: []string{"PATH=/bin"},
		History: []inventory.HistoryStep{
			{CreatedBy: "/bin/sh -c #(nop) ADD file:0123 in / "}, {CreatedBy: "COPY . /srv # buildkit"}, {CreatedBy: "RUN useradd ADD me"},
		},
	}}
}

func levels(checks []compliance.Check) map[string]compliance.Level {
	result := map[string]compliance.Level{}
	for _, c := range checks {
		result[c.ID] = c.Level
	}
	return result
}

func TestGoodImage(t *testing.T) {
	t.Parallel()
	want := map[string]compliance.Level{"I.4.1": "PASS", "I.4.6": "PASS", "I.4.8": "PASS", "I.4.9": "PASS", "I.4.10": "PASS"}
	if diff := cmp.Diff(want, levels(compliance.Run(good(), compliance.Level2))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, there := levels(compliance.Run(good(), compliance.Level1))["I.4.8"]; there {
		t.Error("level 1 has a check of level 2")
	}
}

func TestBadImages(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*inventory.Inventory)
		id     string
		says   string
	}{
		"no user":         {func(i *inventory.Inventory) { i.Image.User = "" }, "I.4.1", "runs as root"},
		"root":            {func(i *inventory.Inventory) { i.Image.User = "root" }, "I.4.1", `"root"`},
		"uid 0":           {func(i *inventory.Inventory) { i.Image.User = "0:65532" }, "I.4.1", `"0:65532"`},
		"no health check": {func(i *inventory.Inventory) { i.Image.Healthcheck = false }, "I.4.6", "HEALTHCHECK"},
		"set-id": {func(i *inventory.Inventory) {
			i.Sightings = []inventory.PlacedSighting{{Sighting: inventory.Sighting{Kind: inventory.SetIDSighting, Path: "usr/bin/su", Rule: "setuid", Evidence: "urwxr-xr-x"}}}
		}, "I.4.8", "/usr/bin/su is setuid"},
		"ADD of BuildKit": {func(i *inventory.Inventory) {
			i.Image.History[1].CreatedBy = "ADD https://me:pw@files.test/x /x # buildkit"
		}, "I.4.9", "ADD https://****@files.test/x"},
		"ADD of docker": {func(i *inventory.Inventory) { i.Image.History[2].CreatedBy = "/bin/sh -c #(nop)  ADD file:1 in /srv" }, "I.4.9", "layer 3"},
		"variable":      {func(i *inventory.Inventory) { i.Image.Env = []string{"TOKEN=" + token()} }, "I.4.10", "config:env:TOKEN: GitHub token"},
		"label":         {func(i *inventory.Inventory) { i.Image.Labels = map[string]string{"x": token()} }, "I.4.10", "config:label:x"},
		"build step":    {func(i *inventory.Inventory) { i.Image.History[2].CreatedBy = "RUN git clone https://" + token() + "@x" }, "I.4.10", "config:history:3"},
		"command":       {func(i *inventory.Inventory) { i.Image.Cmd = []string{"run", token()} }, "I.4.10", "config:command"},
		"file": {func(i *inventory.Inventory) {
			i.Sightings = []inventory.PlacedSighting{{Sighting: inventory.Sighting{Kind: inventory.SecretSighting, Path: "root/.npmrc", Title: "npm token", Evidence: "npm_****"}}}
		}, "I.4.10", "/root/.npmrc: npm token npm_****"},
	} {
		inv := good()
		c.change(&inv)
		checks := compliance.Run(inv, compliance.Level2)
		warned := 0
		for _, check := range checks {
			if check.Level != compliance.Warn {
				continue
			}
			warned++
			text := strings.Join(check.Messages, "\n")
			if check.ID != c.id || !strings.Contains(text, c.says) || strings.Contains(text, token()) {
				t.Errorf("%s: %s says %q", name, check.ID, text)
			}
			if check.Description == "" || check.Remediation == "" {
				t.Errorf("%s has no words", check.ID)
			}
		}
		if warned != 1 {
			t.Errorf("%s: %d checks warn", name, warned)
		}
	}
}

func TestMessagesAreBounded(t *testing.T) {
	t.Parallel()
	inv := good()
	for range 500 {
		inv.Sightings = append(inv.Sightings, inventory.PlacedSighting{Sighting: inventory.Sighting{Kind: inventory.SetIDSighting, Path: "x"}})
	}
	for _, c := range compliance.Run(inv, compliance.Level2) {
		if len(c.Messages) > 101 || c.ID == "I.4.8" && c.Messages[100] != "and 400 more" {
			t.Errorf("%s: %d messages", c.ID, len(c.Messages))
		}
	}
}

func TestConfigured(t *testing.T) {
	t.Parallel()
	image := good().Image
	image.Env = []string{"B=" + token(), "A=" + token()}
	got := compliance.Configured(image, secrets.New())
	if len(got) != 2 || got[0].Path != "config:env:A" || strings.Contains(got[0].Evidence, token()) {
		t.Errorf("%v", got)
	}
}

func TestParseProfile(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]compliance.Profile{"": compliance.Level2, "level1": compliance.Level1, "Level 2": compliance.Level2, "1": compliance.Level1, "pci": ""} {
		got, err := compliance.ParseProfile(text)
		if got != want || (err != nil) != (want == "") {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
}
