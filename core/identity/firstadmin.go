package identity

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/model"
)

const (
	initialAdmin     = "admin"
	initialFile      = "initial-admin-password"
	generatedBytes   = 15 // 120 bits, 20 characters
	maxPasswordsFile = 4 << 10
)

// EnsureAdmin makes the account "admin" when there is no account at all. Its
// password is the first line of passwordFile or, without one, generated and
// written to initial-admin-password in the data directory, mode 0600, until it
// is changed. It returns the file that holds a generated password, or "".
func (s *Service) EnsureAdmin(ctx context.Context, passwordFile string) (generated string, err error) {
	accounts, err := s.accounts.Accounts(ctx)
	if err != nil {
		return "", fmt.Errorf("identity: list accounts: %w", err)
	}
	if len(accounts) > 0 {
		return "", nil
	}
	password := randomText(generatedBytes)
	if passwordFile != "" {
		if password, err = readPassword(passwordFile); err != nil {
			return "", err
		}
	} else {
		generated = filepath.Join(s.dataDir, initialFile)
		// Before the account: a crash in between only means a new password.
		if err := writePrivate(generated, password+"\n"); err != nil {
			return "", fmt.Errorf("identity: write the first password: %w", err)
		}
	}
	_, err = s.AddAccount(ctx, model.System(), model.Account{Username: initialAdmin, Role: model.RoleAdmin}, password)
	return generated, err
}

func readPassword(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fault.New(fault.Invalid, "identity: read the first password: %w", err)
	}
	defer f.Close()
	body, err := io.ReadAll(io.LimitReader(f, maxPasswordsFile))
	if err != nil {
		return "", fmt.Errorf("identity: read the first password: %w", err)
	}
	line, _, _ := strings.Cut(string(body), "\n")
	password := strings.TrimSuffix(line, "\r")
	if err := checkPassword(password); err != nil {
		return "", fmt.Errorf("identity: password file %s: %w", path, err)
	}
	return password, nil
}

// writePrivate replaces a file that only its owner may read, whole or not at all.
func writePrivate(path, text string) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".password-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.WriteString(text)
	err = errors.Join(err, tmp.Sync(), tmp.Close())
	if err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}

// forgetInitialPassword removes the file: what it says is not true any more.
func (s *Service) forgetInitialPassword() {
	err := os.Remove(filepath.Join(s.dataDir, initialFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.log.Warn("first password file not removed", "error", err)
	}
}
