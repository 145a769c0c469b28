package cmd

import (
	"fmt"
	"strings"
	"time"

	"github.com/muster-sec/muster/core/httpapi/api"
)

// integer is any count that is shown.
type integer interface{ ~int | ~int64 | ~uint64 }

// plural counts things: "1 cluster", "3 clusters".
func plural[N integer](n N, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// ratio is "part of whole".
func ratio[N integer](part, whole N) string { return fmt.Sprintf("%d of %d", part, whole) }

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// itemsOf wraps a list made here as the API wraps its own.
func itemsOf[T any](items []T) api.List[T] { return api.List[T]{Items: items} }

// offset shows a clock difference with its sign.
func offset(ms int64) string {
	return fmt.Sprintf("%+.3fs", (time.Duration(ms) * time.Millisecond).Seconds())
}

// severities are the words of findings, worst first.
func severities() []string { return []string{"critical", "high", "medium", "low", "unknown"} }

// counts shows findings by severity in one cell, worst first.
func counts(c api.Counts) string {
	return fmt.Sprintf("%d/%d/%d/%d/%d", c.Critical, c.High, c.Medium, c.Low, c.Unknown)
}

// countsTitle heads the column of counts.
const countsTitle = "CRIT/HIGH/MED/LOW/UNKN"

// atLeast is how many findings are at least as severe as a word of severities.
func atLeast(c api.Counts, severity string) (int, error) {
	n := 0
	for i, of := range []int{c.Critical, c.High, c.Medium, c.Low, c.Unknown} {
		n += of
		if severities()[i] == strings.ToLower(severity) {
			return n, nil
		}
	}
	return 0, usagef("%q is not a severity: use %s", severity, strings.Join(severities(), ", "))
}
