package layer

import (
	"path"
	"strings"
)

type whiteoutKind int

const (
	notWhiteout whiteoutKind = iota
	deletes
	opaque
)

const (
	whiteoutPrefix = ".wh."
	opaqueMarker   = ".wh..wh..opq"
)

// whiteout tells what an entry with this clean path means, as the OCI image
// specification ("layer.md", whiteouts) defines it: a file .wh.NAME deletes NAME
// of the lower layers, .wh..wh..opq hides all of its directory's lower content.
// The target of an opaque marker is the directory, "" for the root. Other names
// that begin with .wh..wh. belong to old storage drivers and mean nothing.
func whiteout(name string) (kind whiteoutKind, target string) {
	dir, base := path.Split(name)
	dir = strings.TrimSuffix(dir, "/")
	switch {
	case base == opaqueMarker:
		return opaque, dir
	case !strings.HasPrefix(base, whiteoutPrefix):
		return notWhiteout, ""
	case strings.HasPrefix(base, whiteoutPrefix+whiteoutPrefix):
		return notWhiteout, ""
	}
	switch victim := strings.TrimPrefix(base, whiteoutPrefix); victim {
	case "", ".", "..": // names no file of this directory
		return notWhiteout, ""
	default:
		return deletes, path.Join(dir, victim)
	}
}
