package wire_test

import (
	"bytes"
	"testing"

	"github.com/muster-sec/muster/syncer"
	"github.com/muster-sec/muster/syncer/wire"
)

// anybody accepts every signature, so that fuzzing reaches what lies behind them.
type anybody struct{}

func (anybody) Verify(syncer.KeyID, []byte, []byte) error { return nil }

func FuzzReader(f *testing.F) {
	for _, frame := range frames(f) {
		f.Add(frame.Append(nil))
	}
	f.Add([]byte{201, 1, 0, 0, 0, 1, 7, 201, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		reader := wire.NewReader(bytes.NewReader(b), wire.Limits{Message: 1 << 10, Bulk: 1 << 12}, nil)
		for {
			frame, err := reader.Read()
			if err != nil {
				return
			}
			if len(frame.Body) > 1<<12 {
				t.Fatalf("frame of %d bytes beyond the limit", len(frame.Body))
			}
		}
	})
}

func fuzzSeeds(f *testing.F, names ...string) {
	all := frames(f)
	for _, name := range names {
		f.Add(all[name].Body)
	}
	f.Add([]byte{2, 0xff, 0xff, 0xff, 0xff, 0x0f})
}

func FuzzOpenBatch(f *testing.F) {
	fuzzSeeds(f, "batch")
	c := codec(f, 1<<16)
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := wire.OpenBatch(b, fed, anybody{}, c)
		if err != nil {
			return
		}
		for _, r := range got.Records {
			if err := r.Verify(); err != nil || r.Scope != got.Stream.Scope {
				t.Fatalf("record %+v comes out of a batch: %v", r, err)
			}
		}
	})
}

func FuzzOpenDifference(f *testing.F) {
	fuzzSeeds(f, "difference")
	c := codec(f, 1<<16)
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := wire.OpenDifference(b, fed, anybody{}, c)
		if err == nil && !d.Prefix.Valid() {
			t.Fatalf("difference at prefix %q", d.Prefix)
		}
	})
}

func FuzzSignedMessages(f *testing.F) {
	fuzzSeeds(f, "heartbeat", "notice", "batch")
	f.Fuzz(func(_ *testing.T, b []byte) {
		_, _ = wire.OpenHeartbeat(b, fed, anybody{})
		_, _ = wire.OpenNotice(b, fed, anybody{})
		_, _ = wire.OpenEvidence(b, fed, anybody{})
		_, _ = wire.DecodeSeal(b)
	})
}

func FuzzMemberMessages(f *testing.F) {
	fuzzSeeds(f, "hello", "want", "compare", "pulse", "orphans")
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _ = wire.DecodeHello(b)
		_, _ = wire.DecodePulse(b)
		_, _ = wire.DecodeOrphans(b)
		if p, err := wire.DecodePlace(b); err == nil {
			if again, err := wire.DecodePlace(p.Want().Body); err != nil || again != p {
				t.Fatalf("place %+v comes back as %+v, %v", p, again, err)
			}
		}
		if c, err := wire.DecodeCompare(b); err == nil {
			if _, err := wire.DecodeCompare(c.Encode().Body); err != nil {
				t.Fatalf("question %+v does not come back: %v", c, err)
			}
		}
	})
}

func FuzzPrimaryMessages(f *testing.F) {
	fuzzSeeds(f, "keys", "settled")
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _ = wire.DecodeSettled(b)
		if chain, err := wire.DecodeKeys(b); err == nil {
			_, _ = ring(t).Accept(chain)
		}
	})
}

func FuzzEnrolment(f *testing.F) {
	fuzzSeeds(f, "challenge", "apply", "refusal")
	f.Fuzz(func(_ *testing.T, b []byte) {
		_, _ = wire.DecodeEnrolChallenge(b)
		_, _ = wire.DecodeEnrolApply(b)
		_, _ = wire.DecodeEnrolGrant(b)
		_, _ = wire.DecodeEnrolRefusal(b)
	})
}
