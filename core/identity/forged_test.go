package identity_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/model"
)

// forgeries are texts that are nearly the secret, or claim to be worth more.
func forgeries(secret string) map[string]string {
	sum := sha256.Sum256([]byte(secret))
	claims := base64.RawURLEncoding.EncodeToString([]byte(`{"sub":"admin","role":"fedAdmin","exp":9999999999}`))
	flipped := []byte(secret)
	flipped[len(flipped)/2] ^= 1
	return map[string]string{
		"nothing":                "",
		"the first half":         secret[:len(secret)/2],
		"without the last":       secret[:len(secret)-1],
		"without the first":      secret[1:],
		"one more":               secret + "A",
		"one bit flipped":        string(flipped),
		"in capitals":            strings.ToUpper(secret),
		"a space before":         " " + secret,
		"a line after":           secret + "\n",
		"a zero after":           secret + "\x00",
		"padded":                 secret + "=",
		"what is stored of it":   hex.EncodeToString(sum[:]),
		"unsigned claims":        base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + claims + ".",
		"claims signed with it":  base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256"}`)) + "." + claims + "." + secret,
		"a pattern":              "%",
		"a statement":            "' OR '1'='1",
		"a mebibyte":             strings.Repeat("A", 1<<20),
		"of the right form only": strings.Repeat("A", len(secret)),
	}
}

// TestForgedTokensAreRefused tries session tokens and API keys that nobody gave
// out here, among them those of another cluster with the same names.
func TestForgedTokensAreRefused(t *testing.T) {
	t.Parallel()
	here, there := newHouse(t), newHouse(t)
	tokens, keys := map[*house]string{}, map[*house]string{}
	for _, h := range []*house{here, there} {
		h.account(t, "admin", model.RoleAdmin)
		tokens[h] = h.mustLogin(t, "admin", password("admin")).Token
		_, text, err := h.AddKey(t.Context(), local("admin", model.RoleAdmin), model.APIKey{Name: "ci", Role: model.RoleCIOps})
		if err != nil {
			t.Fatal(err)
		}
		keys[h] = text
	}
	name, secret, _ := strings.Cut(keys[here], ":")
	asToken, asKey := forgeries(tokens[here]), forgeries(secret)
	asToken["another cluster's"], asToken["an API key"], asToken["its secret"] = tokens[there], keys[here], secret
	for what, text := range asKey {
		asKey[what] = name + ":" + text
	}
	asKey["another cluster's"], asKey["a session's token"], asKey["a token under the name"] = keys[there], tokens[here], name+":"+tokens[here]
	asKey["without a name"], asKey["under an account's name"], asKey["name in capitals"] = ":"+secret, "admin:"+secret, "CI:"+secret
	for _, tt := range []struct {
		kind         string
		authenticate func(context.Context, string) (model.Actor, error)
		good         string
		bad          map[string]string
	}{
		{"session", here.Authenticate, tokens[here], asToken},
		{"API key", here.AuthenticateKey, keys[here], asKey},
	} {
		for what, text := range tt.bad {
			t.Run(tt.kind+": "+what, func(t *testing.T) {
				t.Parallel()
				actor, err := tt.authenticate(t.Context(), text)
				wantKind(t, what, err, fault.Unauthenticated)
				if actor != (model.Actor{}) {
					t.Errorf("it is %+v", actor)
				}
				if err != nil && (strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), tokens[here])) {
					t.Errorf("the error shows the secret: %v", err)
				}
			})
		}
		if _, err := tt.authenticate(t.Context(), tt.good); err != nil {
			t.Errorf("the real %s: %v", tt.kind, err)
		}
	}
}
