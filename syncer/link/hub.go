package link

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/muster-sec/muster/syncer"
	"github.com/muster-sec/muster/syncer/primary"
	"github.com/muster-sec/muster/syncer/session"
	"github.com/muster-sec/muster/syncer/wire"
)

// ErrNotConnected says that a member has no session now.
var ErrNotConnected = errors.New("member is not connected")

// Members is what the primary knows of its members. Methods are called from many
// goroutines.
type Members interface {
	// Standing says what a member is entitled to. It is asked at every connection,
	// also of members that were removed, and refuses keys that are not on record.
	Standing(ctx context.Context, peer session.Peer) (Standing, error)
	// Revoked reports whether a member that is connected may not go on. It is asked
	// before every frame and must answer from memory.
	Revoked(peer session.Peer) bool
	// Summary takes opaque bytes of a member.
	Summary(ctx context.Context, member string, body []byte) error
	// Orphans takes records that a member holds from before a change of epoch and
	// returns those that are safe here now, or known not to be wanted.
	Orphans(ctx context.Context, member string, records []syncer.Record) ([]syncer.Orphan, error)
	// Left is told that a member leaves; afterwards it is sent a signed farewell.
	Left(ctx context.Context, member string) error
}

// Standing is what a member is entitled to.
type Standing struct {
	Entitled syncer.Entitlement
	// Removed, when not empty, is the reason why the member is none any more; it is
	// told under the primary's signature.
	Removed string
}

// Codes of a [wire.Notice].
const (
	NoticeRemoved = "removed"
	NoticeDemoted = "demoted"
	NoticeLeft    = "left"
)

// HubConfig is what a [Hub] needs.
type HubConfig struct {
	Federation string
	Store      syncer.PrimaryStore
	// Key is the content key, Rotations the chain that led to it from the first.
	Key       ed25519.PrivateKey
	Rotations []syncer.Rotation
	// Keys verifies what any content key of this federation signed.
	Keys    wire.Verifier
	Members Members
	Options Options
	Now     func() time.Time
	Log     *slog.Logger
}

// Hub serves the feed to all members. It is safe for concurrent use.
type Hub struct {
	cfg   HubConfig
	codec *wire.Codec

	signing atomic.Pointer[signing]
	feed    atomic.Pointer[snapshot]
	wake    chan struct{}
	epochs  sync.Mutex

	mu      sync.Mutex
	clients map[string]*client
	beats   map[string]signedBeat
}

// signing is what depends on the content key.
type signing struct {
	sealer    *primary.Sealer
	cache     *primary.Cache
	rotations []syncer.Rotation
}

// snapshot is the state of the feed at one moment; it is never changed.
type snapshot struct {
	epoch uint64
	heads []syncer.Head
}

// signedBeat is a heartbeat that several members share.
type signedBeat struct {
	of    *snapshot
	at    time.Time
	frame wire.Frame
}

// beatShare is how old a shared heartbeat may be.
const beatShare = 100 * time.Millisecond

// NewHub returns a hub that serves nobody before [Hub.Run].
func NewHub(cfg HubConfig) (*Hub, error) {
	if cfg.Store == nil || cfg.Keys == nil || cfg.Members == nil || cfg.Now == nil || cfg.Log == nil || len(cfg.Key) == 0 {
		return nil, errors.New("link: hub configuration is incomplete")
	}
	cfg.Options = cfg.Options.withDefaults()
	codec, err := wire.NewCodec(cfg.Options.Limits.Bulk)
	if err != nil {
		return nil, err
	}
	h := &Hub{
		cfg: cfg, codec: codec, wake: make(chan struct{}, 1),
		clients: map[string]*client{}, beats: map[string]signedBeat{},
	}
	h.sign(cfg.Key, cfg.Rotations)
	return h, nil
}

func (h *Hub) sign(key ed25519.PrivateKey, rotations []syncer.Rotation) {
	sealer := primary.NewSealer(h.cfg.Store, wire.NewSigner(h.cfg.Federation, key), h.codec, h.cfg.Options.Batch)
	h.signing.Store(&signing{
		sealer: sealer, cache: primary.NewCache(sealer, h.cfg.Options.Cache), rotations: rotations,
	})
}

