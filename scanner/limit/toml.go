package limit

import "bytes"

// TOMLDepth returns how deeply arrays and inline tables are nested in a TOML
// document, counted without decoding it: decoders recurse, and a stack that is
// exhausted ends the process. What follows a syntax error counts for nothing,
// because decoders stop there.
func TOMLDepth(data []byte) int64 {
	var depth, deepest int64
	for i := 0; i < len(data); {
		switch data[i] {
		case '#':
			i += length(data[i:], "\n")
			continue
		case '"', '\'':
			i += tomlString(data[i:])
			continue
		case '[', '{':
			depth++
			deepest = max(deepest, depth)
		case ']', '}':
			depth = max(0, depth-1)
		}
		i++
	}
	return deepest
}

// tomlString returns the length of the string at the beginning of data.
func tomlString(data []byte) int {
	quote := data[:1]
	escapes := quote[0] == '"'
	if triple := bytes.Repeat(quote, 3); bytes.HasPrefix(data, triple) {
		for i := 3; i < len(data); i++ {
			switch {
			case escapes && data[i] == '\\':
				i++
			case bytes.HasPrefix(data[i:], triple):
				// Two quotes before the closing ones belong to the text.
				for i += 3; i < len(data) && data[i] == quote[0]; i++ {
				}
				return i
			}
		}
		return len(data)
	}
	for i := 1; i < len(data); i++ {
		switch {
		case escapes && data[i] == '\\':
			i++
		case data[i] == quote[0] || data[i] == '\n':
			return i + 1
		}
	}
	return len(data)
}

// length returns how many bytes there are up to the mark, and with it.
func length(data []byte, mark string) int {
	if i := bytes.Index(data, []byte(mark)); i >= 0 {
		return i + len(mark)
	}
	return len(data)
}
