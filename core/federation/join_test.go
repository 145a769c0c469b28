package federation_test

import (
	"context"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/model"
	"github.com/muster-sec/muster/syncer/session"
)

// forge changes a token and gives its new text.
func forge(t *testing.T, token string, change func(*session.JoinToken)) string {
	t.Helper()
	parsed, err := session.ParseJoinToken(token)
	if err != nil {
		t.Fatal(err)
	}
	change(&parsed)
	text, err := parsed.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// spoiled is a token that must not open the door, and why.
type spoiled struct {
	name  string
	spoil func(t *testing.T, home *cluster, token string) string
	want  fault.Kind
	says  string
}

func spoiledTokens() []spoiled {
	return []spoiled{
		{"garbage", func(*testing.T, *cluster, string) string { return "no token" }, fault.Invalid, "base64"},
		{"half a token", func(_ *testing.T, _ *cluster, token string) string { return token[:len(token)/2] }, fault.Invalid, "token"},
		{"revoked", func(t *testing.T, home *cluster, token string) string {
			tokens, err := home.Tokens(t.Context())
			if err == nil {
				err = home.RevokeToken(t.Context(), admin(), tokens[0].ID)
			}
			if err != nil {
				t.Fatal(err)
			}
			return token
		}, fault.Gone, "revoked"},
		{"expired", func(_ *testing.T, home *cluster, token string) string {
			home.clock.advance(time.Hour)
			return token
		}, fault.Gone, "expired"},
		{"used", func(t *testing.T, home *cluster, token string) string {
			other := newCluster(t, home.net, "other")
			if err := other.Join(t.Context(), admin(), token, ""); err != nil {
				t.Fatal(err)
			}
			return token
		}, fault.Gone, "used"},
		{"never made", func(t *testing.T, _ *cluster, token string) string {
			return forge(t, token, func(j *session.JoinToken) { j.Ticket.Token = "other" })
		}, fault.Gone, "never made"},
		{"of another CA", func(t *testing.T, _ *cluster, token string) string {
			return forge(t, token, func(j *session.JoinToken) { j.Ticket.Pin[0] ^= 1 })
		}, fault.Denied, "not the primary"},
		{"of another federation", func(t *testing.T, _ *cluster, token string) string {
			return forge(t, token, func(j *session.JoinToken) { j.Ticket.Federation = "0123456789abcdef0123456789abcdef" })
		}, fault.Denied, "not the primary"},
		{"with another secret", func(t *testing.T, _ *cluster, token string) string {
			return forge(t, token, func(j *session.JoinToken) { j.Ticket.Seed[0] ^= 1 })
		}, fault.Denied, "proof"},
		{"leading nowhere", func(t *testing.T, _ *cluster, token string) string {
			return forge(t, token, func(j *session.JoinToken) { j.Server = "nowhere.test" })
		}, fault.Unavailable, "nowhere.test"},
	}
}

func TestTokensThatDoNotOpenTheDoor(t *testing.T) {
	t.Parallel()
	for _, tt := range spoiledTokens() {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			n := newNetwork()
			home, west := newCluster(t, n, "home"), newCluster(t, n, "west")
			home.promote()
			token := home.token()
			err := west.Join(t.Context(), admin(), tt.spoil(t, home, token), "")
			wantFault(t, err, tt.want)
			if err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("error %v does not say %q", err, tt.says)
			}
			if err != nil && strings.Contains(err.Error()+fault.HintOf(err), token) {
				t.Error("the error shows the token")
			}
			if west.role() != model.Standalone || home.see("west").ID != "" {
				t.Error("west has joined all the same")
			}
			west.join(home)
		})
	}
}

func TestWhoMayNotJoin(t *testing.T) {
	t.Parallel()
	n := newNetwork()
	home, west, east := newCluster(t, n, "home"), newCluster(t, n, "west"), newCluster(t, n, "east")
	home.promote()
	wantFault(t, home.Join(t.Context(), admin(), home.token(), ""), fault.Conflict)
	west.join(home)
	wantFault(t, west.Join(t.Context(), admin(), home.token(), ""), fault.Conflict)
	for _, taken := range []string{"west", "home"} {
		wantFault(t, east.Join(t.Context(), admin(), home.token(), taken), fault.Conflict)
	}
	wantFault(t, east.Join(t.Context(), admin(), home.token(), " blank"), fault.Invalid)
	reader := model.Actor{Name: "rob", Role: model.RoleReader, Source: model.AccountLocal}
	wantFault(t, east.Join(t.Context(), reader, home.token(), ""), fault.Denied)
	east.join(home)
}

