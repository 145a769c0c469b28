// Package tunnel carries byte streams from the primary to a member over the
// session that the member has opened: the way by which console and command line
// switch to a cluster that nobody can dial. It moves bytes only; who may ask what
// over them is decided by whoever serves them.
package tunnel

import (
	"context"
	"fmt"
	"net"

	"github.com/muster-sec/muster/syncer/session"
)

// Sessions finds the session of a connected member; link.Hub is one.
type Sessions interface {
	Session(member string) (*session.Session, error)
}

// Dialer opens streams to members. It is safe for concurrent use.
type Dialer struct{ sessions Sessions }

// NewDialer returns a dialer over the sessions of a hub.
func NewDialer(sessions Sessions) *Dialer { return &Dialer{sessions: sessions} }

// Dial opens a stream to a member, which must be connected. The caller closes it.
func (d *Dialer) Dial(ctx context.Context, member string) (net.Conn, error) {
	s, err := d.sessions.Session(member)
	if err != nil {
		return nil, fmt.Errorf("tunnel: to %q: %w", member, err)
	}
	conn, err := s.Open(ctx, session.StreamTunnel)
	if err != nil {
		return nil, fmt.Errorf("tunnel: to %q: %w", member, err)
	}
	return conn, nil
}

// DialContext has the form of [net/http.Transport.DialContext]; the host of addr
// is the id of the member.
func (d *Dialer) DialContext(ctx context.Context, _, addr string) (net.Conn, error) {
	member, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("tunnel: address: %w", err)
	}
	return d.Dial(ctx, member)
}

// NewListener returns the member's end: a listener to which the host gives the
// streams that link.Host.Tunnel receives.
func NewListener() *session.Handover { return session.NewHandover("tunnel from the primary") }
