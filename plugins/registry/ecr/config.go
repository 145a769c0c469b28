package ecr

import (
	_ "embed" // the schema
	"errors"
	"fmt"
	"net/url"
	"regexp"

	"github.com/muster-sec/muster/plugins/registry/internal/settings"
	"github.com/muster-sec/muster/plugins/sdk"
)

// Schema is the JSON Schema of the configuration.
//
//go:embed schema.json
var Schema string

type config struct {
	settings.Base
	InstanceRole  bool   `json:"instance_role,omitempty"`
	Account       string `json:"account,omitempty"`
	Region        string `json:"region,omitempty"`
	APIURL        string `json:"api_url,omitempty"`
	WebhookSecret string `json:"webhook_secret,omitempty"`

	place settings.Place
	api   *url.URL
}

// Parts of a registry's host name: account, region and the domain of the
// partition, as they have been and as they are on both versions of IP.
var (
	hostSyntax    = regexp.MustCompile(`^([0-9]{12})\.dkr\.ecr(-fips)?\.([a-z0-9-]+)\.(amazonaws\.com(?:\.cn)?)$`)
	dualSyntax    = regexp.MustCompile(`^([0-9]{12})\.dkr-ecr(-fips)?\.([a-z0-9-]+)\.(on\.(?:aws|amazonwebservices\.com\.cn))$`)
	accountSyntax = regexp.MustCompile(`^[0-9]{12}$`)
	regionSyntax  = regexp.MustCompile(`^[a-z0-9-]{1,32}$`)
)

// readConfig checks everything that can be checked without a network.
func readConfig(cfg sdk.Config) (*config, error) {
	c := &config{}
	if err := cfg.Decode(c); err != nil {
		return nil, err
	}
	var err error
	if c.place, err = c.Check(); err == nil {
		err = c.locate()
	}
	if err = errors.Join(err, c.checkKeys()); err != nil {
		return nil, fmt.Errorf("%w: %w", sdk.ErrInvalid, err)
	}
	return c, nil
}

// locate reads account, region and the API's address out of the host's name, as
// far as they are not set.
func (c *config) locate() (err error) {
	host := c.place.Registry.RegistryStr()
	api := ""
	if m := hostSyntax.FindStringSubmatch(host); m != nil {
		api = "https://api.ecr." + m[3] + "." + m[4]
		if m[2] != "" {
			api = "https://ecr-fips." + m[3] + "." + m[4]
		}
		c.fill(m[1], m[3])
	} else if m := dualSyntax.FindStringSubmatch(host); m != nil {
		api = "https://ecr" + m[2] + "." + m[3] + ".api." + apiDomain(m[4])
		c.fill(m[1], m[3])
	}
	if c.APIURL != "" {
		api = c.APIURL
	}
	if api == "" || !accountSyntax.MatchString(c.Account) || !regionSyntax.MatchString(c.Region) {
		return fmt.Errorf("url: write https://ACCOUNT.dkr.ecr.REGION.amazonaws.com, or set `account`, `region` and `api_url` too; %s does not tell them", host)
	}
	c.api, err = settings.Address("api_url", api)
	return err
}

func (c *config) fill(account, region string) {
	if c.Account == "" {
		c.Account = account
	}
	if c.Region == "" {
		c.Region = region
	}
}

// apiDomain is where the API of a dual-stack registry is.
func apiDomain(registryDomain string) string {
	if registryDomain == "on.aws" {
		return "aws"
	}
	return "amazonwebservices.com.cn"
}

func (c *config) checkKeys() error {
	if err := c.Login(); err != nil {
		return errors.New("username and password: set both, to the id and the secret of an access key, or set `instance_role`")
	}
	switch {
	case c.InstanceRole && (c.Username != "" || c.Token != ""):
		return errors.New("instance_role: excludes username, password and token")
	case !c.InstanceRole && c.Username == "":
		return errors.New("username and password: set them to the id and the secret of an access key, or set `instance_role`")
	default:
		return nil
	}
}