func TestATokenOfManyUses(t *testing.T) {
	t.Parallel()
	n := newNetwork()
	home := newCluster(t, n, "home")
	home.promote()
	token, rec, err := home.CreateToken(t.Context(), admin(), time.Minute, 2)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "b"} {
		if err := newCluster(t, n, name).Join(t.Context(), admin(), token, ""); err != nil {
			t.Fatal(err)
		}
	}
	wantFault(t, newCluster(t, n, "c").Join(t.Context(), admin(), token, ""), fault.Gone)
	tokens, err := home.Tokens(t.Context())
	if err != nil || len(tokens) != 1 || tokens[0].ID != rec.ID || tokens[0].Uses != 2 {
		t.Errorf("tokens %+v, %v", tokens, err)
	}
}

// failing is a connection whose reads fail from a given one on.
type failing struct {
	net.Conn
	left atomic.Int64
}

func (f *failing) Read(p []byte) (int, error) {
	if f.left.Add(-1) < 0 {
		_ = f.Close()
		return 0, io.ErrUnexpectedEOF
	}
	return f.Conn.Read(p)
}

// TestAJoinThatBreaksOffAnywhereIsRepeated cuts the joiner off before each thing
// that the primary says, the reply that carries the certificate included.
func TestAJoinThatBreaksOffAnywhereIsRepeated(t *testing.T) {
	t.Parallel()
	n := newNetwork()
	home, west := newCluster(t, n, "home"), newCluster(t, n, "west")
	home.promote()
	token := home.token()
	cuts := 0
	for ; ; cuts++ {
		n.set(func(c net.Conn) net.Conn {
			f := &failing{Conn: c}
			f.left.Store(int64(cuts))
			return f
		})
		err := west.Join(t.Context(), admin(), token, "")
		if err == nil {
			break
		}
		wantFault(t, err, fault.Unavailable)
	}
	n.set(nil)
	if len(home.staff.outcomes("federation.enrol")) < 2 || cuts < 3 {
		t.Fatalf("%d cuts and %d enrolments: no reply was lost", cuts, len(home.staff.outcomes("federation.enrol")))
	}
	tokens, err := home.Tokens(t.Context())
	if err != nil || tokens[0].Uses != 1 {
		t.Errorf("tokens %+v, %v", tokens, err)
	}
	home.addRule("x")
	west.eventuallyRules("x")
}

func TestAKilledJoinerFinishesWhenItStarts(t *testing.T) {
	t.Parallel()
	n := newNetwork()
	home, west := newCluster(t, n, "home"), newCluster(t, n, "west")
	home.promote()
	home.addRule("x")
	token := home.token()
	for cuts := int64(3); len(home.staff.outcomes("federation.enrol")) == 0; cuts++ {
		n.set(func(c net.Conn) net.Conn {
			f := &failing{Conn: c}
			f.left.Store(cuts)
			return f
		})
		if err := west.Join(t.Context(), admin(), token, ""); err == nil {
			t.Skip("the reply came with the first bytes: nothing to lose")
		}
	}
	n.set(nil)
	if west.role() != model.Standalone {
		t.Fatal("west knows of a reply that it never read")
	}
	west.restart()
	west.eventuallyRules("x")
}

func TestARefusedJoinIsOver(t *testing.T) {
	t.Parallel()
	n := newNetwork()
	home, west := newCluster(t, n, "home"), newCluster(t, n, "west")
	home.promote()
	token := home.token()
	home.clock.advance(2 * time.Hour)
	wantFault(t, west.Join(t.Context(), admin(), token, ""), fault.Gone)
	if _, err := west.store.FedSecret(t.Context(), "pending"); fault.KindOf(err) != fault.NotFound {
		t.Errorf("the pending join is still there: %v", err)
	}
}

