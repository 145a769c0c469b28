package secrets

import (
	"regexp"
	"sync"
)

// rule recognises one kind of credential.
type rule struct {
	id, title string
	// keywords are in lower case; a text without any of them is not looked at.
	keywords []string
	// expression has one group that is the secret, or none when all of it is.
	expression *regexp.Regexp
	// entropy is the least bits per character of the secret: what people write as
	// a placeholder has less.
	entropy float64
}

// issued are prefixes that issuers put in front of their tokens so that they can
// be found: a word boundary, the prefix, and the alphabet and length that follow.
func issued(id, title, keyword, expression string) rule {
	return rule{
		id: id, title: title, keywords: []string{keyword}, entropy: 3,
		expression: regexp.MustCompile(`(?:^|[^A-Za-z0-9_-])(` + expression + `)(?:[^A-Za-z0-9_-]|$)`),
	}
}

// rules compiles the rules once for a process, when they are first needed.
var rules = sync.OnceValue(allRules)

// allRules are written from what the issuers document about their tokens.
func allRules() []rule {
	all := []rule{
		issued("aws-access-key-id", "AWS access key id", "akia", `(?:AKIA|ASIA)[A-Z2-7]{16}`),
		issued("gcp-api-key", "Google API key", "aiza", `AIza[A-Za-z0-9_-]{35}`),
		issued("github-token", "GitHub token", "gh", `gh[pousr]_[A-Za-z0-9]{36,}`),
		issued("github-fine-grained-token", "GitHub fine-grained token", "github_pat_", `github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}`),
		issued("gitlab-token", "GitLab token", "gl", `gl(?:pat|rt|dt|ptt|ft|soat|cbt|agent)-[A-Za-z0-9_-]{20,64}`),
		issued("slack-token", "Slack token", "xox", `xox[abeprs]-[A-Za-z0-9-]{20,}`),
		issued("slack-app-token", "Slack app token", "xapp-", `xapp-\d-[A-Z0-9]{8,12}-\d{10,14}-[a-z0-9]{60,70}`),
		issued("stripe-key", "Stripe secret key", "k_live_", `[sr]k_live_[A-Za-z0-9]{20,}`),
		issued("sendgrid-key", "SendGrid API key", "sg.", `SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}`),
		issued("npm-token", "npm access token", "npm_", `npm_[A-Za-z0-9]{36}`),
		issued("pypi-token", "PyPI upload token", "pypi-ageichlwas5vcmc", `pypi-AgEIcHlwaS5vcmc[A-Za-z0-9_-]{50,}`),
		issued("rubygems-key", "RubyGems API key", "rubygems_", `rubygems_[a-f0-9]{48}`),
		issued("docker-hub-token", "Docker Hub access token", "dckr_", `dckr_(?:pat|oat)_[A-Za-z0-9_-]{27,32}`),
		issued("digitalocean-token", "DigitalOcean token", "_v1_", `do[opr]_v1_[a-f0-9]{64}`),
		issued("shopify-token", "Shopify access token", "shp", `shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}`),
		issued("square-secret", "Square application secret", "sq0csp-", `sq0csp-[A-Za-z0-9_-]{43}`),
		issued("openai-key", "OpenAI API key", "t3blbkfj", `sk-[A-Za-z0-9_-]{20,}T3BlbkFJ[A-Za-z0-9_-]{20,}`),
		issued("anthropic-key", "Anthropic API key", "sk-ant-", `sk-ant-(?:api|admin)\d{2}-[A-Za-z0-9_-]{80,}`),
		issued("huggingface-token", "Hugging Face token", "hf_", `hf_[A-Za-z]{34}`),
		issued("databricks-token", "Databricks token", "dapi", `dapi[a-f0-9]{32}(?:-\d)?`),
		issued("vault-token", "HashiCorp Vault token", "hv", `hv[sbr]\.[A-Za-z0-9_-]{24,}`),
		issued("terraform-token", "HCP Terraform token", ".atlasv1.", `[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_=-]{60,70}`),
		issued("grafana-token", "Grafana service account token", "glsa_", `glsa_[A-Za-z0-9]{32}_[a-fA-F0-9]{8}`),
		issued("newrelic-key", "New Relic user key", "nrak-", `NRAK-[A-Z0-9]{27}`),
		issued("linear-key", "Linear API key", "lin_api_", `lin_api_[A-Za-z0-9]{40}`),
		issued("atlassian-token", "Atlassian API token", "atatt3", `ATATT3[A-Za-z0-9_=-]{180,}`),
		issued("pulumi-token", "Pulumi access token", "pul-", `pul-[a-f0-9]{40}`),
		issued("doppler-token", "Doppler token", "dp.", `dp\.(?:pt|st|ct|sa)\.[A-Za-z0-9._-]{40,60}`),
		issued("planetscale-token", "PlanetScale token", "pscale_", `pscale_(?:tkn|pw|oauth)_[A-Za-z0-9._-]{32,64}`),
		issued("age-secret-key", "age secret key", "age-secret-key-1", `AGE-SECRET-KEY-1[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{58}`),
		issued("telegram-bot-token", "Telegram bot token", ":aa", `\d{8,10}:AA[A-Za-z0-9_-]{33}`),
	}
	return append(all, shaped()...)
}

