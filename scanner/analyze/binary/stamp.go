package binary

import (
	"bytes"
	"debug/elf"
	"slices"
	"strings"

	"golang.org/x/mod/semver"

	"github.com/muster-sec/muster/scanner/spool"
	"github.com/muster-sec/muster/scanner/words"
)

// maxStamp bounds a version that was stamped into a program.
const maxStamp = 256

// stamps are versions that were stamped into a program, the most telling first:
// in one of the module's own commands, in a package or variable with a usual
// name, elsewhere.
type stamps [3][]string

// add takes the value of a variable if it is a version by name and value.
func (s *stamps) add(variable, value, mainPath string) {
	low := strings.ToLower(variable)
	if !strings.HasSuffix(low, ".version") && !strings.HasSuffix(low, ".ver") {
		return
	}
	if !semver.IsValid(value) && !semver.IsValid("v"+value) {
		return
	}
	tier := 2
	owner, _, _ := strings.Cut(low[strings.LastIndexByte(low, '/')+1:], ".")
	switch {
	case strings.HasPrefix(variable, mainPath+"/cmd/"):
		tier = 0
	case slices.Contains([]string{"main", "common", "version", "cmd"}, owner):
		tier = 1
	}
	s[tier] = append(s[tier], value)
}

// version returns the only one of the first tier that has any; "" when there are
// several, because nobody knows which is the program's.
func (s *stamps) version() string {
	for _, tier := range s {
		if len(tier) == 1 {
			return tier[0]
		}
		if len(tier) > 1 {
			return ""
		}
	}
	return ""
}

// flagVersion finds the version among the linker's flags -X variable=value.
func flagVersion(ldflags, mainPath string) string {
	// A variable that is set twice has the last value.
	last := map[string]string{}
	var order []string
	flags := words.Split(ldflags)
	for i := 0; i < len(flags); i++ {
		set, ok := strings.CutPrefix(flags[i], "-X")
		if !ok {
			continue
		}
		if set == "" && i+1 < len(flags) {
			i++
			set = flags[i]
		}
		if variable, value, ok := strings.Cut(strings.TrimPrefix(set, "="), "="); ok {
			if _, known := last[variable]; !known {
				order = append(order, variable)
			}
			last[variable] = value
		}
	}
	var found stamps
	for _, variable := range order {
		found.add(variable, last[variable], mainPath)
	}
	return found.version()
}

// symbolVersion finds the version among the symbols of an ELF program: the linker
// names the value of a stamped variable "variable.str".
func symbolVersion(f *spool.File, mainPath string) string {
	program, err := elf.NewFile(f.Reader())
	if err != nil {
		return ""
	}
	table := program.SectionByType(elf.SHT_SYMTAB)
	if table == nil || uint64(table.Link) >= uint64(len(program.Sections)) {
		return ""
	}
	symbols, names := content(f, table), content(f, program.Sections[table.Link])
	entry := elf.Sym64Size
	if program.Class == elf.ELFCLASS32 {
		entry = elf.Sym32Size
	}
	var found stamps
	for ; len(symbols) >= entry; symbols = symbols[entry:] {
		name := cutName(names, program.ByteOrder.Uint32(symbols))
		variable, ok := bytes.CutSuffix(name, []byte(".str"))
		if !ok || len(variable) > 4096 {
			continue
		}
		found.add(string(variable), symbolText(f, program, symbols[:entry]), mainPath)
	}
	return found.version()
}

// content returns a section as it lies in the file, nil if it does not fit.
func content(f *spool.File, s *elf.Section) []byte {
	data := f.Bytes()
	if s.Type == elf.SHT_NOBITS || s.Offset > uint64(len(data)) || s.FileSize > uint64(len(data))-s.Offset {
		return nil
	}
	return data[s.Offset : s.Offset+s.FileSize]
}

func cutName(names []byte, offset uint32) []byte {
	if uint64(offset) >= uint64(len(names)) {
		return nil
	}
	// The longest name of interest ends within this bound.
	rest := names[offset:min(uint64(len(names)), uint64(offset)+8192)]
	end := bytes.IndexByte(rest, 0)
	if end < 0 {
		return nil
	}
	return rest[:end]
}

// symbolText returns the bytes that a symbol names, as text.
func symbolText(f *spool.File, program *elf.File, symbol []byte) string {
	order := program.ByteOrder
	section, value, size := order.Uint16(symbol[min(14, len(symbol)-2):]), uint64(0), uint64(0)
	if program.Class == elf.ELFCLASS32 {
		value, size = uint64(order.Uint32(symbol[4:])), uint64(order.Uint32(symbol[8:]))
	} else {
		section, value, size = order.Uint16(symbol[6:]), order.Uint64(symbol[8:]), order.Uint64(symbol[16:])
	}
	if int(section) >= len(program.Sections) || size > maxStamp {
		return ""
	}
	s := program.Sections[section]
	data := content(f, s)
	offset := value - s.Addr
	if offset > uint64(len(data)) || size > uint64(len(data))-offset {
		return ""
	}
	return strings.TrimRight(string(data[offset:offset+size]), "\x00")
}
