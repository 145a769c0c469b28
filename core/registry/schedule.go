package registry

import (
	"strings"
	"time"

	"github.com/robfig/cron/v3"

	"github.com/muster-sec/muster/core/fault"
)

// schedule tells times. Only the parser and Next of the cron library are used;
// its runner forgets what it missed.
type schedule struct {
	cron cron.Schedule
	zone *time.Location // nil for one that repeats at an interval
}

// minInterval keeps "@every 1s" from being a load test of somebody's registry.
const minInterval = time.Minute

func parseSchedule(expression string) (schedule, error) {
	hint := `write five cron fields ("30 2 * * *", in UTC), "@daily" or "@every 90m"; CRON_TZ=Europe/Berlin in front names another zone`
	parsed, err := cron.ParseStandard(expression)
	if err != nil {
		return schedule{}, fault.New(fault.Invalid, "schedule %.100q cannot be understood: %w", expression, err).WithHint("%s", hint)
	}
	switch p := parsed.(type) {
	case cron.ConstantDelaySchedule:
		if p.Delay < minInterval {
			return schedule{}, fault.New(fault.Invalid, "schedule %q repeats faster than once in %s", expression, minInterval).WithHint("%s", hint)
		}
		return schedule{cron: p}, nil
	case *cron.SpecSchedule:
		zone := time.UTC
		if strings.HasPrefix(expression, "CRON_TZ=") || strings.HasPrefix(expression, "TZ=") {
			zone = p.Location
		}
		onUTC := *p
		onUTC.Location = time.UTC
		if onUTC.Next(time.Unix(0, 0)).IsZero() {
			return schedule{}, fault.New(fault.Invalid, "schedule %q never happens", expression).WithHint("%s", hint)
		}
		return schedule{cron: &onUTC, zone: zone}, nil
	}
	return schedule{}, fault.New(fault.Invalid, "schedule %q is of an unknown kind", expression).WithHint("%s", hint)
}

// next is the first time after t. The cron fields are evaluated on a clock
// without summer time whose hands show what the zone's wall clock shows; only
// the outcome is taken into the zone. So no time is skipped or met twice.
func (s schedule) next(t time.Time) time.Time {
	if s.zone == nil {
		return s.cron.Next(t.UTC())
	}
	wall := onFace(t.In(s.zone), time.UTC)
	for {
		wall = s.cron.Next(wall)
		if wall.IsZero() {
			return time.Time{}
		}
		if at := onFace(wall, s.zone); at.After(t) {
			return at.UTC()
		}
	}
}

// onFace is the time at which a clock in zone shows what t shows.
func onFace(t time.Time, zone *time.Location) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), zone)
}
