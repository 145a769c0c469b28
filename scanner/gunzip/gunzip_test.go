package gunzip_test

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
	"testing/iotest"

	klauspost "github.com/klauspost/compress/gzip"

	"github.com/muster-sec/muster/scanner/gunzip"
)

// text gives n bytes that pack well or badly: the more kinds of words, the worse.
func text(n, words int) []byte {
	random := rand.New(rand.NewPCG(uint64(n), uint64(words)))
	var b bytes.Buffer
	for b.Len() < n {
		fmt.Fprintf(&b, "%x ", random.IntN(words)*7919)
	}
	return b.Bytes()[:n]
}

func noise(n int) []byte {
	random := rand.New(rand.NewPCG(3, 4))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(random.Uint32())
	}
	return b
}

func pack(t testing.TB, level int, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, level)
	if err == nil {
		z.Name, z.Comment, z.Extra = "name", "a comment", []byte("extra")
		_, err = z.Write(data)
	}
	if err = errors.Join(err, z.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestReader(t *testing.T) {
	t.Parallel()
	var short []byte // patterns of every length that overlap with themselves
	for n := 1; n < 20; n++ {
		short = append(short, noise(40)...)
		short = append(short, bytes.Repeat(noise(n), 600/n)...)
	}
	for name, data := range map[string][]byte{
		"nothing": nil, "a byte": []byte("x"), "words": text(500_000, 2000), "few words": text(300_000, 3), "zeros": make([]byte, 1_000_000),
		"noise": noise(300_000), "patterns": short, "mixed": bytes.Join([][]byte{text(70_000, 50), noise(40_000), make([]byte, 70_000), text(90_000, 9000)}, nil),
	} {
		for _, level := range []int{flate.HuffmanOnly, flate.NoCompression, 1, 6, 9} {
			t.Run(fmt.Sprint(name, "/", level), func(t *testing.T) {
				t.Parallel()
				packed := pack(t, level, data)
				twice := append(bytes.Clone(packed), pack(t, 6, data)...)
				for source, r := range map[string]io.Reader{
					"whole": bytes.NewReader(twice), "byte by byte": iotest.OneByteReader(bytes.NewReader(twice)),
					"end with data": iotest.DataErrReader(bytes.NewReader(twice)),
				} {
					got, err := io.ReadAll(gunzip.NewReader(r))
					if err != nil || !bytes.Equal(got, append(bytes.Clone(data), data...)) {
						t.Errorf("%s: %d bytes, error %v, want %d", source, len(got), err, 2*len(data))
					}
				}
				if err := iotest.TestReader(gunzip.NewReader(bytes.NewReader(packed)), data); len(data) < 10_000 && err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// A stream that is cut, changed or continued by something else is refused.
func TestReaderRefuses(t *testing.T) {
	t.Parallel()
	data := text(3000, 100)
	good := pack(t, 6, data)
	for n := range len(good) {
		if n == 0 {
			continue
		}
		if _, err := io.ReadAll(gunzip.NewReader(bytes.NewReader(good[:n]))); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("cut after %d of %d bytes: %v", n, len(good), err)
		}
		broken := bytes.Clone(good)
		broken[n] ^= 0x10
		if got, err := io.ReadAll(gunzip.NewReader(bytes.NewReader(broken))); err == nil && !bytes.Equal(got, data) {
			t.Errorf("byte %d changed: other data and no error", n)
		}
	}
	broken := errors.New("the network is gone")
	for name, c := range map[string]struct {
		stream io.Reader
		want   error
	}{
		"not gzip":      {bytes.NewReader([]byte("PK\x03\x04 this is something else")), gunzip.ErrHeader},
		"continued":     {bytes.NewReader(append(bytes.Clone(good), "this is something else"...)), gunzip.ErrHeader},
		"checksum":      {bytes.NewReader(append(bytes.Clone(good[:len(good)-8]), 1, 2, 3, 4, 5, 6, 7, 8)), gunzip.ErrChecksum},
		"block kind 3":  {bytes.NewReader([]byte("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff\x07")), gunzip.ErrCorrupt},
		"far match":     {bytes.NewReader([]byte("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff\x4b\x04\x22\x00")), gunzip.ErrCorrupt},
		"source breaks": {io.MultiReader(bytes.NewReader(good[:len(good)/2]), iotest.ErrReader(broken)), broken},
	} {
		if _, err := io.ReadAll(gunzip.NewReader(c.stream)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// A match does not reach into the member before.
func TestMembersAreApart(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	z, err := flate.NewWriterDict(&b, 9, []byte("a word that is known from before"))
	if err == nil {
		_, err = z.Write([]byte("a word that is known from before"))
	}
	if err = errors.Join(err, z.Close()); err != nil {
		t.Fatal(err)
	}
	stream := pack(t, 6, []byte("a word that is known from before"))
	stream = append(stream, "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"...)
	if _, err := io.ReadAll(gunzip.NewReader(bytes.NewReader(append(stream, b.Bytes()...)))); !errors.Is(err, gunzip.ErrCorrupt) {
		t.Errorf("%v, want %v", err, gunzip.ErrCorrupt)
	}
}

// FuzzReader gives what the standard library gives, or refuses what it refuses.
func FuzzReader(f *testing.F) {
	for _, data := range [][]byte{nil, text(2000, 40), make([]byte, 5000), noise(300)} {
		for _, level := range []int{flate.HuffmanOnly, 0, 1, 6} {
			f.Add(pack(f, level, data))
		}
	}
	f.Add(append(pack(f, 6, []byte("one")), pack(f, 1, []byte("two"))...))
	f.Fuzz(func(t *testing.T, stream []byte) {
		const most = 4 << 20
		got, err := io.ReadAll(io.LimitReader(gunzip.NewReader(bytes.NewReader(stream)), most))
		var want []byte
		z, wantErr := gzip.NewReader(bytes.NewReader(stream))
		if wantErr == nil {
			want, wantErr = io.ReadAll(io.LimitReader(z, most))
		}
		if len(stream) == 0 {
			wantErr = nil
		}
		if (err == nil) != (wantErr == nil) || err == nil && !bytes.Equal(got, want) {
			t.Fatalf("%d bytes, error %v; the standard library: %d bytes, error %v", len(got), err, len(want), wantErr)
		}
	})
}

func BenchmarkReader(b *testing.B) {
	data := bytes.Join([][]byte{text(8<<20, 5000), noise(2 << 20), text(4<<20, 100), make([]byte, 1<<20)}, nil)
	packed := pack(b, 6, data)
	for name, open := range map[string]func(io.Reader) (io.Reader, error){
		"ours":      func(r io.Reader) (io.Reader, error) { return gunzip.NewReader(r), nil },
		"klauspost": func(r io.Reader) (io.Reader, error) { return klauspost.NewReader(r) },
		"standard":  func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) },
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				r, err := open(bytes.NewReader(packed))
				if err == nil {
					_, err = io.Copy(io.Discard, r)
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
