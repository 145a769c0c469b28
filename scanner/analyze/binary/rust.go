package binary

import (
	"bytes"
	"compress/zlib"
	"debug/elf"
	"debug/macho"
	"debug/pe"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/muster-sec/muster/scanner/inventory"
	"github.com/muster-sec/muster/scanner/limit"
	"github.com/muster-sec/muster/scanner/spool"
)

const (
	// auditSection holds what cargo-auditable embeds
	// (https://github.com/rust-secure-code/cargo-auditable/blob/master/PARSING.md).
	auditSection = ".dep-v0"
	// maxAudit bounds the unpacked list of crates.
	maxAudit = 8 << 20
)

// errAudit is reported for a list of crates that cannot be read.
var errAudit = errors.New("binary: unreadable list of Rust crates")

// crates returns the crates of a Rust program that says them; none for any other.
func crates(f *spool.File) ([]inventory.Package, error) {
	packed := auditData(f)
	if packed == nil {
		return nil, nil
	}
	unpacker, err := zlib.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errAudit, err)
	}
	text, err := limit.ReadAll(unpacker, "rust_crates_bytes", maxAudit)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errAudit, err)
	}
	var doc struct {
		Packages []struct {
			Name    string `json:"name"`
			Version string `json:"version"`
			Kind    string `json:"kind"`
		} `json:"packages"`
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		return nil, fmt.Errorf("%w: %w", errAudit, err)
	}
	var packages []inventory.Package
	for _, p := range doc.Packages {
		// What was only needed to build is not in the program.
		if p.Name != "" && (p.Kind == "" || p.Kind == "runtime") {
			packages = append(packages, inventory.Package{Name: p.Name, Version: p.Version})
		}
	}
	return packages, nil
}

// auditData returns the section of the list, nil where there is none.
func auditData(f *spool.File) []byte {
	r := f.Reader()
	if program, err := elf.NewFile(r); err == nil {
		if s := program.Section(auditSection); s != nil {
			return content(f, s)
		}
		return nil
	}
	if program, err := pe.NewFile(r); err == nil {
		if s := program.Section(auditSection); s != nil && uint64(s.Offset)+uint64(s.Size) <= uint64(f.Size()) {
			return f.Bytes()[s.Offset:][:s.Size]
		}
		return nil
	}
	if program, err := macho.NewFile(r); err == nil {
		if s := program.Section(auditSection); s != nil && s.Size <= uint64(f.Size()) && uint64(s.Offset)+s.Size <= uint64(f.Size()) {
			return f.Bytes()[s.Offset:][:s.Size]
		}
	}
	return nil
}
