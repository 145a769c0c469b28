package secret

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/muster-sec/muster/core/fault"
)

// maxFile bounds a key file: hundreds of retired keys, and no accident.
const maxFile = 64 << 10

// Load reads the key file, or makes it, mode 0600, with one fresh key when
// there is none. A file that others than its owner may read is refused. The
// file holds one base64 key per line, the current one first; retired keys stay
// below it for as long as something may be sealed with them.
func Load(path string) (*Keyring, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return create(path)
	}
	if err != nil {
		return nil, fmt.Errorf("secret: read the key file: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("secret: read the key file: %w", err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, fault.New(fault.Conflict, "secret: key file %s has mode %04o: others than its owner can reach it", path, mode).
			WithHint("chmod 600 %s, and consider what it sealed as read by others", path)
	}
	body, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("secret: read the key file: %w", err)
	}
	keys, err := parseKeys(body)
	if err != nil {
		return nil, fault.New(fault.Invalid, "secret: key file %s: %w", path, err).
			WithHint("restore the file from where you keep it; without it nothing sealed can be opened")
	}
	return newKeyring(keys)
}

// parseKeys reads the lines of a key file. Errors name the line, never its text.
func parseKeys(body []byte) ([][]byte, error) {
	if len(body) > maxFile {
		return nil, fmt.Errorf("larger than %d bytes", maxFile)
	}
	var keys [][]byte
	lines := bufio.NewScanner(bytes.NewReader(body))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, err := base64.StdEncoding.DecodeString(line)
		if err != nil || len(key) != chacha20poly1305.KeySize {
			return nil, fmt.Errorf("line %d is not a base64 key of %d bytes", n, chacha20poly1305.KeySize)
		}
		keys = append(keys, key)
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if len(keys) == 0 {
		return nil, errors.New("holds no key")
	}
	return keys, nil
}

// create writes a key file with one new key. The file appears complete or not
// at all, and never replaces another that appeared meanwhile.
func create(path string) (*Keyring, error) {
	key := make([]byte, chacha20poly1305.KeySize)
	if _, err := rand.Read(key); err != nil {
		return nil, fmt.Errorf("secret: draw a key: %w", err)
	}
	body := "# muster: keep this file secret, and out of backups of the database.\n" +
		base64.StdEncoding.EncodeToString(key) + "\n"
	dir := filepath.Dir(path)
	tmp, err := os.CreateTemp(dir, ".secret-*") // mode 0600
	if err != nil {
		return nil, fmt.Errorf("secret: make the key file: %w", err)
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.WriteString(body)
	err = errors.Join(err, tmp.Sync(), tmp.Close())
	if err == nil {
		err = os.Link(tmp.Name(), path)
	}
	if errors.Is(err, fs.ErrExist) {
		return Load(path)
	}
	if err == nil {
		err = syncDir(dir)
	}
	if err != nil {
		return nil, fmt.Errorf("secret: make the key file: %w", err)
	}
	return newKeyring([][]byte{key})
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
