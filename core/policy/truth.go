package policy

// Truth is the outcome of a condition: it holds, it does not, or the data to
// tell has not arrived.
type Truth int8

// The truth values, ordered so that "and" is the least and "or" the greatest.
const (
	No Truth = iota
	Unknown
	Yes
)

// String is how an explanation says it.
func (t Truth) String() string {
	switch t {
	case Yes:
		return "match"
	case Unknown:
		return "unknown"
	}
	return "no match"
}

func truth(b bool) Truth {
	if b {
		return Yes
	}
	return No
}

func and(a, b Truth) Truth { return min(a, b) }

func or(a, b Truth) Truth { return max(a, b) }

// not leaves Unknown as it is.
func not(t Truth) Truth { return Yes - t }
