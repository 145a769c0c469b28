package report

import (
	"testing"
	"time"

	"github.com/muster-sec/muster/scanner/inventory"
)

func TestEnded(t *testing.T) {
	t.Parallel()
	last := time.Date(2024, 6, 30, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		end  *time.Time
		now  time.Time
		want bool
	}{
		{nil, last.AddDate(9, 0, 0), false},
		{&last, last.Add(-time.Hour), false},
		{&last, last.Add(23 * time.Hour), false}, // the last day counts
		{&last, last.Add(25 * time.Hour), true},
	} {
		if got := (Document{Created: c.now}).ended(Image{EndOfLife: c.end}); got != c.want {
			t.Errorf("%v at %v: %v", c.end, c.now, got)
		}
	}
}

func TestSystemName(t *testing.T) {
	t.Parallel()
	for want, os := range map[string]inventory.OS{
		"Debian 10":                    {Family: "debian", Version: "10.13"},
		"CentOS 7.9.2009":              {Family: "centos", Version: "7.9.2009"},
		"Amazon Linux 2":               {Family: "amazon", Version: "2 (Karoo)"},
		"SUSE Linux Enterprise 15.3":   {Family: "sles", Version: "15.3"},
		"some?thing":                   {Family: "some\nthing"},
		"Red Hat Enterprise Linux 7.9": {Family: "redhat", Version: "7.9"},
	} {
		if got := systemName(os); got != want {
			t.Errorf("%+v: %q, want %q", os, got, want)
		}
	}
}
