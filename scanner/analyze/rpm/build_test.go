package rpm

import (
	"database/sql"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	_ "modernc.org/sqlite" // the engine that writes what the reader is tested with
)

// spec describes a package to put into a database.
type spec struct {
	name, version, release, arch, vendor, source, module string
	epoch                                                uint32
	files                                                []string
}

func samples() []spec {
	return []spec{
		{name: "bash", version: "5.1.8", release: "6.el9", arch: "x86_64", vendor: "AlmaLinux",
			source: "bash-5.1.8-6.el9.src.rpm", files: []string{"/usr/bin/bash", "/etc/skel/.bashrc"}},
		{name: "openssl-libs", version: "3.0.7", release: "1.el9", arch: "x86_64", vendor: "AlmaLinux",
			source: "openssl-3.0.7-1.el9.src.rpm", epoch: 1, files: manyFiles()},
		{name: "npm", version: "6.14.8", release: "1.module_el8", arch: "noarch", vendor: "AlmaLinux",
			source: "nodejs-12.19.1-1.module_el8.src.rpm", module: "nodejs:12:8030020201124152102:229f0a1c"},
		{name: "docker-ce", version: "20.10", release: "3", arch: "x86_64", vendor: "Docker", files: []string{"/usr/bin/dockerd"}},
	}
}

// manyFiles make a header that takes several pages in every format.
func manyFiles() []string {
	var files []string
	for i := range 3000 {
		files = append(files, "/usr/share/openssl/"+strings.Repeat("d", i%50)+"/file"+string(rune('a'+i%26)))
	}
	return files
}

type tagValue struct {
	tag, kind, count uint32
	value            []byte
}

// header encodes a package as rpm stores it, with the region tag that comes first.
func (s spec) header() []byte {
	text := func(tag uint32, v string) tagValue { return tagValue{tag, typeString, 1, append([]byte(v), 0)} }
	tags := []tagValue{text(tagName, s.name), text(tagVersion, s.version), text(tagRelease, s.release)}
	if s.epoch != 0 {
		tags = append(tags, tagValue{tagEpoch, typeInt32, 1, binary.BigEndian.AppendUint32(nil, s.epoch)})
	}
	for tag, v := range map[uint32]string{tagVendor: s.vendor, tagArch: s.arch, tagSourceRpm: s.source, tagModularity: s.module} {
		if v != "" {
			tags = append(tags, text(tag, v))
		}
	}
	if len(s.files) > 0 {
		var dirs, bases, indexes []byte
		known := map[string]uint32{}
		for _, f := range s.files {
			dir := f[:strings.LastIndexByte(f, '/')+1]
			if _, ok := known[dir]; !ok {
				known[dir] = uint32(len(known))
				dirs = append(append(dirs, dir...), 0)
			}
			bases = append(append(bases, f[len(dir):]...), 0)
			indexes = binary.BigEndian.AppendUint32(indexes, known[dir])
		}
		n := uint32(len(s.files))
		tags = append(tags, tagValue{tagDirIndexes, typeInt32, n, indexes},
			tagValue{tagBaseNames, typeStringArray, n, bases}, tagValue{tagDirNames, typeStringArray, uint32(len(known)), dirs})
	}
	return encodeHeader(tags)
}

func encodeHeader(tags []tagValue) []byte {
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
	data = append(data, make([]byte, 16)...)
	raw := binary.BigEndian.AppendUint32(nil, uint32(len(tags)+1))
	raw = binary.BigEndian.AppendUint32(raw, uint32(len(data)))
	return append(append(append(raw, region...), index...), data...)
}

// sqliteFile lets the real engine write a database of headers.
func sqliteFile(tb testing.TB, headers ...[]byte) []byte {
	tb.Helper()
	file := filepath.Join(tb.TempDir(), "rpmdb.sqlite")
	db, err := sql.Open("sqlite", file)
	if err != nil {
		tb.Fatal(err)
	}
	for _, statement := range []string{
		`CREATE TABLE 'Name' (key TEXT, hnum INTEGER, idx INTEGER)`,
		`CREATE TABLE 'Packages' (hnum INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB NOT NULL)`,
	} {
		if _, err := db.Exec(statement); err != nil {
			tb.Fatal(err)
		}
	}
	tx, err := db.Begin()
	if err != nil {
		tb.Fatal(err)
	}
	for _, h := range headers {
		if _, err := tx.Exec(`INSERT INTO Packages (blob) VALUES (?)`, h); err != nil {
			tb.Fatal(err)
		}
	}
	if err := tx.Commit(); err != nil {
		tb.Fatal(err)
	}
	if err := db.Close(); err != nil {
		tb.Fatal(err)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

// ndbFile writes one page of slots and the blobs behind it.
func ndbFile(headers ...[]byte) []byte {
	le := binary.LittleEndian
	data := make([]byte, ndbPageBytes)
	copy(data, ndbMagic)
	le.PutUint32(data[12:], 1)
	for slot := ndbHeaderBytes; slot < ndbPageBytes; slot += ndbSlotBytes {
		copy(data[slot:], ndbSlotMagic)
	}
	for i, h := range headers {
		slot := data[ndbHeaderBytes+i*ndbSlotBytes:]
		le.PutUint32(slot[4:], uint32(i+1))
		le.PutUint32(slot[8:], uint32(len(data)/ndbBlockBytes))
		blob := make([]byte, ndbBlobHeader, ndbBlobHeader+len(h))
		copy(blob, ndbBlobMagic)
		le.PutUint32(blob[4:], uint32(i+1))
		le.PutUint32(blob[12:], uint32(len(h)))
		data = append(data, append(blob, h...)...)
		for len(data)%ndbBlockBytes != 0 {
			data = append(data, 0)
		}
	}
	return data
}

// berkeleyFile writes a page of metadata, one of pairs, and the overflow pages.
func berkeleyFile(order binary.ByteOrder, headers ...[]byte) []byte {
	const size = 4096
	meta, pairs := make([]byte, size), make([]byte, size)
	order.PutUint32(meta[12:], berkeleyMagic)
	order.PutUint32(meta[20:], size)
	meta[25] = 8
	order.PutUint32(pairs[8:], 1)
	order.PutUint16(pairs[20:], uint16(2*len(headers)))
	pairs[25] = berkeleyHash
	var overflow []byte
	next, free := uint32(2), size
	for i, h := range headers {
		free -= 5
		order.PutUint16(pairs[berkeleyHeader+i*4:], uint16(free))
		pairs[free] = 1
		free -= berkeleyOffPageLen
		order.PutUint16(pairs[berkeleyHeader+i*4+2:], uint16(free))
		pairs[free] = berkeleyOffPage
		order.PutUint32(pairs[free+4:], next)
		order.PutUint32(pairs[free+8:], uint32(len(h)))
		for len(h) > 0 {
			part := h[:min(len(h), size-berkeleyHeader)]
			h = h[len(part):]
			page := make([]byte, size)
			page[25] = berkeleyOverflow
			order.PutUint16(page[22:], uint16(len(part)))
			copy(page[berkeleyHeader:], part)
			next++
			if len(h) > 0 {
				order.PutUint32(page[16:], next)
			}
			overflow = append(overflow, page...)
		}
	}
	return append(append(meta, pairs...), overflow...)
}

func headersOf(specs []spec) [][]byte {
	var headers [][]byte
	for _, s := range specs {
		headers = append(headers, s.header())
	}
	return headers
}
