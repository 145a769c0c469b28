package plughost

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"golang.org/x/time/rate"
)

const (
	maxLine      = 8 << 10 // bytes of a line that are kept
	maxLineAttrs = 24      // attributes of a line that are kept
	linesPerSec  = 100
	lineBurst    = 500
)

// logLines takes what a plugin writes to stderr and forwards it, line by line,
// to a logger. It believes nothing: lines may be of any length, rate, and
// shape. JSON objects become records with their attributes, everything else
// becomes a record with the line as text. It is an io.Writer that never fails.
type logLines struct {
	log   *slog.Logger
	mask  func(string) string // takes secrets out
	limit *rate.Limiter

	mu      sync.Mutex
	line    []byte
	cut     bool // the line was longer than maxLine
	dropped int  // lines over the rate, not yet told of
}

func newLogLines(log *slog.Logger, mask func(string) string) *logLines {
	return &logLines{log: log, mask: mask, limit: rate.NewLimiter(linesPerSec, lineBurst)}
}

// Write takes any piece of the output.
func (l *logLines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for rest := p; len(rest) > 0; {
		piece, after, ended := bytes.Cut(rest, []byte{'\n'})
		room := maxLine - len(l.line)
		if len(piece) > room {
			piece, l.cut = piece[:room], true
		}
		l.line = append(l.line, piece...)
		if ended {
			l.forward()
			l.line, l.cut = l.line[:0], false
		}
		rest = after
	}
	return len(p), nil
}

func (l *logLines) forward() {
	line := bytes.TrimSpace(l.line)
	if len(line) == 0 {
		return
	}
	if !l.limit.Allow() {
		l.dropped++
		return
	}
	ctx := context.Background()
	if l.dropped > 0 {
		l.log.WarnContext(ctx, "plugin log lines dropped", "lines", l.dropped)
		l.dropped = 0
	}
	level, attrs := readLine([]byte(l.mask(string(line))))
	if l.cut {
		attrs = append(attrs, slog.Bool("truncated", true))
	}
	l.log.LogAttrs(ctx, level, "plugin log", attrs...)
}

// readLine reads a line as the JSON of log/slog or hclog, or else as text.
func readLine(line []byte) (slog.Level, []slog.Attr) {
	var fields map[string]any
	if line[0] != '{' || json.Unmarshal(line, &fields) != nil {
		return textLevel(line), []slog.Attr{slog.String("text", strings.ToValidUTF8(string(line), "\uFFFD"))}
	}
	level := slog.LevelInfo
	text := ""
	keys := make([]string, 0, len(fields))
	for key, value := range fields {
		switch strings.TrimPrefix(key, "@") {
		case "time", "timestamp":
		case "level":
			level = parseLevel(value)
		case "msg", "message":
			text = fmt.Sprint(value)
		default:
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	attrs := []slog.Attr{slog.String("text", text)}
	for _, key := range keys[:min(len(keys), maxLineAttrs)] {
		attrs = append(attrs, slog.Any("plugin_"+key, fields[key]))
	}
	return level, attrs
}

func parseLevel(v any) slog.Level {
	switch s, _ := v.(string); strings.ToLower(s) {
	case "trace", "debug":
		return slog.LevelDebug
	case "warn", "warning":
		return slog.LevelWarn
	case "error", "fatal", "panic":
		return slog.LevelError
	default:
		return slog.LevelInfo
	}
}

// textLevel shows what Go's runtime says when it ends a process.
func textLevel(line []byte) slog.Level {
	for _, prefix := range []string{"panic:", "fatal error:", "runtime:", "SIGSEGV"} {
		if bytes.HasPrefix(line, []byte(prefix)) {
			return slog.LevelError
		}
	}
	return slog.LevelInfo
}
