package federation_test

import (
	"crypto/tls"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/model"
)

func TestTheFedPortAnswersStrangersWithTheFallback(t *testing.T) {
	t.Parallel()
	n := newNetwork()
	home := newCluster(t, n, "home")
	home.promote()
	for _, protocols := range [][]string{nil, {"http/1.1"}} {
		client := &http.Client{Timeout: waitLimit, Transport: &http.Transport{
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true, NextProtos: protocols}, // a stranger knows no pin
		}}
		resp, err := client.Get("https://" + n.where[fedAddress] + "/v1/fed/ping")
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		if resp.Body.Close(); err != nil || resp.StatusCode != http.StatusNotFound || len(body) == 0 {
			t.Errorf("status %d, body %q, %v", resp.StatusCode, body, err)
		}
		client.CloseIdleConnections()
	}
}

func TestDeploying(t *testing.T) {
	t.Parallel()
	n := newNetwork()
	home, west := newCluster(t, n, "home"), newCluster(t, n, "west")
	home.promote()
	west.join(home)
	home.eventually("west is synced", func() bool { return home.see("west").Status == model.StatusSynced })
	id := home.see("west").ID
	if err := home.Deploy(t.Context(), admin(), id); err != nil {
		t.Error(err)
	}
	wantFault(t, west.Deploy(t.Context(), admin(), id), fault.Conflict)
	wantFault(t, home.Deploy(t.Context(), model.Actor{Role: model.RoleAdmin}, id), fault.Denied)
	n.cut(true)
	home.eventually("west is missed", func() bool { return home.see("west").Status == model.StatusDisconnected })
	wantFault(t, home.Deploy(t.Context(), admin(), id), fault.Unavailable)
}

// TestAPrimaryFromABackup starts a primary again with a database that has
// forgotten its latest change. The member notices and follows it.
func TestAPrimaryFromABackup(t *testing.T) {
	t.Parallel()
	n := newNetwork()
	home, west := newCluster(t, n, "home"), newCluster(t, n, "west")
	home.promote()
	west.join(home)
	home.addRule("kept")
	west.eventuallyRules("kept")
	home.kill()
	backup := home.copyDatabase()
	home.open()
	home.start()
	home.addRule("lost")
	west.eventuallyRules("kept lost")
	home.kill()
	home.path = backup
	home.open()
	home.start()
	west.eventually("west forgets what home forgot", func() bool { return west.rules() == "kept" })
	home.addRule("new")
	west.eventuallyRules("kept new")
	home.eventually("somebody is told what was lost", func() bool { return len(home.staff.outcomes("federation.orphans")) > 0 })
	if got := home.staff.outcomes("federation.orphans"); len(got) > 3 {
		t.Errorf("told %d times in %s", len(got), 5*time.Second)
	}
}
