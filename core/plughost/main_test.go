package plughost

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-plugin"

	"github.com/muster-sec/muster/plugins/builtin"
	"github.com/muster-sec/muster/plugins/sdk"
)

// TestMain makes this test binary its own plugin: the host starts it again as
// "plugin serve KIND NAME", like the real program.
func TestMain(m *testing.M) {
	if len(os.Args) > 4 && os.Args[1] == "plugin" && os.Args[2] == "serve" {
		servePlugin(sdk.Kind(os.Args[3]), os.Args[4])
		return
	}
	if len(os.Args) > 3 && os.Args[1] == "doomed-host" {
		doomedHost(os.Args[2], os.Args[3])
		return
	}
	if len(os.Args) > 2 && os.Args[1] == "counting-host" {
		countingHost(os.Args[2])
		return
	}
	os.Exit(m.Run())
}

func servePlugin(kind sdk.Kind, name string) {
	if err := builtin.Serve(kind, name, "1.2.3"); err == nil {
		return
	}
	if serve, ok := rawPlugins()[name]; ok {
		serve()
		return
	}
	switch name {
	case "wrong-protocol":
		plugin.Serve(&plugin.ServeConfig{
			HandshakeConfig:  plugin.HandshakeConfig{MagicCookieKey: sdk.CookieKey, MagicCookieValue: sdk.CookieValue},
			VersionedPlugins: map[int]plugin.PluginSet{99: {"x": nopPlugin{}}},
			GRPCServer:       plugin.DefaultGRPCServer,
		})
		return
	case "no-handshake":
		fmt.Println("hello, I am no plugin")
		return
	case "silent": // starts and says nothing
		select {}
	case "elsewhere":
		fmt.Println("1|1|tcp|127.0.0.1:1|grpc|")
		select {}
	}
	switch name {
	case "stubborn": // the library's server ends, the process does not
		defer func() { select {} }()
	case "parent":
		if err := exec.Command("/bin/sleep", "1000").Start(); err != nil {
			panic(err)
		}
	}
	p := sdk.Plugin{Name: name, Version: "1.2.3", Kind: kind}
	switch kind {
	case sdk.KindRegistry:
		p.Registry, p.ConfigSchema = puppet{}, puppetSchema
	case sdk.KindIngest:
		p.Ingester = counter{}
		if name == "hanging" {
			p.Ingester = hanging{}
		}
	case sdk.KindTransport:
		p.Streams = loopback{}
	}
	if name == "wrong-kind" {
		p.Kind, p.Registry, p.Ingester, p.ConfigSchema = sdk.KindIngest, nil, counter{}, ""
	}
	sdk.Serve(p)
}

type nopPlugin struct{ plugin.NetRPCUnsupportedPlugin }

// puppet is a registry that does what the configuration tells it to.
type puppet struct{}

const puppetSchema = `{"type":"object","additionalProperties":false,"properties":{
	"do":{"type":"string"},"arg":{"type":"string"},"password":{"type":"string","writeOnly":true}}}`

type puppetConfig struct {
	Do  string `json:"do"`
	Arg string `json:"arg"`

	Password string `json:"password"`
}

func (puppet) Repositories(ctx context.Context, cfg sdk.Config) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		var c puppetConfig
		if err := cfg.Decode(&c); err != nil {
			yield("", err)
			return
		}
		n, _ := strconv.Atoi(c.Arg)
		for i := range n {
			if !yield(fmt.Sprintf("repo-%05d", i), nil) {
				return
			}
		}
		switch c.Do {
		case "quote":
			yield("", fmt.Errorf("%w: get https://me:%s@registry.example", sdk.ErrUnauthorized, c.Password))
		case "break":
			yield("", fmt.Errorf("page 3: %w", sdk.ErrUnavailable))
		case "hang":
			<-ctx.Done()
			yield("", ctx.Err())
		case "exit":
			os.Exit(3)
		}
	}
}

func (puppet) Tags(context.Context, sdk.Config, string) iter.Seq2[sdk.Tag, error] {
	return func(func(sdk.Tag, error) bool) {}
}

