package sampleimage

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"encoding/json"
	"runtime/debug"
	"slices"
)

// GoProgram returns an executable that carries this build information, as the Go
// linker writes it since Go 1.18, and no code. GoVersion is the toolchain's.
func GoProgram(info debug.BuildInfo) string {
	goVersion := info.GoVersion
	info.GoVersion = ""
	// The linker fences the text with sixteen bytes on each side.
	fence := string(bytes.Repeat([]byte{0xaa}, 16))
	head := make([]byte, 32)
	copy(head, "\xff Go buildinf:")
	head[14], head[15] = 8, 2
	for _, text := range []string{goVersion, fence + info.String() + fence} {
		head = binary.AppendUvarint(head, uint64(len(text)))
		head = append(head, text...)
	}
	return string(elf(".go.buildinfo", head))
}

// Crate is a dependency in the audit data of a Rust program.
type Crate struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Source  string `json:"source"`
	// Kind is "build" for what is not part of the program; empty means "runtime".
	Kind         string `json:"kind,omitempty"`
	Dependencies []int  `json:"dependencies,omitempty"`
	// Root marks the program itself.
	Root bool `json:"root,omitempty"`
}

// RustProgram returns an executable with the list of crates that cargo-auditable
// embeds, and no code.
func RustProgram(crates ...Crate) (string, error) {
	list, err := json.Marshal(map[string][]Crate{"packages": crates})
	if err != nil {
		return "", err
	}
	var packed bytes.Buffer
	w := zlib.NewWriter(&packed)
	if _, err := w.Write(list); err != nil {
		return "", err
	}
	if err := w.Close(); err != nil {
		return "", err
	}
	return string(elf(".dep-v0", packed.Bytes())), nil
}

// elf returns an ELF file of one writable segment with one section of this name
// and content.
func elf(name string, content []byte) []byte {
	const base, first = 0x400000, 128
	le := binary.LittleEndian
	names := []byte("\x00" + name + "\x00.shstrtab\x00")
	sections := first + len(content) + len(names)
	head := make([]byte, first)
	copy(head, "\x7fELF\x02\x01\x01")
	le.PutUint16(head[16:], 2)  // an executable
	le.PutUint16(head[18:], 62) // x86-64
	le.PutUint32(head[20:], 1)
	le.PutUint64(head[32:], 64) // program headers
	le.PutUint64(head[40:], uint64(sections))
	le.PutUint16(head[52:], 64)
	le.PutUint16(head[54:], 56)
	le.PutUint16(head[56:], 1)
	le.PutUint16(head[58:], 64)
	le.PutUint16(head[60:], 3)
	le.PutUint16(head[62:], 2)
	segment := head[64:]
	le.PutUint32(segment, 1)     // loaded
	le.PutUint32(segment[4:], 6) // readable and writable
	le.PutUint64(segment[8:], first)
	le.PutUint64(segment[16:], base+first)
	le.PutUint64(segment[24:], base+first)
	le.PutUint64(segment[32:], uint64(len(content)))
	le.PutUint64(segment[40:], uint64(len(content)))
	section := func(name, kind uint32, address, offset, size int) []byte {
		s := make([]byte, 64)
		le.PutUint32(s, name)
		le.PutUint32(s[4:], kind)
		le.PutUint64(s[8:], 3) // writable, loaded
		le.PutUint64(s[16:], uint64(address))
		le.PutUint64(s[24:], uint64(offset))
		le.PutUint64(s[32:], uint64(size))
		return s
	}
	return slices.Concat(head, content, names, section(0, 0, 0, 0, 0),
		section(1, 1, base+first, first, len(content)), section(uint32(len(name)+2), 3, 0, first+len(content), len(names)))
}
