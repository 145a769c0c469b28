package client

import "testing"

// FuzzParseRefusal: whatever answers, the error says something.
func FuzzParseRefusal(f *testing.F) {
	f.Add([]byte(`{"code": 7, "error": "Conflict", "message": "it exists", "hint": "remove it"}`))
	f.Add([]byte(`{"code": "seven"}`))
	f.Add([]byte(`<html>`))
	f.Fuzz(func(t *testing.T, data []byte) {
		e := &Error{Status: 502, Title: "Bad Gateway"}
		parseRefusal(e, data)
		if e.Error() == "" {
			t.Error("an error without words")
		}
	})
}
