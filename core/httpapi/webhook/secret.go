package webhook

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strings"

	"github.com/muster-sec/muster/core/fault"
)

var validSecret = regexp.MustCompile(`^[A-Za-z0-9_-]{16,128}$`)

// LoadSecret reads the secret part of the webhook's path from a file, or makes
// one, mode 0600. An installer may write the file first, so that it can write
// the same path into the webhook configuration.
func LoadSecret(path string) (string, error) {
	body, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return createSecret(path)
	}
	if err != nil {
		return "", fmt.Errorf("webhook: read the path secret: %w", err)
	}
	secret := strings.TrimSpace(string(body))
	if !validSecret.MatchString(secret) {
		return "", fault.New(fault.Invalid, "webhook: %s does not hold 16 to 128 letters, digits, _ or -", path).
			WithHint("remove the file to have one made, and update the webhook configuration")
	}
	return secret, nil
}

func createSecret(path string) (string, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", fmt.Errorf("webhook: make the path secret: %w", err)
	}
	secret := rand.Text()
	_, err = f.WriteString(secret + "\n")
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return "", fmt.Errorf("webhook: make the path secret: %w", err)
	}
	return secret, nil
}
