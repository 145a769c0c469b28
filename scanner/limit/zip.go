package limit

import (
	"bytes"
	"encoding/binary"
)

// The signatures of a zip's directory entries and of its end, and the least
// length of the end.
const (
	zipEntry    = "PK\x01\x02"
	zipEnd      = "PK\x05\x06"
	zipEndBytes = 22
)

// ZipEntries returns at most how many files the directory of a zip archive may
// name, without reading it: a reader takes some hundred bytes of memory for each,
// and the directory's own count need not be true. Each entry begins with a
// signature, and all lie between where the end of the directory says that it
// begins and the end of the archive.
func ZipEntries(data []byte) int64 {
	const maxComment = 65535
	tail := data[max(0, len(data)-zipEndBytes-maxComment):]
	end := bytes.LastIndex(tail, []byte(zipEnd))
	start := uint64(0)
	if end >= 0 && len(tail)-end >= zipEndBytes {
		at := uint64(len(data) - len(tail) + end)
		size := uint64(binary.LittleEndian.Uint32(tail[end+12:]))
		offset := uint64(binary.LittleEndian.Uint32(tail[end+16:]))
		// Places that lead nowhere, or that need more than 32 bits, count as 0.
		if offset < at && size < at {
			start = min(offset, at-size)
		}
	}
	return int64(bytes.Count(data[start:], []byte(zipEntry)))
}