// Run follows the feed until ctx ends. Sessions are served by [Hub.Handle].
func (h *Hub) Run(ctx context.Context) error {
	// A wake can be forgotten by its caller; the ticker makes that slow, not wrong.
	ticker := time.NewTicker(h.cfg.Options.Interval)
	defer ticker.Stop()
	for {
		if err := h.refresh(ctx); err != nil && ctx.Err() == nil {
			h.cfg.Log.Error("feed cannot be read", "error", err)
		}
		select {
		case <-h.wake:
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// Wake says that the feed has changed. Call it after the commit; it does not block.
func (h *Hub) Wake() {
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// refresh reads the heads and tells every session.
func (h *Hub) refresh(ctx context.Context) error {
	epoch, heads, err := h.cfg.Store.Heads(ctx)
	if err != nil {
		return fmt.Errorf("link: read heads: %w", err)
	}
	h.signing.Load().cache.Heads(epoch, heads)
	h.feed.Store(&snapshot{epoch: epoch, heads: heads})
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.clients {
		c.wake()
	}
	return nil
}

// Rotate signs with a new content key from now on. The rotation must be durable,
// and the Verifier of the configuration must know the key.
func (h *Hub) Rotate(key ed25519.PrivateKey, rotation syncer.Rotation) {
	rotations := append(slices.Clone(h.signing.Load().rotations), rotation)
	h.sign(key, rotations)
	h.mu.Lock()
	defer h.mu.Unlock()
	clear(h.beats)
	for _, c := range h.clients {
		c.announce(rotations)
	}
}

// Admit is for [session.ServerConfig].
func (h *Hub) Admit(ctx context.Context, peer session.Peer) error {
	_, err := h.cfg.Members.Standing(ctx, peer)
	return err
}

// Handle is for [session.ServerConfig]: it serves one member until its session
// ends. A second session of a member replaces the first.
func (h *Hub) Handle(ctx context.Context, s *session.Session, feed net.Conn) {
	peer := s.Peer()
	standing, err := h.cfg.Members.Standing(ctx, peer)
	if err != nil {
		h.cfg.Log.Warn("member refused", "member", peer.ID, "error", err)
		return
	}
	if standing.Removed == "" && peer.Expired {
		return
	}
	c := newClient(h, s, feed, standing)
	if standing.Removed == "" {
		h.enter(c)
		defer h.exit(c)
	}
	err = c.run(ctx)
	if ctx.Err() == nil {
		h.cfg.Log.Info("member disconnected", "member", peer.ID, "reason", err)
	}
}

func (h *Hub) enter(c *client) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if old, ok := h.clients[c.peer.ID]; ok {
		h.cfg.Log.Warn("member connected twice", "member", c.peer.ID, "remote", c.peer.Remote, "earlier", old.peer.Remote)
		old.session.Close()
	}
	h.clients[c.peer.ID] = c
}

func (h *Hub) exit(c *client) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.clients[c.peer.ID] == c {
		delete(h.clients, c.peer.ID)
	}
}

func (h *Hub) client(member string) (*client, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if c, ok := h.clients[member]; ok {
		return c, nil
	}
	return nil, fmt.Errorf("link: %q: %w", member, ErrNotConnected)
}

// Remove ends the session of a member with a signed notice; code is one of the
// Notice constants. The caller has recorded the removal first: a member that is
// away, which Remove reports with [ErrNotConnected], learns it from
// [Standing.Removed] when it comes back.
func (h *Hub) Remove(member, code, reason string) error {
	c, err := h.client(member)
	if err != nil {
		return err
	}
	c.dismiss(code, reason)
	return nil
}

// Reassess asks for the standing of a connected member again, after its scopes
// have changed. For one that is away it does nothing.
func (h *Hub) Reassess(member string) {
	if c, err := h.client(member); err == nil {
		c.reassess()
	}
}

// Session returns the session of a member, for tunnels.
func (h *Hub) Session(member string) (*session.Session, error) {
	c, err := h.client(member)
	if err != nil {
		return nil, err
	}
	return c.session, nil
}

// MemberStatus is what the hub knows of a connected member.
type MemberStatus struct {
	Peer  session.Peer
	Since time.Time
	// Synced says that the member has acknowledged all of the feed.
	Synced bool
	primary.Status
}

// Status returns the state of every connected member, ordered by id.
func (h *Hub) Status() []MemberStatus {
	epoch := uint64(0)
	if feed := h.feed.Load(); feed != nil {
		epoch = feed.epoch
	}
	h.mu.Lock()
	clients := make([]*client, 0, len(h.clients))
	for _, c := range h.clients {
		clients = append(clients, c)
	}
	h.mu.Unlock()
	all := make([]MemberStatus, 0, len(clients))
	for _, c := range clients {
		s := c.status()
		all = append(all, MemberStatus{Peer: c.peer, Since: c.since, Synced: s.Synced(epoch), Status: s})
	}
	slices.SortFunc(all, func(a, b MemberStatus) int {
		if a.Peer.ID < b.Peer.ID {
			return -1
		}
		return 1
	})
	return all
}

// beat returns a heartbeat, shared by all members that are entitled to the same.
func (h *Hub) beat(entitled syncer.Entitlement) wire.Frame {
	now, feed, key := h.cfg.Now(), h.feed.Load(), fmt.Sprintf("%v %q", entitled.All, entitled.Scopes)
	h.mu.Lock()
	defer h.mu.Unlock()
	if b, ok := h.beats[key]; ok && b.of == feed && now.Sub(b.at) < beatShare && !now.Before(b.at) {
		return b.frame
	}
	if len(h.beats) > 1024 {
		clear(h.beats)
	}
	frame := h.signing.Load().sealer.Heartbeat(wire.Heartbeat{
		Epoch: feed.epoch, Time: now, Interval: h.cfg.Options.Interval, Entitled: entitled, Heads: feed.heads,
	})
	h.beats[key] = signedBeat{of: feed, at: now, frame: frame}
	return frame
}

// openEpoch answers a member that has proved lost history, once however many do.
// The store has the last word: a session may know less than it.
func (h *Hub) openEpoch(ctx context.Context, member string, e primary.OpenEpoch) error {
	h.epochs.Lock()
	defer h.epochs.Unlock()
	epoch, heads, err := h.cfg.Store.Heads(ctx)
	if err != nil {
		return fmt.Errorf("link: read heads: %w", err)
	}
	if !e.Lost(epoch, heads) {
		return nil
	}
	epoch, err = h.cfg.Store.OpenEpoch(ctx, e.Shown.Position.Epoch)
	if err != nil {
		return fmt.Errorf("link: open epoch: %w", err)
	}
	h.cfg.Log.Warn("this primary has lost history: a new epoch begins and members offer back what it no longer knows",
		"epoch", epoch, "shown_by", member)
	return h.refresh(ctx)
}
