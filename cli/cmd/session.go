package cmd

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/muster-sec/muster/cli/client"
	"github.com/muster-sec/muster/cli/contexts"
)

// contextFile is where logins are kept.
func (in *invocation) contextFile() (contexts.File, error) {
	dir := in.Env("XDG_CONFIG_HOME")
	if dir == "" {
		home := in.Env("HOME")
		if home == "" {
			return contexts.File{}, usagef("neither XDG_CONFIG_HOME nor HOME is set: there is no place for logins")
		}
		dir = filepath.Join(home, ".config")
	}
	return contexts.At(filepath.Join(dir, "muster", "contexts.json")), nil
}

func (in *invocation) loadContexts() (contexts.Set, error) {
	file, err := in.contextFile()
	if err != nil {
		return contexts.Set{}, err
	}
	return file.Load()
}

// connect makes the client that the flags, the environment and the stored
// contexts ask for, in this order. It sends nothing.
func (in *invocation) connect() (*client.Client, error) {
	set, err := in.loadContexts()
	if err != nil {
		return nil, err
	}
	server, err := in.server(set)
	if err != nil {
		return nil, err
	}
	stored, _ := set.Find(server)
	trust, err := in.trust(stored)
	if err != nil {
		return nil, err
	}
	cred, err := in.credential(server, stored)
	if err != nil {
		return nil, err
	}
	return in.dial(server, trust, cred)
}

func (in *invocation) dial(server string, trust client.Trust, cred client.Credential) (*client.Client, error) {
	c, err := client.New(client.Config{Server: server, Trust: trust, Credential: cred, UserAgent: "muster/" + in.Version})
	if err != nil {
		return nil, usagef("%w", err)
	}
	return c, nil
}

// server is the chosen daemon's URL in its stored form.
func (in *invocation) server(set contexts.Set) (string, error) {
	server := in.setting("server", "MUSTER_SERVER")
	if server == "" {
		server = set.Current
	}
	if server == "" {
		return "", usagef("no server is chosen").withTry("muster login --server https://HOST:10443")
	}
	u, err := client.ParseServer(server)
	if err != nil {
		return "", usagef("%w", err).withTry("--server https://HOST:10443")
	}
	return u.String(), nil
}

// trust is what the flags say, or else what login stored.
func (in *invocation) trust(stored contexts.Context) (client.Trust, error) {
	print, ca := in.setting("fingerprint", "MUSTER_FINGERPRINT"), in.setting("ca", "MUSTER_CA")
	switch {
	case print != "" && ca != "":
		return client.Trust{}, usagef("both a fingerprint and a CA are given: choose one")
	case ca != "":
		pem, err := in.readFile(ca)
		return client.Trust{CAPEM: pem}, err
	case print == "":
		print = stored.Fingerprint
	}
	if print == "" {
		return client.Trust{CAPEM: []byte(stored.CA)}, nil
	}
	pin, err := client.ParseFingerprint(print)
	if err != nil {
		return client.Trust{}, usagef("%w", err)
	}
	return client.Trust{Pin: &pin}, nil
}

// credential is an API key when one is given, or else the stored session.
func (in *invocation) credential(server string, stored contexts.Context) (client.Credential, error) {
	if file := in.setting("apikey-file", "MUSTER_APIKEY_FILE"); file != "" {
		key, err := in.secretFile(file)
		return client.Credential{APIKey: key}, err
	}
	if key := in.Env("MUSTER_APIKEY"); key != "" {
		return client.Credential{APIKey: strings.TrimSpace(key)}, nil
	}
	login := "muster login --server " + server
	if stored.Token == "" {
		return client.Credential{}, newProblem(exitUnauthorised, "not logged in at %s", server).withTry("%s", login)
	}
	if !stored.ExpiresAt.IsZero() && !in.Now().Before(stored.ExpiresAt) {
		return client.Credential{}, newProblem(exitUnauthorised, "the session at %s ended %s", server, in.ago(stored.ExpiresAt)).
			withTry("%s", login)
	}
	return client.Credential{Token: stored.Token}, nil
}

// apiKeyGiven says whether something else than a login opens the API.
func (in *invocation) apiKeyGiven() bool {
	return in.setting("apikey-file", "MUSTER_APIKEY_FILE") != "" || in.Env("MUSTER_APIKEY") != ""
}

// errEmpty says that a secret's source held nothing.
var errEmpty = errors.New("it is empty")

func sourceName(file string) string {
	if file == "-" {
		return "standard input"
	}
	return file
}

func emptySource(file string) error { return fmt.Errorf("%s: %w", sourceName(file), errEmpty) }
