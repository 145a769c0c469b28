package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/core/config"
	"github.com/muster-sec/muster/core/model"
	"github.com/muster-sec/muster/core/plughost"
	"github.com/muster-sec/muster/plugins/sdk"
)

// TestReload asks a reloader three times: for a good configuration, for one
// that cannot be read, and for one that the plugin host refuses.
func TestReload(t *testing.T) {
	t.Parallel()
	first := config.Default()
	good := first
	good.Plugins = []config.Plugin{{Name: "oci", Kind: "registry", Env: map[string]model.Secret{"HTTPS_PROXY": "http://me:hunter2@proxy"}}}
	good.Scan.Workers = 9
	refused := good
	refused.Plugins = []config.Plugin{{Name: "other", Kind: "registry", Path: "/other"}}
	unreadable := errors.New("config: line 3: unknown key")

	answers := []struct {
		config config.Config
		err    error
	}{{good, nil}, {err: unreadable}, {refused, nil}, {good, nil}}
	log := &logged{}
	var got []string
	var declared []plughost.Declaration
	asked := make(chan os.Signal)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r := &reloader{
		started: first, asked: asked, log: slog.New(slog.NewTextHandler(log, nil)), now: func() time.Time { return time.Time{} },
		load: func() (config.Config, error) {
			next := answers[0]
			answers = answers[1:]
			return next.config, next.err
		},
		reconfigure: func(_ context.Context, d []plughost.Declaration) error {
			if d[0].Name == "other" {
				return errors.New("no such file")
			}
			declared = d
			return nil
		},
		audit: func(_ context.Context, e model.AuditEvent) error {
			got = append(got, fmt.Sprintf("%s %s %s: %s", e.Actor, e.Action, e.Target, e.Outcome))
			if len(answers) == 0 {
				cancel()
			}
			return nil
		},
	}
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	for range 4 {
		asked <- os.Interrupt
	}
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	want := []string{
		"muster config.reload registry/oci added: ok",
		"muster config.reload plugins: config: line 3: unknown key",
		"muster config.reload registry/oci removed; registry/other added: no such file",
		"muster config.reload plugins: ok", // the one before changed nothing
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("audit (-want +got):\n%s", diff)
	}
	if len(declared) != 1 || declared[0].Name != "oci" || declared[0].Kind != sdk.KindRegistry || declared[0].Env["HTTPS_PROXY"] == "" {
		t.Errorf("declared %+v", declared)
	}
	for _, text := range []string{
		"the configuration was read again", "settings=[scan.workers]",
		`the new configuration is not used; the daemon goes on with the old one" error="config: line 3: unknown key"`,
	} {
		if !log.has(text) {
			t.Errorf("the log does not say %s:\n%s", text, log.text.String())
		}
	}
	if strings.Contains(log.text.String(), "hunter2") {
		t.Error("the log shows a password")
	}
}
