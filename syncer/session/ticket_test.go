package session_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/muster-sec/muster/syncer/session"
)

func joinToken(tb testing.TB) (session.JoinToken, string) {
	tb.Helper()
	ticket, _, err := session.NewTicket(fedID, session.Pin{1, 2}, "token-1")
	check(tb, err)
	j := session.JoinToken{Server: "primary.example", Port: 11443, Ticket: ticket}
	text, err := j.Encode()
	check(tb, err)
	return j, text
}

func TestJoinTokenComesBackAndKeepsItsSecret(t *testing.T) {
	t.Parallel()
	j, text := joinToken(t)
	got, err := session.ParseJoinToken("\n " + text + "\r\n")
	check(t, err)
	if got != j {
		t.Error("the token comes back changed")
	}
	for _, printed := range []string{fmt.Sprint(j), fmt.Sprintf("%+v", j), fmt.Sprintf("%#v", j.Ticket)} {
		if strings.Contains(printed, fmt.Sprint(j.Ticket.Seed)[1:20]) {
			t.Errorf("printing shows the secret: %s", printed)
		}
	}
}

// TestExistingClientsReadTheAddress holds the outer form that others parse.
func TestExistingClientsReadTheAddress(t *testing.T) {
	t.Parallel()
	_, text := joinToken(t)
	raw, err := base64.StdEncoding.DecodeString(text)
	check(t, err)
	var outer struct {
		S string `json:"s"`
		P int    `json:"p"`
		T string `json:"t"`
	}
	check(t, json.Unmarshal(raw, &outer))
	if outer.S != "primary.example" || outer.P != 11443 || outer.T == "" {
		t.Errorf("outer form is %+v", outer)
	}
}

func TestParseJoinTokenRefuses(t *testing.T) {
	t.Parallel()
	_, text := joinToken(t)
	encode := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	for name, in := range map[string]string{
		"nothing": "", "half": text[:len(text)/2], "not base64": "§§", "too long": strings.Repeat("A", 5000),
		"no ticket": encode(`{"s":"x","p":1}`), "no port": encode(`{"s":"x","t":"e30"}`), "empty ticket": encode(`{"s":"x","p":1,"t":"e30"}`),
	} {
		if _, err := session.ParseJoinToken(in); !errors.Is(err, session.ErrToken) {
			t.Errorf("%s: %v, want ErrToken", name, err)
		}
	}
}

func FuzzParseJoinToken(f *testing.F) {
	_, text := joinToken(f)
	f.Add(text)
	f.Add(base64.StdEncoding.EncodeToString([]byte(`{"s":"x","p":1,"t":"e30"}`)))
	f.Fuzz(func(t *testing.T, text string) {
		j, err := session.ParseJoinToken(text)
		if err != nil {
			return
		}
		again, err := j.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if back, err := session.ParseJoinToken(again); err != nil || back != j {
			t.Fatalf("token does not come back: %v", err)
		}
	})
}
