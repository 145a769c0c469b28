package cmd_test

import (
	"context"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/muster-sec/muster/cli/client"
	"github.com/muster-sec/muster/cli/cmd"
)

// update rewrites the golden parts of the scripts and files.
var update = flag.Bool("update", false, "rewrite golden files and scripts")

// world is what surrounds the muster of one script.
type world struct {
	daemon   *fake
	stdin    string
	terminal bool
	secrets  []string // typed at prompts, in order
	code     int      // of the last run
}

// TestScripts runs every script against a fake daemon of its own. The commands
// beside testscript's are:
//
//	muster ARGS   runs the command line in this process
//	code N        the last muster ended with this exit code
//	feed TEXT     the next musters read this from standard input
//	type TEXT...  the next musters have a terminal; TEXTs answer its secret prompts
//	role NAME     whoever asks the daemon has this role
//	daemon stop   ends the daemon
//	images        starts registries with the sample images
func TestScripts(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:           filepath.Join("testdata", "script"),
		UpdateScripts: *update,
		Setup: func(env *testscript.Env) error {
			daemon, err := newFake()
			if err != nil {
				return err
			}
			w := &world{daemon: daemon}
			env.Defer(w.daemon.Close)
			env.Values["world"] = w
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("TESTPLUGIN", self) // see TestMain
			env.Setenv("SERVER", w.daemon.URL)
			env.Setenv("FINGERPRINT", client.FingerprintOf(w.daemon.Certificate()).String())
			return errors.Join(
				os.WriteFile(filepath.Join(env.WorkDir, "ca.pem"), w.daemon.caPEM(), 0o600),
				os.WriteFile(filepath.Join(env.WorkDir, "pw"), []byte(w.daemon.password+"\n"), 0o600),
			)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"muster": runMuster, "code": checkCode, "feed": feed, "type": typed, "role": role, "daemon": daemon,
			"images": images,
		},
	})
}

func theWorld(ts *testscript.TestScript) *world {
	w, ok := ts.Value("world").(*world)
	if !ok {
		ts.Fatalf("the script has no world")
	}
	return w
}

func runMuster(ts *testscript.TestScript, neg bool, args []string) {
	w := theWorld(ts)
	app := &cmd.App{
		Version: "1.2.3-test",
		Stdin:   strings.NewReader(w.stdin), Stdout: ts.Stdout(), Stderr: ts.Stderr(),
		Env: ts.Getenv, Now: today,
		Wait:     func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
		Terminal: cmd.Terminal{Stdin: w.terminal, Stderr: w.terminal, Secret: w.secret},
	}
	w.code = app.Main(context.Background(), append([]string{"muster"}, args...))
	for _, complaint := range w.daemon.described.complaints() {
		ts.Fatalf("openapi.yaml: %s", complaint)
	}
	if neg == (w.code == 0) {
		ts.Fatalf("muster ended with exit code %d", w.code)
	}
}

func (w *world) secret() (string, error) {
	if len(w.secrets) == 0 {
		return "", errors.New("nobody types")
	}
	next := w.secrets[0]
	w.secrets = w.secrets[1:]
	return next, nil
}

func checkCode(ts *testscript.TestScript, _ bool, args []string) {
	if got := strconv.Itoa(theWorld(ts).code); len(args) != 1 || got != args[0] {
		ts.Fatalf("exit code %s, want %v", got, args)
	}
}

func feed(ts *testscript.TestScript, _ bool, args []string) {
	theWorld(ts).stdin = strings.Join(args, "\n") + "\n"
}

func typed(ts *testscript.TestScript, _ bool, args []string) {
	w := theWorld(ts)
	w.terminal, w.secrets = true, args
}

func role(ts *testscript.TestScript, _ bool, args []string) {
	w := theWorld(ts)
	w.daemon.mu.Lock()
	defer w.daemon.mu.Unlock()
	w.daemon.role = args[0]
}

func daemon(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 1 || args[0] != "stop" {
		ts.Fatalf("usage: daemon stop")
	}
	theWorld(ts).daemon.Close()
}