func (puppet) Credential(ctx context.Context, cfg sdk.Config, _ string) (sdk.Credential, error) {
	var c puppetConfig
	if err := cfg.Decode(&c); err != nil {
		return sdk.Credential{}, err
	}
	switch c.Do {
	case "exit":
		os.Exit(3)
	case "panic":
		panic("at the disco")
	case "stderr":
		// Descriptor 2 is what the host reads; os.Stderr is a pipe of go-plugin's.
		_, err := syscall.Write(2, []byte(c.Arg+"\n"))
		return sdk.Credential{}, err
	case "freeze":
		_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
		<-ctx.Done() // it stops a moment later
	case "hang":
		<-ctx.Done()
		return sdk.Credential{}, ctx.Err()
	case "eat":
		var food [][]byte
		for range 32 {
			food = append(food, bytes.Repeat([]byte{1}, 64<<20))
		}
		return sdk.Credential{Username: strconv.Itoa(len(food))}, nil
	case "environ":
		return sdk.Credential{Username: strings.Join(os.Environ(), "\x1e")}, nil
	case "child":
		cmd := exec.Command("/bin/sleep", "1000")
		err := cmd.Start()
		return sdk.Credential{Username: strconv.Itoa(cmd.Process.Pid)}, err
	case "stray": // a child that leaves session and group
		cmd := exec.Command("/bin/sleep", "1000")
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		err := cmd.Start()
		return sdk.Credential{Username: strconv.Itoa(cmd.Process.Pid)}, err
	case "fall": // a panic that no handler can catch
		go func() { panic("from a height") }()
		<-ctx.Done()
	case "big":
		n, _ := strconv.Atoi(c.Arg)
		return sdk.Credential{Username: strings.Repeat("x", n)}, nil
	case "files":
		n := 0
		for ; ; n++ {
			if _, err := syscall.Open("/dev/null", syscall.O_RDONLY, 0); err != nil {
				return sdk.Credential{Username: strconv.Itoa(n)}, nil
			}
		}
	case "flood":
		line := []byte(strings.Repeat("flood ", 1000) + "\n")
		for _, fd := range []int{1, 2} {
			go func() {
				for {
					_, _ = syscall.Write(fd, line)
				}
			}()
		}
		go func() {
			for {
				_, _ = os.Stdout.Write(line) // over the connection
			}
		}()
	case "leak":
		slog.Error("logging in", "url", "https://me:"+c.Password+"@registry.example")
		return sdk.Credential{}, fmt.Errorf("%w: get https://me:%s@registry.example", sdk.ErrUnauthorized, c.Password)
	case "processors":
		status, err := os.ReadFile("/proc/self/status")
		return sdk.Credential{Username: string(status)}, err
	case "sleep": // until the file named by arg is there
		for {
			if _, err := os.Stat(c.Arg); err == nil {
				break
			}
			select {
			case <-time.After(5 * time.Millisecond):
			case <-ctx.Done():
				return sdk.Credential{}, ctx.Err()
			}
		}
	case "limits":
		limits, err := os.ReadFile("/proc/self/limits")
		return sdk.Credential{Username: string(limits)}, err
	}
	return sdk.Credential{Username: strconv.Itoa(os.Getpid())}, nil
}

func (puppet) DecodePush(_ context.Context, _ sdk.Config, event sdk.PushEvent) ([]sdk.Push, error) {
	return []sdk.Push{{Tag: strconv.Itoa(len(event.Body))}}, nil
}

func (puppet) Diagnose(_ context.Context, cfg sdk.Config) ([]sdk.Step, error) {
	var c puppetConfig
	if err := cfg.Decode(&c); err != nil || c.Do != "leak" {
		return nil, err
	}
	return []sdk.Step{{Name: "log in as " + c.Password, Detail: "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("me:"+c.Password)), Fix: "not " + c.Password}}, nil
}

// counter is an ingester that counts bytes.
type counter struct{}

func (counter) Recognize(context.Context, []byte) (string, error) { return "bytes/1", nil }

func (counter) Parse(_ context.Context, doc io.Reader, sink sdk.Sink) error {
	n, err := io.Copy(io.Discard, doc)
	return errors.Join(err, sink.Subject(sdk.Subject{Tool: strconv.FormatInt(n, 10)}))
}

// hanging is an ingester that never answers.
type hanging struct{ counter }

func (hanging) Recognize(context.Context, []byte) (string, error) { select {} }

// loopback is a transport over plain TCP.
type loopback struct{}

func (loopback) Listen(ctx context.Context, _ sdk.Config, address string) (net.Listener, error) {
	return new(net.ListenConfig).Listen(ctx, "tcp", address)
}

func (loopback) Dial(ctx context.Context, _ sdk.Config, address string) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, "tcp", address)
}

// self is this test binary and its checksum.
func self(t *testing.T) (path, sum string) {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	hash := sha256.Sum256(content)
	return path, hex.EncodeToString(hash[:])
}
