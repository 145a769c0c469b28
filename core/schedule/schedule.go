// Package schedule tells times: of registries to look at, of databases to pull.
// Expressions are cron's five fields, its words ("@daily"), or "@every 90m"; times
// are UTC unless the expression begins with "CRON_TZ=Zone". In a zone with summer
// time every time of the wall clock happens once: one that the clock jumps over
// follows right after the jump, and one that it shows twice counts the first time.
package schedule

import (
	"strings"
	"time"

	"github.com/robfig/cron/v3"

	"github.com/muster-sec/muster/core/fault"
)

// Schedule is a parsed expression, made by Parse. Only the parser and Next of the
// cron library are used; its runner forgets what it missed.
type Schedule struct {
	cron cron.Schedule
	zone *time.Location // nil for one that repeats at an interval
}

// minInterval keeps "@every 1s" from being a load test of somebody's registry.
const minInterval = time.Minute

// Parse reads an expression. It fails with fault.Invalid, also for one that never
// happens or repeats faster than once a minute.
func Parse(expression string) (Schedule, error) {
	refuse := func(format string, args ...any) (Schedule, error) {
		return Schedule{}, fault.New(fault.Invalid, format, args...).
			WithHint(`write five cron fields ("30 2 * * *", in UTC), "@daily" or "@every 90m"; "CRON_TZ=Europe/Berlin " in front names another zone`)
	}
	// The zone is taken off here: the library's own way of doing it panics
	// where nothing follows.
	fields, zone := expression, time.UTC
	if named, rest, found := strings.Cut(expression, " "); found && zoned(named) {
		var err error
		if zone, err = time.LoadLocation(named[strings.IndexByte(named, '=')+1:]); err != nil {
			return refuse("schedule %.100q cannot be understood: %w", expression, err)
		}
		fields = strings.TrimSpace(rest)
	}
	if zoned(fields) {
		return refuse("schedule %.100q names a zone and no times", expression)
	}
	parsed, err := cron.ParseStandard(fields)
	if err != nil {
		return refuse("schedule %.100q cannot be understood: %w", expression, err)
	}
	switch p := parsed.(type) {
	case cron.ConstantDelaySchedule:
		if p.Delay < minInterval {
			return refuse("schedule %q repeats faster than once in %s", expression, minInterval)
		}
		return Schedule{cron: p}, nil
	case *cron.SpecSchedule:
		p.Location = time.UTC
		if p.Next(time.Unix(0, 0)).IsZero() {
			return refuse("schedule %q never happens", expression)
		}
		return Schedule{cron: p, zone: zone}, nil
	}
	return refuse("schedule %q is of an unknown kind", expression)
}

func zoned(word string) bool {
	return strings.HasPrefix(word, "CRON_TZ=") || strings.HasPrefix(word, "TZ=")
}

// Next is the first time after t, zero when there is none. The cron fields are evaluated on a clock
// without summer time whose hands show what the zone's wall clock shows; only
// the outcome is taken into the zone. So no time is skipped or met twice.
func (s Schedule) Next(t time.Time) time.Time {
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

// onFace is the time at which a clock in zone shows what t shows, the first of
// two when the clock is put back. A time that the clock jumps over is what the
// clock would have shown without the jump.
func onFace(t time.Time, zone *time.Location) time.Time {
	at := time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), zone)
	_, before := at.Add(-3 * time.Hour).Zone()
	_, now := at.Zone()
	if first := at.Add(time.Duration(now-before) * time.Second); before > now && sameFace(first, t) {
		return first
	}
	return at
}

func sameFace(a, b time.Time) bool {
	return a.Format(time.DateTime) == b.Format(time.DateTime)
}
