package schedule_test

import (
	"testing"
	"time"

	"github.com/muster-sec/muster/core/schedule"
)

func TestScheduleKeepsToTheWallClock(t *testing.T) {
	t.Parallel()
	at := func(text string) time.Time {
		when, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return when
	}
	tests := map[string]struct {
		expression string
		after      string
		want       []string
	}{
		"UTC unless said otherwise": {"30 2 * * *", "2026-03-28T12:00:00Z", []string{"2026-03-29T02:30:00Z", "2026-03-30T02:30:00Z"}},
		"the clock jumps over it": {"CRON_TZ=Europe/Berlin 30 2 * * *", "2026-03-28T12:00:00Z",
			[]string{"2026-03-29T01:30:00Z", "2026-03-30T00:30:00Z"}}, // 03:30 summer time, then 02:30
		"the clock shows it twice": {"CRON_TZ=Europe/Berlin 30 2 * * *", "2026-10-24T12:00:00Z",
			[]string{"2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"}},
		"hourly in spring": {"CRON_TZ=Europe/Berlin 0 * * * *", "2026-03-28T23:30:00Z",
			[]string{"2026-03-29T00:00:00Z", "2026-03-29T01:00:00Z", "2026-03-29T02:00:00Z"}},
		"interval": {"@every 90m", "2026-03-28T12:00:00Z", []string{"2026-03-28T13:30:00Z", "2026-03-28T15:00:00Z"}},
		"word":     {"@daily", "2026-03-28T12:00:00Z", []string{"2026-03-29T00:00:00Z"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := schedule.Parse(test.expression)
			if err != nil {
				t.Fatal(err)
			}
			now := at(test.after)
			for _, want := range test.want {
				next := s.Next(now)
				if !next.Equal(at(want)) {
					t.Fatalf("after %s comes %s, want %s", now, next, want)
				}
				now = next
			}
		})
	}
}

func FuzzSchedule(f *testing.F) {
	for _, seed := range []string{"30 2 * * *", "@every 90m", "CRON_TZ=Europe/Berlin 0 4 29 2 *", "@daily", "*/5 * * * 1-5", "TZ= * * * * *", "TZ=", "CRON_TZ=UTC", "TZ=UTC TZ=UTC * * * * *", "0 0 31 2 *"} {
		f.Add(seed, int64(1774778400))
	}
	f.Fuzz(func(t *testing.T, expression string, unix int64) {
		s, err := schedule.Parse(expression)
		if err != nil {
			return
		}
		now := time.Unix(unix%4_000_000_000, 0)
		if next := s.Next(now); !next.IsZero() && !next.After(now) {
			t.Errorf("%q: after %s comes %s", expression, now, next)
		}
	})
}
