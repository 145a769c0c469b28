package plughost

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

const (
	// selfPath is this program, even if its file was replaced meanwhile.
	selfPath = "/proc/self/exe"
	// imagePath is the first of a child's extra files.
	imagePath = "/proc/self/fd/3"
)

// load copies the executable into memory while it is hashed, and seals the
// copy: from then on not even this process can change what will be executed.
// Writing into the file in place, before or after, changes nothing. The caller
// closes what it gets.
func (e executable) load() (*os.File, error) {
	fd, err := unix.MemfdCreate("muster-plugin", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING|unix.MFD_EXEC)
	if errors.Is(err, unix.EINVAL) { // a kernel before 6.3, where all of them are executable
		fd, err = unix.MemfdCreate("muster-plugin", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	}
	if err != nil {
		return nil, fmt.Errorf("making room for the executable in memory: %w", err)
	}
	writable := os.NewFile(uintptr(fd), e.path)
	if err := e.copyTo(writable); err != nil {
		return nil, errors.Join(err, writable.Close())
	}
	const seals = unix.F_SEAL_WRITE | unix.F_SEAL_GROW | unix.F_SEAL_SHRINK | unix.F_SEAL_SEAL
	if _, err := unix.FcntlInt(writable.Fd(), unix.F_ADD_SEALS, seals); err != nil {
		return nil, errors.Join(fmt.Errorf("sealing the executable: %w", err), writable.Close())
	}
	// What somebody has open for writing cannot be executed, sealed or not.
	sealed, err := os.Open("/proc/self/fd/" + strconv.Itoa(fd))
	return sealed, errors.Join(err, writable.Close())
}
