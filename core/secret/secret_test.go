package secret

import (
	"bytes"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/muster-sec/muster/core/fault"
)

func key(fill byte) []byte { return bytes.Repeat([]byte{fill}, 32) }

func ring(t *testing.T, keys ...[]byte) *Keyring {
	t.Helper()
	k, err := newKeyring(keys)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestSealedTextComesBackForItsPurposeOnly(t *testing.T) {
	t.Parallel()
	k := ring(t, key(1))
	for _, text := range []string{"", "hunter2", strings.Repeat("x", 1<<16)} {
		blob, err := k.For("registry credential").Seal([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if len(blob) != len(text)+Overhead {
			t.Errorf("blob of %d bytes for %d bytes of text", len(blob), len(text))
		}
		got, err := k.Open(blob, "registry credential")
		if err != nil || string(got) != text {
			t.Errorf("opened %q, %v", got, err)
		}
		if _, err := k.Open(blob, "content key"); !errors.Is(err, ErrForged) {
			t.Errorf("another purpose: %v", err)
		}
	}
}

func TestEqualTextsSealDifferently(t *testing.T) {
	t.Parallel()
	k := ring(t, key(1))
	a, _ := k.Seal([]byte("same"), "p")
	b, _ := k.Seal([]byte("same"), "p")
	if bytes.Equal(a, b) {
		t.Error("two blobs of one text are equal: the nonce is not fresh")
	}
}

func TestEveryChangedByteIsNoticed(t *testing.T) {
	t.Parallel()
	k := ring(t, key(1))
	blob, err := k.Seal([]byte("text"), "p")
	if err != nil {
		t.Fatal(err)
	}
	for i := range blob {
		bad := bytes.Clone(blob)
		bad[i] ^= 1
		if got, err := k.Open(bad, "p"); err == nil {
			t.Errorf("byte %d changed: opened %q", i, got)
		}
	}
	for n := range len(blob) {
		if _, err := k.Open(blob[:n], "p"); err == nil {
			t.Errorf("cut to %d bytes: opened", n)
		}
	}
}

func TestRetiredKeysStillOpen(t *testing.T) {
	t.Parallel()
	before, after := ring(t, key(1)), ring(t, key(2), key(1))
	old, err := before.Seal([]byte("old"), "p")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := after.Open(old, "p"); err != nil || string(got) != "old" {
		t.Errorf("after rotation: %q, %v", got, err)
	}
	fresh, err := after.Seal([]byte("new"), "p")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := before.Open(fresh, "p"); !errors.Is(err, ErrUnknownKey) {
		t.Errorf("without the new key: %v", err)
	}
}

func TestLoadMakesAndKeepsTheFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "secret.key")
	rings := make([]*Keyring, 8)
	var wg sync.WaitGroup
	for i := range rings { // started twice by accident: still one key
		wg.Go(func() {
			k, err := Load(path)
			if err != nil {
				t.Error(err)
				return
			}
			rings[i] = k
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	blob, err := rings[0].Seal([]byte("text"), "p")
	if err != nil {
		t.Fatal(err)
	}
	for i, k := range rings {
		if _, err := k.Open(blob, "p"); err != nil {
			t.Errorf("keyring %d: %v", i, err)
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".secret-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestLoadRefuses(t *testing.T) {
	t.Parallel()
	good := base64.StdEncoding.EncodeToString(key(7))
	tests := []struct {
		name, body, want string
		mode             os.FileMode
		kind             fault.Kind
	}{
		{"group may read", good, "mode 0640", 0o640, fault.Conflict},
		{"world may read", good, "mode 0604", 0o604, fault.Conflict},
		{"empty", "", "holds no key", 0o600, fault.Invalid},
		{"short key", "AAAA\n", "line 1 is not", 0o600, fault.Invalid},
		{"not base64", "# ok\n" + good + "\nhunter2!\n", "line 3 is not", 0o600, fault.Invalid},
		{"huge", strings.Repeat("#\n", maxFile), "larger than", 0o600, fault.Invalid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "secret.key")
			if err := os.WriteFile(path, []byte(tt.body), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, tt.mode); err != nil {
				t.Fatal(err)
			}
			_, err := Load(path)
			if err == nil || !strings.Contains(err.Error(), tt.want) || fault.KindOf(err) != tt.kind || fault.HintOf(err) == "" {
				t.Errorf("error %v (%v, hint %q), want %q", err, fault.KindOf(err), fault.HintOf(err), tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Error("the error shows a line of the key file")
			}
		})
	}
}

func FuzzOpen(f *testing.F) {
	k, err := newKeyring([][]byte{key(1)})
	if err != nil {
		f.Fatal(err)
	}
	blob, err := k.Seal([]byte("text"), "p")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(blob)
	f.Add(blob[:headSize])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, in []byte) {
		got, err := k.Open(in, "p")
		if err == nil && string(got) != "text" { // each fuzzing process has sealed a blob of its own
			t.Errorf("opened %q out of a forged blob", got)
		}
	})
}

func FuzzParseKeys(f *testing.F) {
	f.Add([]byte("# c\n" + base64.StdEncoding.EncodeToString(key(1)) + "\n"))
	f.Add([]byte("\n\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		keys, err := parseKeys(in)
		if err == nil && len(keys) == 0 {
			t.Error("no keys and no error")
		}
	})
}
