package match

import (
	"math/rand/v2"
	"testing"

	deb "github.com/knqyf263/go-deb-version"
)

// The order is that of the library, whatever the versions look like.
func TestLessDeb(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(5, 5))
	version := func() string {
		pieces := []string{"0", "1", "00", "2", "10", "99999999999999999999", ".", "-", "+", "~", "~~", "a", "deb12u", "ubuntu", "rc", "é", ":", "_", "1:"}
		text := string(rune('0' + random.IntN(3)))
		for range random.IntN(6) {
			text += pieces[random.IntN(len(pieces))]
		}
		return text
	}
	compared := 0
	for range 200_000 {
		a, b := version(), version()
		x, errX := parseDeb(a)
		y, errY := parseDeb(b)
		wantX, wantErrX := deb.NewVersion(a)
		wantY, wantErrY := deb.NewVersion(b)
		if (errX == nil) != (wantErrX == nil) || (errY == nil) != (wantErrY == nil) {
			t.Fatalf("%q or %q: other errors than the library's", a, b)
		}
		if errX != nil || errY != nil {
			continue
		}
		compared++
		if got, want := lessDeb(x, y), wantX.LessThan(wantY); got != want {
			t.Fatalf("%q < %q is %v, the library says %v", a, b, got, want)
		}
	}
	if compared < 10_000 {
		t.Errorf("only %d pairs were compared", compared)
	}
}
