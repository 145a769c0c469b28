package secrets_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/muster-sec/muster/scanner/secrets"
)

const (
	alnum  = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	letter = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	upper  = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	hexed  = "0123456789abcdef"
	base32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
	bech32 = "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L"
)

// random makes what no issuer ever gave out: the test holds no credential.
func random(alphabet string, n int) string {
	source := rand.New(rand.NewPCG(1, uint64(n)))
	b := make([]byte, n)
	for i := range b {
		b[i] = alphabet[source.IntN(len(alphabet))]
	}
	return string(b)
}

// samples has a text for every rule.
func samples() map[string]string {
	return map[string]string{
		"aws-access-key-id":         "AKIA" + random(base32, 16),
		"gcp-api-key":               "key=AIza" + random(alnum, 35),
		"github-token":              "https://ghp_" + random(alnum, 36) + "@github.com",
		"github-fine-grained-token": "github_pat_" + random(alnum, 22) + "_" + random(alnum, 59),
		"gitlab-token":              "glpat-" + random(alnum, 20),
		"slack-token":               "xoxb-" + random(alnum, 40),
		"slack-app-token":           "xapp-1-" + random(upper, 10) + "-9876501234567-" + random(hexed, 64),
		"stripe-key":                "sk_live_" + random(alnum, 24),
		"sendgrid-key":              "SG." + random(alnum, 22) + "." + random(alnum, 43),
		"npm-token":                 "npm_" + random(alnum, 36),
		"pypi-token":                "pypi-AgEIcHlwaS5vcmc" + random(alnum, 80),
		"rubygems-key":              "rubygems_" + random(hexed, 48),
		"docker-hub-token":          "dckr_pat_" + random(alnum, 27),
		"digitalocean-token":        "dop_v1_" + random(hexed, 64),
		"shopify-token":             "shpat_" + random(hexed, 32),
		"square-secret":             "sq0csp-" + random(alnum, 43),
		"openai-key":                "sk-proj-" + random(alnum, 40) + "T3BlbkFJ" + random(alnum, 40),
		"anthropic-key":             "sk-ant-api03-" + random(alnum, 95),
		"huggingface-token":         "hf_" + random(letter, 34),
		"databricks-token":          "dapi" + random(hexed, 32),
		"vault-token":               "hvs." + random(alnum, 90),
		"terraform-token":           random(alnum, 14) + ".atlasv1." + random(alnum, 67),
		"grafana-token":             "glsa_" + random(alnum, 32) + "_" + random(hexed, 8),
		"newrelic-key":              "NRAK-" + random(upper, 27),
		"linear-key":                "lin_api_" + random(alnum, 40),
		"atlassian-token":           "ATATT3" + random(alnum, 186),
		"pulumi-token":              "pul-" + random(hexed, 40),
		"doppler-token":             "dp.st." + random(alnum, 43),
		"planetscale-token":         "pscale_tkn_" + random(alnum, 43),
		"age-secret-key":            "AGE-SECRET-KEY-1" + random(bech32, 58),
		"telegram-bot-token":        "9876501234:AA" + random(alnum, 33),
		"private-key":               "-----BEGIN RSA PRIVATE" + " KEY-----\n" + random(alnum, 64) + "\n",
		"putty-private-key":         "PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\nComment: x\n",
		"aws-secret-access-key":     "aws_secret_access_key = " + random(alnum, 40),
		"azure-storage-key":         "DefaultEndpointsProtocol=https;AccountKey=" + random(alnum, 86) + "==;",
		"slack-webhook":             "https://hooks.slack.com/services/T" + random(upper, 9) + "/B" + random(upper, 9) + "/" + random(alnum, 24),
		"npmrc-auth":                "//registry.shop.test/:_authToken=" + random(alnum, 36),
		"docker-config-auth":        `{"auths": {"registry.test": {"auth": "` + random(alnum, 24) + `"}}}`,
		"connection-url":            "DATABASE_URL=postgres://shop:" + random(alnum, 12) + "@db.test/shop",
		"jwt":                       "eyJ" + random(alnum, 30) + ".eyJ" + random(alnum, 60) + "." + random(alnum, 43),
	}
}

