package redhat

import (
	"strings"

	"github.com/muster-sec/muster/scanner/words"
)

// labels reads the labels of component and architecture out of a Dockerfile as
// Red Hat's build system writes it: LABEL and ENV instructions of name=value
// pairs, quoted or not, continued over lines, with $NAME or ${NAME} in values.
// It is not a general reader of Dockerfiles.
func labels(text string) (component, arch string) {
	env := map[string]string{}
	text = strings.NewReplacer("\\\r\n", " ", "\\\n", " ").Replace(text)
	for line := range strings.Lines(text) {
		instruction, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch strings.ToUpper(instruction) {
		case "ENV", "ARG":
			for name, value := range pairs(rest, env) {
				env[name] = value
			}
		case "LABEL":
			for name, value := range pairs(rest, env) {
				switch strings.ToLower(name) {
				case "com.redhat.component", "bzcomponent":
					component = value
				case "architecture":
					arch = value
				}
			}
		}
	}
	return component, arch
}

// pairs yields what a line of name=value pairs sets; "NAME value" is the old form
// of a single one.
func pairs(text string, env map[string]string) func(yield func(name, value string) bool) {
	return func(yield func(name, value string) bool) {
		parts := words.Split(text)
		if len(parts) == 2 && !strings.Contains(parts[0], "=") {
			yield(parts[0], expand(parts[1], env))
			return
		}
		for _, word := range parts {
			if name, value, ok := strings.Cut(word, "="); ok && !yield(name, expand(value, env)) {
				return
			}
		}
	}
}

// maxValue bounds an expanded value: each variable may name the one before twice.
const maxValue = 4096

func expand(value string, env map[string]string) string {
	if !strings.Contains(value, "$") {
		return value
	}
	var out strings.Builder
	for value != "" && out.Len() < maxValue {
		before, after, found := strings.Cut(value, "$")
		out.WriteString(before)
		if !found {
			break
		}
		name := after[:nameLength(after)]
		rest := after[len(name):]
		if strings.HasPrefix(after, "{") {
			if inside, behind, ok := strings.Cut(after[1:], "}"); ok {
				name, rest = inside, behind
			}
		}
		out.WriteString(env[name])
		value = rest
	}
	return out.String()[:min(out.Len(), maxValue)]
}

func nameLength(text string) int {
	for i, c := range text {
		if c != '_' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return i
		}
	}
	return len(text)
}
