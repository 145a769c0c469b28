package cmd_test

import (
	"os"
	"testing"

	"github.com/muster-sec/muster/plugins/builtin"
	"github.com/muster-sec/muster/plugins/sdk"
)

// TestMain makes this test binary a plugin that scripts can try: the built-ins
// as "plugin serve KIND NAME".
func TestMain(m *testing.M) {
	if len(os.Args) > 4 && os.Args[1] == "plugin" && os.Args[2] == "serve" {
		if err := builtin.Serve(sdk.Kind(os.Args[3]), os.Args[4], "1.2.3-test"); err != nil {
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}
