package federation_test

import (
	"testing"
	"time"

	"github.com/muster-sec/muster/core/model"
)

func TestAnyClockWillDo(t *testing.T) {
	t.Parallel()
	for _, off := range []time.Duration{-1000 * time.Hour, 1000 * time.Hour} {
		t.Run(off.String(), func(t *testing.T) {
			t.Parallel()
			n := newNetwork()
			home, west := newCluster(t, n, "home"), newCluster(t, n, "west")
			west.clock.advance(off)
			home.promote()
			west.join(home)
			home.addRule("x")
			west.eventuallyRules("x")
			west.restart()
			home.addRule("y")
			west.eventuallyRules("x y")
			home.eventually("the skew is shown", func() bool { return home.see("west").Reason != "" })
			if got := home.see("west").ClockOffset; (got - off).Abs() > time.Minute {
				t.Errorf("clock offset %s, want about %s", got, off)
			}
		})
	}
}

func TestAnyClockMayBeCorrected(t *testing.T) {
	t.Parallel()
	const month = 30 * 24 * time.Hour
	tests := []struct {
		name              string
		west              time.Duration // by how much west's clock is off at first
		homeStep, westFix time.Duration
	}{
		{"the member's was slow", -month, 0, month},
		{"the member's was fast", month, 0, -month},
		{"the primary's goes forward", 0, month, 0},
		{"the primary's goes back", 0, -month, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			n := newNetwork()
			home, west := newCluster(t, n, "home"), newCluster(t, n, "west")
			home.promote()
			home.clock.advance(month) // so that the way back does not lead behind the federation's beginning
			west.clock.advance(month + tt.west)
			west.join(home)
			home.addRule("x")
			west.eventuallyRules("x")
			home.eventually("west is synced", func() bool { return home.see("west").Status == model.StatusSynced })

			home.clock.advance(tt.homeStep)
			west.clock.advance(tt.westFix)
			n.cut(true)
			n.cut(false)
			home.addRule("y")
			west.eventuallyRules("x y")
		})
	}
}
