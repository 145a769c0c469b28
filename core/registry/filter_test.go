package registry

import (
	"strings"
	"testing"
	"time"

	"github.com/muster-sec/muster/core/model"
)

func TestFilters(t *testing.T) {
	t.Parallel()
	tests := []struct {
		filters         []string
		repository, tag string
		want            bool
	}{
		{nil, "any/thing", "latest", true},
		{[]string{"*"}, "any/thing", "latest", true},
		{[]string{"base/*"}, "base/app", "1", true},
		{[]string{"base/*"}, "base/team/app", "1", true},
		{[]string{"base/*"}, "database/app", "1", false},
		{[]string{"*/web"}, "shop/web", "1", true},
		{[]string{"*/web"}, "web", "1", false},
		{[]string{"shop/web:v1.?"}, "shop/web", "v1.4", true},
		{[]string{"shop/web:v1.?"}, "shop/web", "v1.14", false},
		{[]string{"shop/web:v1.*"}, "shop/web", "v2.0", false},
		{[]string{"other", "shop/web:*-rc*"}, "shop/web", "2-rc1", true},
		{[]string{"other:1", "shop/web:2"}, "shop/web", "1", false},
		{[]string{"shop/web"}, "shop/web", "anything", true},
		{[]string{"shop/[ab]"}, "shop/a", "1", false}, // no character classes
		{[]string{"a*b*c"}, "axxbyyc", "1", true},
		{[]string{"a*b*c"}, "axxcyyb", "1", false},
	}
	for _, test := range tests {
		fs := newFilters(test.filters)
		if got := fs.tag(test.repository, test.tag); got != test.want {
			t.Errorf("%q selects %s:%s: %v, want %v", test.filters, test.repository, test.tag, got, test.want)
		}
		if test.want && !fs.repository(test.repository) {
			t.Errorf("%q would not list %s", test.filters, test.repository)
		}
	}
}

func TestPlatforms(t *testing.T) {
	t.Parallel()
	arm := model.Platform{OS: "linux", Architecture: "arm64", Variant: "v8"}
	for _, test := range []struct {
		setting []string
		of      model.Platform
		want    bool
	}{
		{nil, arm, true},
		{[]string{"linux/arm64"}, arm, true},
		{[]string{"linux/arm64/v8"}, arm, true},
		{[]string{"linux/arm64/v9"}, arm, false},
		{[]string{"linux/arm"}, arm, false},
		{[]string{"linux/amd64", "linux/arm64"}, arm, true},
		{[]string{"linux/amd64"}, model.Platform{}, true},
	} {
		if got := selects(test.setting, test.of); got != test.want {
			t.Errorf("%q takes %s: %v, want %v", test.setting, test.of, got, test.want)
		}
	}
}

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
			s, err := parseSchedule(test.expression)
			if err != nil {
				t.Fatal(err)
			}
			now := at(test.after)
			for _, want := range test.want {
				next := s.next(now)
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
		s, err := parseSchedule(expression)
		if err != nil {
			return
		}
		now := time.Unix(unix%4_000_000_000, 0)
		if next := s.next(now); !next.IsZero() && !next.After(now) {
			t.Errorf("%q: after %s comes %s", expression, now, next)
		}
	})
}

func FuzzGlob(f *testing.F) {
	f.Add("base/*:v?", "base/app:v1")
	f.Add("*a*b*", strings.Repeat("ab", 20))
	f.Fuzz(func(t *testing.T, pattern, s string) {
		if len(pattern) > 512 || len(s) > 512 {
			return
		}
		got := glob(pattern, s)
		if got && !glob("*"+pattern, s) {
			t.Errorf("%q matches %q, but not with a star in front", pattern, s)
		}
		if !strings.ContainsAny(pattern, "*?") && got != (pattern == s) {
			t.Errorf("%q without wildcards matches %q: %v", pattern, s, got)
		}
	})
}