func TestCertificatesAreRenewed(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	n := newNetwork()
	home, west := newCluster(t, n, "home"), newCluster(t, n, "west")
	home.promote()
	west.join(home)
	renewals := func() int { return len(home.staff.outcomes("federation.renew")) }
	forward := func(d time.Duration) {
		home.clock.advance(d)
		west.clock.advance(d)
	}
	forward(day)
	home.addRule("a")
	west.eventuallyRules("a")
	if renewals() != 0 {
		t.Error("a young certificate was renewed")
	}
	forward(4 * day)
	home.eventually("the certificate is renewed", func() bool { return renewals() == 1 })

	west.kill()
	forward(30 * day)
	home.addRule("b")
	west.open()
	west.start()
	west.eventuallyRules("a b")
	if renewals() != 2 {
		t.Errorf("%d renewals, want 2", renewals())
	}
}

func TestAMemberRemovedWhileItJoinsIsNone(t *testing.T) {
	t.Parallel()
	n := newNetwork()
	home, west := newCluster(t, n, "home"), newCluster(t, n, "west")
	home.enrolled = func(id string) {
		if err := home.RemoveCluster(context.Background(), admin(), id); err != nil {
			t.Error(err)
		}
	}
	home.promote()
	token, _, err := home.CreateToken(t.Context(), admin(), 0, 2)
	if err != nil {
		t.Fatal(err)
	}
	wantFault(t, west.Join(t.Context(), admin(), token, ""), fault.Gone)
	if west.role() != model.Standalone || home.see("west").ID != "" {
		t.Errorf("west is %s, at home %+v", west.role(), home.see("west"))
	}
}

func TestAMemberRemovedLongAgoStillLearnsIt(t *testing.T) {
	t.Parallel()
	n := newNetwork()
	home, west := newCluster(t, n, "home"), newCluster(t, n, "west")
	home.promote()
	west.join(home)
	home.addRule("a")
	west.eventuallyRules("a")
	id := home.see("west").ID
	west.kill()
	if err := home.RemoveCluster(t.Context(), admin(), id); err != nil {
		t.Fatal(err)
	}
	home.clock.advance(100 * 24 * time.Hour)
	west.clock.advance(100 * 24 * time.Hour)
	west.open()
	west.start()
	west.eventually("west is standalone", func() bool { return west.role() == model.Standalone && west.rules() == "" })
}

func TestPromoting(t *testing.T) {
	t.Parallel()
	n := newNetwork()
	home := newCluster(t, n, "home")
	tests := []struct {
		name            string
		actor           model.Actor
		cluster, listen string
		want            fault.Kind
	}{
		{"with an API key", model.Actor{Name: "k", Role: model.RoleAdmin, Source: model.AccountAPIKey}, "home", fedAddress, fault.Denied},
		{"as a reader", model.Actor{Name: "r", Role: model.RoleReader, Source: model.AccountLocal}, "home", fedAddress, fault.Denied},
		{"under a name that cannot be typed", admin(), "a\nb", fedAddress, fault.Invalid},
		{"without a port", admin(), "home", "primary.test", fault.Invalid},
		{"without a host", admin(), "home", ":11443", fault.Invalid},
		{"on port zero", admin(), "home", "primary.test:0", fault.Invalid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			wantFault(t, home.Promote(t.Context(), tt.actor, tt.cluster, tt.listen), tt.want)
		})
	}
	gone := model.Actor{Name: "removed meanwhile", Role: model.RoleAdmin, Source: model.AccountLocal}
	if err := home.Promote(t.Context(), gone, "home", fedAddress); fault.KindOf(err) != fault.NotFound || home.role() != model.Standalone {
		t.Errorf("error %v, role %s: a primary that nobody can administer", err, home.role())
	}
	home.promote()
	wantFault(t, home.Promote(t.Context(), admin(), "home", fedAddress), fault.Conflict)
	wantFault(t, home.Leave(t.Context(), admin(), true), fault.Conflict)
	local := model.Actor{Name: "l", Role: model.RoleAdmin, Source: model.AccountLocal}
	wantFault(t, home.Demote(t.Context(), local), fault.Denied)
	if _, _, err := home.CreateToken(t.Context(), local, 0, 0); fault.KindOf(err) != fault.Denied {
		t.Errorf("token made by who may not: %v", err)
	}
	if _, _, err := home.CreateToken(t.Context(), admin(), -time.Second, 0); fault.KindOf(err) != fault.Invalid {
		t.Errorf("token that has expired already: %v", err)
	}
	wantFault(t, home.Deploy(t.Context(), admin(), "nobody"), fault.NotFound)
}
