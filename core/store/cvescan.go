package store

import (
	"bytes"
	"encoding/json"
	"errors"

	"github.com/muster-sec/muster/core/model"
	"github.com/muster-sec/muster/core/policy"
)

// scanCVEs reads ids and severities, and nothing else, out of a finding list's
// JSON: an image may have thousands of findings, and a pod waits. Full decoding
// took ten times as long and was most of a decision.
//
// It relies on two things. Lists are written by [model.FindingList], without
// white space and each finding's id first; their hash proves it. And within a
// JSON string quotation marks are escaped, so that the marks looked for occur
// nowhere but where they mean themselves.
func scanCVEs(list []byte) ([]policy.CVE, error) {
	idMark, severityMark := []byte(`{"id":`), []byte(`,"severity":`)
	cves := make([]policy.CVE, 0, bytes.Count(list, idMark))
	for {
		i := bytes.Index(list, idMark)
		if i < 0 {
			return cves, nil
		}
		id, rest, err := cutString(list[i+len(idMark):])
		if err != nil {
			return nil, err
		}
		i = bytes.Index(rest, severityMark)
		if i < 0 {
			return nil, errors.New("a finding has no severity")
		}
		severity, rest, err := cutString(rest[i+len(severityMark):])
		if err != nil {
			return nil, err
		}
		cves = append(cves, policy.CVE{ID: id, Severity: knownSeverity(severity)})
		list = rest
	}
}

// cutString reads the JSON string that b begins with.
func cutString(b []byte) (s string, rest []byte, err error) {
	if len(b) == 0 || b[0] != '"' {
		return "", nil, errors.New("no string where one belongs")
	}
	for i := 1; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++ // whatever is escaped ends nothing
		case '"':
			if raw := b[1:i]; bytes.IndexByte(raw, '\\') < 0 {
				return string(raw), b[i+1:], nil
			}
			err := json.Unmarshal(b[:i+1], &s)
			return s, b[i+1:], err
		}
	}
	return "", nil, errors.New("a string does not end")
}

// knownSeverity gives the constant instead of one more copy of the word.
func knownSeverity(s string) model.Severity {
	switch sev := model.Severity(s); sev {
	case model.Critical:
		return model.Critical
	case model.High:
		return model.High
	case model.Medium:
		return model.Medium
	case model.Low:
		return model.Low
	}
	return model.Unknown
}
