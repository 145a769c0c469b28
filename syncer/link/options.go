package link

import (
	"time"

	"github.com/muster-sec/muster/syncer"
	"github.com/muster-sec/muster/syncer/wire"
)

// Options tune both sides. Zero fields take the value of [DefaultOptions].
type Options struct {
	// Interval is the time between heartbeats; three missed ones end a session.
	Interval time.Duration
	// Batch bounds one batch. A record that is larger travels alone.
	Batch syncer.Limit
	// Window bounds the bytes in flight to one member.
	Window int
	// Cache bounds the bytes of signed batches kept for all members.
	Cache int
	// Limits bound what is received.
	Limits wire.Limits
	// RetryMin and RetryMax bound the pause between two attempts to connect.
	RetryMin, RetryMax time.Duration
	// DialTimeout bounds dialling and handshake together.
	DialTimeout time.Duration
	// Summary is the time between two summaries of a member.
	Summary time.Duration
	// Product is this program's release, told to the other side; Capabilities are
	// what it can do beyond the protocol's version.
	Product      string
	Capabilities []string
}

// DefaultOptions returns what is in use unless configured.
func DefaultOptions() Options {
	return Options{
		Interval: 5 * time.Second,
		Batch:    syncer.Limit{Records: 4096, Bytes: 512 << 10},
		Window:   4 << 20,
		Cache:    64 << 20,
		Limits:   wire.DefaultLimits(),
		RetryMin: time.Second, RetryMax: time.Minute,
		DialTimeout: 20 * time.Second,
		Summary:     30 * time.Second,
	}
}

func (o Options) withDefaults() Options {
	d := DefaultOptions()
	fill(&o.Interval, d.Interval)
	fill(&o.Batch, d.Batch)
	fill(&o.Window, d.Window)
	fill(&o.Cache, d.Cache)
	fill(&o.Limits, d.Limits)
	fill(&o.RetryMin, d.RetryMin)
	fill(&o.RetryMax, d.RetryMax)
	fill(&o.DialTimeout, d.DialTimeout)
	fill(&o.Summary, d.Summary)
	return o
}

func fill[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