// shaped are credentials without a prefix of their own, recognised by what
// stands around them.
func shaped() []rule {
	return []rule{
		{
			id: "private-key", title: "private key", keywords: []string{"private key-----", "private key block-----"},
			// The armour alone is documentation; a key has a body.
			expression: regexp.MustCompile(`-----BEGIN (?:(?:RSA|DSA|EC|OPENSSH|ENCRYPTED|PGP) )?PRIVATE KEY(?: BLOCK)?-----(?:\s|\\n|\\r)+(?:[A-Za-z-]+:[^\n]*\s+)*([A-Za-z0-9+/=]{40,})`),
		},
		{
			id: "putty-private-key", title: "PuTTY private key", keywords: []string{"putty-user-key-file-"},
			expression: regexp.MustCompile(`PuTTY-User-Key-File-\d: [a-z0-9-]+\s+Encryption: none\s`),
		},
		{
			id: "aws-secret-access-key", title: "AWS secret access key", keywords: []string{"secret_access_key", "secretaccesskey", "secret-access-key"}, entropy: 4,
			expression: regexp.MustCompile(`(?i:secret[_-]?access[_-]?key)["']?\s{0,20}[:=]\s{0,20}["']?([A-Za-z0-9+/]{40})(?:[^A-Za-z0-9+/=]|$)`),
		},
		{
			id: "azure-storage-key", title: "Azure storage account key", keywords: []string{"accountkey="}, entropy: 4,
			expression: regexp.MustCompile(`(?i:AccountKey=)([A-Za-z0-9+/]{86}==)`),
		},
		{
			id: "slack-webhook", title: "Slack incoming webhook", keywords: []string{"hooks.slack.com/services/"}, entropy: 3,
			expression: regexp.MustCompile(`hooks\.slack\.com/services/(T[A-Z0-9]{8,12}/B[A-Z0-9]{8,12}/[A-Za-z0-9]{24})`),
		},
		{
			id: "npmrc-auth", title: "npm registry credential", keywords: []string{":_authtoken=", ":_password="}, entropy: 3,
			expression: regexp.MustCompile(`//[^\s:]{3,}:_(?:authToken|password)\s{0,4}=\s{0,4}"?([A-Za-z0-9._+/=-]{16,})`),
		},
		{
			id: "docker-config-auth", title: "registry login of docker", keywords: []string{`"auths"`}, entropy: 3,
			expression: regexp.MustCompile(`"auth"\s{0,20}:\s{0,20}"([A-Za-z0-9+/]{12,}={0,2})"`),
		},
		{
			id: "connection-url", title: "URL with a password", keywords: []string{"://"}, entropy: 2.5,
			expression: regexp.MustCompile(`(?i:postgres(?:ql)?|mysql|mongodb(?:\+srv)?|rediss?|amqps?|mssql)://[^\s:/@"'<>{}$]{1,100}:([^\s:/@"'<>{}$%*]{6,})@[A-Za-z0-9]`),
		},
		{
			id: "jwt", title: "JSON Web Token", keywords: []string{"eyj"}, entropy: 4,
			expression: regexp.MustCompile(`(?:^|[^A-Za-z0-9_-])(eyJ[A-Za-z0-9_-]{15,}\.eyJ[A-Za-z0-9_-]{15,}\.[A-Za-z0-9_-]{20,})`),
		},
	}
}
