package plughost

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func lines(write func(*logLines)) string {
	var out bytes.Buffer
	secrets := masker{}
	secrets.add("hunter2")
	write(newLogLines(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{
		Level: slog.LevelDebug,
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey && len(groups) == 0 {
				return slog.Attr{}
			}
			return a
		},
	})), secrets.mask))
	return out.String()
}

func TestLogLines(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ in, want string }{
		"slog": {
			`{"time":"x","level":"ERROR","msg":"boo","n":1,"deep":{"a":[1]}}` + "\n",
			`level=ERROR msg="plugin log" text=boo plugin_deep=map[a:[1]] plugin_n=1`,
		},
		"hclog":           {`{"@level":"debug","@message":"boo","@module":"m"}` + "\n", `level=DEBUG msg="plugin log" text=boo plugin_@module=m`},
		"wrong types":     {`{"@message":1,"@level":{},"@timestamp":[]}` + "\n", `level=INFO msg="plugin log" text=1`},
		"text":            {"hello\n", `level=INFO msg="plugin log" text=hello`},
		"panic":           {"panic: boo\n", `level=ERROR msg="plugin log" text="panic: boo"`},
		"not UTF-8":       {"a\xff\n", "text=\"a\uFFFD\""},
		"several":         {"a\n\n  \nb\n", "text=b"},
		"secret":          {"login as me:hunter2\n", `text="login as me:****"`},
		"unfinished":      {"no end", ""},
		"a broken object": {"{\n", "text={"},
		"null":            {"null\n", "text=null"},
	}
	for name, tt := range tests {
		got := lines(func(l *logLines) {
			for i := range tt.in { // in the smallest pieces
				fmt.Fprint(l, tt.in[i:i+1])
			}
		})
		if !strings.Contains(got, tt.want) || tt.want == "" && got != "" {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

func TestLogLinesAreBounded(t *testing.T) {
	t.Parallel()
	long := lines(func(l *logLines) { fmt.Fprintln(l, strings.Repeat("x", 1<<20)); fmt.Fprintln(l, "next") })
	if len(long) > maxLine+200 || !strings.Contains(long, "truncated=true") || !strings.Contains(long, "text=next") {
		t.Errorf("a long line becomes %d bytes", len(long))
	}
	flood := lines(func(l *logLines) {
		for range 10 * lineBurst {
			fmt.Fprintln(l, "flood")
		}
	})
	if n := strings.Count(flood, "\n"); n < lineBurst || n > 2*lineBurst {
		t.Errorf("of %d lines %d were forwarded", 10*lineBurst, n)
	}
	wide := lines(func(l *logLines) {
		var b strings.Builder
		for i := range 200 {
			fmt.Fprintf(&b, `,"k%d":%d`, i, i)
		}
		fmt.Fprintln(l, `{"msg":"x"`+b.String()+"}")
	})
	if n := strings.Count(wide, "plugin_k"); n != maxLineAttrs {
		t.Errorf("%d attributes were forwarded", n)
	}
}

func FuzzLogLines(f *testing.F) {
	f.Add([]byte("{\"@message\":1}\n"), 1)
	f.Add([]byte("{\"msg\":\"x\",\"level\":null}\nplain\n"), 3)
	f.Add([]byte("\n\n{\n}\n"), 2)
	f.Fuzz(func(t *testing.T, out []byte, piece int) {
		l := newLogLines(slog.New(slog.NewJSONHandler(new(bytes.Buffer), nil)), new(masker).mask)
		piece = max(1, min(piece, len(out)))
		for len(out) > 0 {
			n := min(piece, len(out))
			if m, err := l.Write(out[:n]); m != n || err != nil {
				t.Fatalf("Write: %d, %v", m, err)
			}
			out = out[n:]
		}
	})
}
