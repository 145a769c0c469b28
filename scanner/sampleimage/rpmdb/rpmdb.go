// Package rpmdb writes databases of the RPM package manager in memory: for
// tests and for the images that package sampleimage builds.
package rpmdb

import (
	"encoding/binary"
	"strings"
)

// Package is a package to put into a database.
type Package struct {
	Name, Version, Release, Arch, Vendor string
	// SourceRPM is the file name of the source package.
	SourceRPM string
	// Module is the modularity label, "name:stream:version:context".
	Module string
	Epoch  uint32
	// Files are absolute paths.
	Files []string
}

// The tags and types of values that are written, as rpm's lib/rpmtag.h numbers them.
const (
	tagName       = 1000
	tagVersion    = 1001
	tagRelease    = 1002
	tagEpoch      = 1003
	tagVendor     = 1011
	tagArch       = 1022
	tagSourceRPM  = 1044
	tagDirIndexes = 1116
	tagBaseNames  = 1117
	tagDirNames   = 1118
	tagModularity = 5096

	typeInt32       = 4
	typeString      = 6
	typeStringArray = 8
)

type tagValue struct {
	tag, kind, count uint32
	value            []byte
}

// Header returns the package as rpm stores it, with the region tag that comes first.
func (p Package) Header() []byte {
	var tags []tagValue
	for _, t := range []struct {
		tag  uint32
		text string
	}{
		{tagName, p.Name}, {tagVersion, p.Version}, {tagRelease, p.Release}, {tagVendor, p.Vendor},
		{tagArch, p.Arch}, {tagSourceRPM, p.SourceRPM}, {tagModularity, p.Module},
	} {
		if t.text != "" || t.tag <= tagRelease {
			tags = append(tags, tagValue{t.tag, typeString, 1, append([]byte(t.text), 0)})
		}
	}
	if p.Epoch != 0 {
		tags = append(tags, tagValue{tagEpoch, typeInt32, 1, binary.BigEndian.AppendUint32(nil, p.Epoch)})
	}
	return encode(append(tags, p.files()...))
}

// Headers returns packages as rpm stores them.
func Headers(packages ...Package) [][]byte {
	var headers [][]byte
	for _, p := range packages {
		headers = append(headers, p.Header())
	}
	return headers
}

// files are the three lists in which rpm keeps a package's files.
func (p Package) files() []tagValue {
	if len(p.Files) == 0 {
		return nil
	}
	var dirs, bases, indexes []byte
	known := map[string]uint32{}
	for _, f := range p.Files {
		dir := f[:strings.LastIndexByte(f, '/')+1]
		if _, ok := known[dir]; !ok {
			known[dir] = uint32(len(known))
			dirs = append(append(dirs, dir...), 0)
		}
		bases = append(append(bases, f[len(dir):]...), 0)
		indexes = binary.BigEndian.AppendUint32(indexes, known[dir])
	}
	n := uint32(len(p.Files))
	return []tagValue{
		{tagDirIndexes, typeInt32, n, indexes},
		{tagBaseNames, typeStringArray, n, bases},
		{tagDirNames, typeStringArray, uint32(len(known)), dirs},
	}
}

func encode(tags []tagValue) []byte {
	var index, data []byte
	for _, t := range tags {
		for t.kind == typeInt32 && len(data)%4 != 0 {
			data = append(data, 0)
		}
		for _, v := range []uint32{t.tag, t.kind, uint32(len(data)), t.count} {
			index = binary.BigEndian.AppendUint32(index, v)
		}
		data = append(data, t.value...)
	}
	var region []byte
	for _, v := range []uint32{63, 7, uint32(len(data)), 16} {
		region = binary.BigEndian.AppendUint32(region, v)
	}
	// The region's trailer says, as a negative offset, how long the index is.
	var trailer []byte
	for _, v := range []uint32{63, 7, -uint32(16 * (len(tags) + 1)), 16} {
		trailer = binary.BigEndian.AppendUint32(trailer, v)
	}
	data = append(data, trailer...)
	raw := binary.BigEndian.AppendUint32(nil, uint32(len(tags)+1))
	raw = binary.BigEndian.AppendUint32(raw, uint32(len(data)))
	return append(append(append(raw, region...), index...), data...)
}
