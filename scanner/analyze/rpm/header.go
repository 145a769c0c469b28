package rpm

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"path"
	"strconv"
	"strings"

	"github.com/muster-sec/muster/scanner/inventory"
)

// The tags of a header that matter here, and the types of their values, as
// rpm's lib/rpmtag.h numbers them.
const (
	tagName       = 1000
	tagVersion    = 1001
	tagRelease    = 1002
	tagEpoch      = 1003
	tagVendor     = 1011
	tagArch       = 1022
	tagSourceRpm  = 1044
	tagDirIndexes = 1116
	tagBaseNames  = 1117
	tagDirNames   = 1118
	tagModularity = 5096

	typeInt32       = 4
	typeString      = 6
	typeStringArray = 8
	typeI18NString  = 9
)

const (
	indexEntryBytes = 16
	// maxTags bounds the tags of a header; rpm knows some three hundred.
	maxTags = 65536
)

// header is a package's header as far as it matters.
type header struct {
	name, version, release, arch, sourceRpm, vendor, modularity string
	epoch                                                       uint32
	// The files, as parts of the raw header: directories and base names are
	// strings that end with zero, indexes are 32-bit numbers.
	dirNames, baseNames, dirIndexes []byte
	files32                         uint32
}

// parseHeader reads a header blob: the numbers of index entries and of data
// bytes, the index (tag, type, offset, count), the data; all big-endian. The
// strings of the result are copies, its file lists are not.
func parseHeader(raw []byte) (header, error) {
	var h header
	if len(raw) < 8 {
		return h, fmt.Errorf("%w: header of %d bytes", errMalformed, len(raw))
	}
	tags, size := binary.BigEndian.Uint32(raw), binary.BigEndian.Uint32(raw[4:])
	if tags > maxTags || uint64(len(raw)) < 8+uint64(tags)*indexEntryBytes+uint64(size) {
		return h, fmt.Errorf("%w: header says %d tags and %d bytes in %d", errMalformed, tags, size, len(raw))
	}
	index := raw[8 : 8+tags*indexEntryBytes]
	data := raw[len(index)+8:][:size]
	for ; len(index) > 0; index = index[indexEntryBytes:] {
		tag, kind := binary.BigEndian.Uint32(index), binary.BigEndian.Uint32(index[4:])
		offset, count := binary.BigEndian.Uint32(index[8:]), binary.BigEndian.Uint32(index[12:])
		if offset > size {
			// Region tags count from the end of the data; none of them is wanted.
			continue
		}
		h.set(tag, kind, count, data[offset:])
	}
	if h.name == "" || h.version == "" {
		return h, fmt.Errorf("%w: package without name or version", errMalformed)
	}
	return h, nil
}

func (h *header) set(tag, kind, count uint32, value []byte) {
	if kind == typeString || kind == typeI18NString {
		if field := h.text(tag); field != nil {
			*field = cString(value)
		}
		return
	}
	switch {
	case tag == tagEpoch && kind == typeInt32 && len(value) >= 4:
		h.epoch = binary.BigEndian.Uint32(value)
	case tag == tagDirIndexes && kind == typeInt32 && uint64(len(value)) >= uint64(count)*4:
		h.dirIndexes = value[:count*4]
	case tag == tagBaseNames && kind == typeStringArray:
		h.baseNames, h.files32 = value, count
	case tag == tagDirNames && kind == typeStringArray:
		h.dirNames = value
	}
}

// text returns the field of a tag that holds one string.
func (h *header) text(tag uint32) *string {
	switch tag {
	case tagName:
		return &h.name
	case tagVersion:
		return &h.version
	case tagRelease:
		return &h.release
	case tagVendor:
		return &h.vendor
	case tagArch:
		return &h.arch
	case tagSourceRpm:
		return &h.sourceRpm
	case tagModularity:
		return &h.modularity
	}
	return nil
}

// cString returns a copy of what stands before the first zero, "" for the word
// that rpm writes for nothing.
func cString(value []byte) string {
	if end := bytes.IndexByte(value, 0); end >= 0 {
		value = value[:end]
	}
	if string(value) == "(none)" {
		return ""
	}
	return string(value)
}

// files calls owned with each file of the package, without a leading slash.
func (h *header) files(owned func(path string)) {
	if uint64(len(h.dirIndexes)) != uint64(h.files32)*4 {
		return
	}
	var dirs []string
	rest := h.dirNames
	for range h.files32 { // there are no more directories than files
		dir, after, ok := bytes.Cut(rest, []byte{0})
		if !ok {
			break
		}
		dirs, rest = append(dirs, string(dir)), after
	}
	base := h.baseNames
	for indexes := h.dirIndexes; len(indexes) > 0; indexes = indexes[4:] {
		name, after, ok := bytes.Cut(base, []byte{0})
		dir := binary.BigEndian.Uint32(indexes)
		if !ok || uint64(dir) >= uint64(len(dirs)) {
			return
		}
		base = after
		owned(strings.TrimLeft(path.Join(dirs[dir], string(name)), "/"))
	}
}

// toPackage returns what the header says in the form of an inventory.
func (h *header) toPackage() (inventory.Package, error) {
	for _, word := range []string{h.name, h.version, h.release} {
		if len(word) > 1024 || strings.ContainsAny(word, "\n\t ") {
			return inventory.Package{}, fmt.Errorf("%w: package %.100q has a name or version that rpm does not allow", errMalformed, h.name)
		}
	}
	p := inventory.Package{
		Name: h.name, Version: fullVersion(h.epoch, h.version, h.release), Arch: h.arch,
		Module: moduleStream(h.modularity), ThirdParty: !h.ofDistribution(),
	}
	setSource(&p, h.sourceRpm, h.epoch)
	return p, nil
}

func fullVersion(epoch uint32, version, release string) string {
	if release != "" {
		version += "-" + release
	}
	if epoch != 0 {
		version = strconv.FormatUint(uint64(epoch), 10) + ":" + version
	}
	return version
}

// setSource reads a source package's file name, "name-version-release.arch.rpm".
// It has no epoch; the package's own is taken.
func setSource(p *inventory.Package, file string, epoch uint32) {
	file = strings.TrimSuffix(file, ".rpm")
	arch := strings.LastIndexByte(file, '.')
	if arch < 0 {
		return
	}
	release := strings.LastIndexByte(file[:arch], '-')
	if release < 0 {
		return
	}
	version := strings.LastIndexByte(file[:release], '-')
	if version < 0 {
		return
	}
	if name := file[:version]; name != p.Name {
		p.SourceName = name
	}
	if v := fullVersion(epoch, file[version+1:release], file[release+1:arch]); v != p.Version {
		p.SourceVersion = v
	}
}

// moduleStream cuts "nodejs:12:8030020201124152102:229f0a1c" down to module and
// stream.
func moduleStream(label string) string {
	parts := strings.SplitN(label, ":", 3)
	if len(parts) < 3 {
		return ""
	}
	return parts[0] + ":" + parts[1]
}

// ofDistribution reports whether the vendor is a distribution, which are the
// only ones whose advisories are known. Amazon's packages may have no vendor.
func (h *header) ofDistribution() bool {
	if h.vendor == "" {
		return strings.Contains(h.release, "amzn")
	}
	for _, vendor := range []string{
		"AlmaLinux", "Amazon Linux", "Amazon.com", "CentOS", "CloudLinux", "Fedora Project", "Microsoft Corporation",
		"Oracle America", "Red Hat", "Rocky", "SUSE", "VMware", "openSUSE",
	} {
		if strings.HasPrefix(h.vendor, vendor) {
			return true
		}
	}
	return false
}