func TestEveryRule(t *testing.T) {
	t.Parallel()
	d := secrets.New()
	texts := samples()
	lines := map[string]int{"private-key": 1} // the key begins below its armour
	for _, id := range d.Rules() {
		text, ok := texts[id]
		if !ok {
			t.Errorf("rule %s has no sample", id)
			continue
		}
		matches := d.Text("first line\nlook: " + text + " \nlast line\n")
		if len(matches) != 1 || matches[0].Rule != id || matches[0].Line != lines[id]+2 {
			t.Errorf("%s: %v", id, matches)
			continue
		}
		for i := 0; i+12 <= len(matches[0].Masked); i++ {
			if part := matches[0].Masked[i : i+12]; strings.Contains(text, part) {
				t.Errorf("%s: evidence %q gives %q away", id, matches[0].Masked, part)
			}
		}
	}
	if len(texts) != len(d.Rules()) || len(texts) < 30 {
		t.Errorf("%d samples for %d rules", len(texts), len(d.Rules()))
	}
}

// TestHarmless is what looks like a secret and is none.
func TestHarmless(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "AKIAIOSFODNN7EXAMPLE", "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
		"ghp_" + strings.Repeat("x", 36), "npm_" + strings.Repeat("a", 36), "-----BEGIN RSA PRIVATE" + " KEY-----\n...\n-----END",
		"-----BEGIN PUBLIC KEY-----\n" + random(alnum, 64), "postgres://user:password@localhost/db", "postgres://user:${PASSWORD}@db/x",
		"redis://localhost:6379", "sha256:" + random(hexed, 64), "integrity sha512-" + random(alnum, 86) + "==", "glpat-your_token_goes_here_now",
		"prefixAKIA" + random(base32, 16), "AKIA" + random(base32, 30), "eyJhbGciOiJIUzI1NiJ9", "see hooks.slack.com/services/ for more",
	} {
		if matches := secrets.New().Text(text); len(matches) > 0 {
			t.Errorf("%.60q: %v", text, matches)
		}
	}
}

// TestStreams puts secrets wherever the borders of windows may lie.
func TestStreams(t *testing.T) {
	t.Parallel()
	token := "ghp_" + random(alnum, 36)
	filler := strings.Repeat("nothing to see in this line of text\n", 16_000)
	for _, at := range []int{0, 8<<10 - 20, 256<<10 - 10, 264<<10 - 20, 512<<10 - 5, len(filler)} {
		text := filler[:at] + "\n" + token + "\n" + filler[at:]
		for name, r := range map[string]io.Reader{
			"whole": strings.NewReader(text), "halves": iotest.HalfReader(strings.NewReader(text)), "data with the end": iotest.DataErrReader(strings.NewReader(text)),
		} {
			matches, err := secrets.New().Scan(r)
			if err != nil || len(matches) != 1 || matches[0].Line != strings.Count(text[:at], "\n")+2 {
				t.Errorf("at %d, %s: %v, %v", at, name, matches, err)
			}
		}
	}
}

func TestBinaryAndBroken(t *testing.T) {
	t.Parallel()
	token := "ghp_" + random(alnum, 36)
	if matches, err := secrets.New().Scan(strings.NewReader("\x7fELF\x00\n" + token)); err != nil || matches != nil {
		t.Errorf("binary: %v, %v", matches, err)
	}
	broken := errors.New("broken")
	matches, err := secrets.New().Scan(io.MultiReader(strings.NewReader(token+strings.Repeat(" \n", 10_000)), iotest.ErrReader(broken)))
	if !errors.Is(err, broken) || len(matches) != 1 {
		t.Errorf("broken: %v, %v", matches, err)
	}
}

func TestBounded(t *testing.T) {
	t.Parallel()
	var text bytes.Buffer
	for i := range 500 {
		text.WriteString("ghp_" + random(alnum, 36+i%200) + random(hexed, 1+i/200) + "\n")
	}
	if matches, err := secrets.New().Scan(&text); err != nil || len(matches) != 100 {
		t.Errorf("%d matches, %v", len(matches), err)
	}
}

func FuzzScan(f *testing.F) {
	for _, id := range secrets.New().Rules() {
		f.Add(samples()[id], 0)
	}
	f.Add(strings.Repeat("-----BEGIN PRIVATE"+" KEY-----\n", 100), 9000)
	d := secrets.New()
	f.Fuzz(func(t *testing.T, text string, before int) {
		filler := strings.Repeat("\n", max(0, min(before, 300_000)))
		matches, err := d.Scan(strings.NewReader(filler + text))
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Count(filler+text, "\n") + 1
		if slices.ContainsFunc(matches, func(m secrets.Match) bool { return m.Line < 1 || m.Line > lines }) {
			t.Errorf("a line that is not there: %v", matches)
		}
	})
}

func BenchmarkScan(b *testing.B) {
	d := secrets.New()
	text := strings.Repeat("func main() { fmt.Println(\"nothing to see here, 0123456789\") } // comment\n", 20_000)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, err := d.Scan(strings.NewReader(text)); err != nil {
			b.Fatal(err)
		}
	}
}
