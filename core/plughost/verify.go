package plughost

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
)

// maxImage is the size in bytes that a plugin's executable may have.
const maxImage = 2 << 30

// openVerified opens a plugin's executable and hashes the descriptor it
// returns, which is then the one to execute: a file put in its place meanwhile
// is never run. The caller closes it. An empty sum skips the comparison.
//
// Who may write into the file itself can still change it afterwards, so
// executables belong to root, like the daemon's own.
func openVerified(path, sum string) (*os.File, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("opening the executable: %w", err)
	}
	if err := verify(file, sum); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

func verify(file *os.File, sum string) error {
	info, err := file.Stat()
	switch {
	case err != nil:
		return fmt.Errorf("looking at the executable: %w", err)
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is not a regular file", file.Name())
	case info.Mode().Perm()&0o111 == 0:
		return fmt.Errorf("%s is not executable: chmod 0755 it", file.Name())
	case info.Size() > maxImage:
		return fmt.Errorf("%s has %d bytes, the limit is %d", file.Name(), info.Size(), maxImage)
	case sum == "":
		return nil
	}
	want, err := hex.DecodeString(sum)
	if err != nil {
		return fmt.Errorf("sha256: %w", err)
	}
	hash := sha256.New()
	if _, err := io.Copy(hash, file); err != nil {
		return fmt.Errorf("hashing the executable: %w", err)
	}
	if got := hash.Sum(nil); subtle.ConstantTimeCompare(got, want) != 1 {
		return fmt.Errorf("%w: %s has %x, declared is %x; if the file is the one you mean, change the declaration",
			ErrChecksum, file.Name(), got, want)
	}
	return nil
}
