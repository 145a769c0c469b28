package binary

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"runtime/debug"

	"github.com/muster-sec/muster/scanner/inventory"
)

const (
	// buildMagic begins a Go program's build information; it is aligned, and its
	// header is followed by the Go release and the modules (debug/buildinfo).
	buildMagic  = "\xff Go buildinf:"
	buildAlign  = 16
	buildHeader = 32
	inlineFlag  = 2
	// modulesFrame is what encloses the list of modules at both of its ends.
	modulesFrame = 16
	// maxModules bounds the list of modules.
	maxModules = 1 << 20
	block      = 1 << 20
)

// errLarge is reported for a Go program that is too large to be held and too old
// to be read as it passes by.
var errLarge = errors.New("binary: a Go program of this size, built before Go 1.18, cannot be read")

// searchGo looks for build information in a program as it passes by, in memory
// that does not depend on the program's size.
func searchGo(body io.Reader) ([]inventory.Package, error) {
	window := make([]byte, 0, 2*block+maxModules)
	var problem error
	for {
		// What is kept from the last block holds all that could begin in it.
		n, err := io.ReadFull(body, window[len(window):min(cap(window), len(window)+block)])
		window = window[:len(window)+n]
		last := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		if err != nil && !last {
			return nil, err
		}
		searched := len(window) - maxModules
		if last {
			searched = len(window)
		}
		if searched > 0 {
			info, old := findInfo(window, searched)
			if info != nil {
				return modules(info, func() string { return "" }), nil
			}
			if old {
				problem = errLarge
			}
			searched -= searched % buildAlign
			window = window[:copy(window, window[searched:])]
		}
		if last {
			return nil, problem
		}
	}
}

// findInfo returns the build information that begins within the first bytes of a
// window, or whether there seems to be some of the old form.
func findInfo(window []byte, within int) (info *debug.BuildInfo, old bool) {
	for from := 0; from < within; {
		i := bytes.Index(window[from:], []byte(buildMagic))
		if i < 0 || from+i >= within {
			return nil, old
		}
		at := from + i
		from = at + 1
		if at%buildAlign != 0 || len(window)-at < buildHeader {
			continue
		}
		if window[at+15]&inlineFlag == 0 {
			old = true
			continue
		}
		if info := inlineInfo(window[at+buildHeader:]); info != nil {
			return info, false
		}
	}
	return nil, old
}

// inlineInfo reads two strings, each after its length: release and modules.
func inlineInfo(data []byte) *debug.BuildInfo {
	goVersion, rest := cutString(data)
	list, _ := cutString(rest)
	if !bytes.HasPrefix(goVersion, []byte("go")) {
		return nil
	}
	if len(list) < 2*modulesFrame {
		return &debug.BuildInfo{GoVersion: string(goVersion)}
	}
	info, err := debug.ParseBuildInfo(string(list[modulesFrame : len(list)-modulesFrame]))
	if err != nil {
		return nil
	}
	info.GoVersion = string(goVersion)
	return info
}

func cutString(data []byte) (text, rest []byte) {
	length, n := binary.Uvarint(data)
	if n <= 0 || length > maxModules || length > uint64(len(data)-n) {
		return nil, nil
	}
	return data[n : n+int(length)], data[n+int(length):]
}
