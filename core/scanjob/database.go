package scanjob

import (
	"github.com/muster-sec/muster/core/model"
	"github.com/muster-sec/muster/scanner/match"
	"github.com/muster-sec/muster/scanner/vulndb"
)

// dbMatcher is the scanner library's matcher with the version of its database.
type dbMatcher struct {
	*match.Matcher
	version model.DBVersion
}

var _ Matcher = dbMatcher{}

// NewMatcher makes a matcher over a database, which must stay open until
// UseMatcher has returned with the next one.
func NewMatcher(db *vulndb.DB) Matcher {
	return &dbMatcher{match.New(db), model.DBVersion{Revision: db.Revision(), UpdatedAt: db.Metadata().UpdatedAt.UTC()}}
}

// Version implements Matcher.
func (m dbMatcher) Version() model.DBVersion { return m.version }
