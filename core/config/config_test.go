package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/model"
)

func TestGoodFiles(t *testing.T) {
	t.Parallel()
	anyPort, full := Default(), Default()
	anyPort.Listen, anyPort.FedListen = "127.0.0.1:0", "127.0.0.1:0"
	anyPort.AdmissionListen, anyPort.OpsListen = "127.0.0.1:0", "127.0.0.1:0"
	const sum = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
	full = Config{
		ClusterName: "prod-eu 1", DataDir: "/data", Listen: "0.0.0.0:443", FedListen: ":11443",
		AdmissionListen: "[::]:20443", OpsListen: "localhost:9443", AdminPasswordFile: "/run/secrets/admin",
		VulnDB: VulnDB{
			File: "/data/trivy.db", Update: "30 2 * * *", Repositories: []string{"http://mirror.example/trivy-db:2"}, MaxAge: 48 * time.Hour,
		},
		JavaDB: JavaDB{File: "/data/trivy-java.db"}, Log: Log{Level: "debug", Format: "json"},
		Scan:      Scan{Workers: 1, LayerParallel: 1},
		PluginDir: "/opt/muster",
		Plugins: []Plugin{
			{
				Name: "nexus", Kind: "registry", Path: "/opt/muster/nexus", SHA256: sum,
				Args: []string{"--verbose"}, Env: map[string]model.Secret{"NEXUS_TOKEN": "hunter2"},
				Limits: Limits{Memory: 512 << 20, CPU: 2, OpenFiles: 256, CallTimeout: 30 * time.Second},
			},
			{Name: "nexus", Kind: "ingest", Path: "/opt/muster/nexus-ingest", SHA256: strings.ToUpper(sum), Limits: Limits{Memory: 1 << 30}},
			{Name: "other", Kind: "transport", Path: "/opt/muster/other", SHA256: sum, Limits: Limits{Memory: 1 << 30}},
			{Name: "oci", Kind: "registry", Env: map[string]model.Secret{"HTTPS_PROXY": "http://proxy:3128"}, Limits: Limits{Memory: 1 << 30}},
		},
		Transport: Transport{Proxy: "http://user:pw@proxy:3128"},
		TLS:       TLS{CertFile: "/tls/tls.crt", KeyFile: "/tls/tls.key"},
		Admission: Admission{Namespace: "security"},
	}
	want := map[string]Config{"empty.yaml": Default(), "anyport.yaml": anyPort, "full.yaml": full}
	files, err := filepath.Glob("testdata/good/*.yaml")
	if err != nil || len(files) != len(want) {
		t.Fatalf("files %v, %v", files, err)
	}
	for _, file := range files {
		got, err := Load(Sources{File: file})
		if err != nil {
			t.Errorf("%s: %v", file, err)
		}
		if diff := cmp.Diff(want[filepath.Base(file)], got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", file, diff)
		}
	}
}

// TestBadFiles reads the expected message from each file's first line.
func TestBadFiles(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil || len(files) < 20 {
		t.Fatalf("files %v, %v", files, err)
	}
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		first, _, _ := strings.Cut(string(body), "\n")
		want, ok := strings.CutPrefix(first, "# want: ")
		if !ok {
			t.Errorf("%s does not begin with the message it should give", file)
			continue
		}
		_, err = Load(Sources{File: file})
		switch {
		case err == nil:
			t.Errorf("%s: accepted", file)
		case !strings.Contains(err.Error(), want):
			t.Errorf("%s: %v\nwant %s", file, err, want)
		case fault.KindOf(err) != fault.Invalid:
			t.Errorf("%s: kind %v", file, fault.KindOf(err))
		case strings.Contains(err.Error(), "pw@"):
			t.Errorf("%s: the message shows a password: %v", file, err)
		case strings.Contains(want, "line ") && !strings.Contains(err.Error(), file):
			t.Errorf("%s: the message does not name the file: %v", file, err)
		}
	}
}

func TestFlagBeatsEnvironmentBeatsFileBeatsDefault(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "c.yaml")
	text := "cluster_name: file\nscan: {workers: 3, layer_parallel: 3}\ntls: {hosts: [a]}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := Load(Sources{
		File: file,
		Environ: []string{
			"MUSTER_SCAN_WORKERS=5", "MUSTER_SCAN_LAYER_PARALLEL=5", "MUSTER_TLS_HOSTS=b, c,", "MUSTER_DATA_DIR=",
			"MUSTER_PLUGINS=[{name: a, kind: ingest, path: /a, sha256: " + strings.Repeat("0", 64) + ", limits: {memory: 1KiB}}]",
		},
		Flags: map[string]string{"scan-workers": "7", "log-level": "warn"},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.ClusterName, want.Scan, want.Log.Level = "file", Scan{Workers: 7, LayerParallel: 5}, "warn"
	want.TLS.Hosts = []string{"b", "c"}
	want.Plugins = []Plugin{{Name: "a", Kind: "ingest", Path: "/a", SHA256: strings.Repeat("0", 64), Limits: Limits{Memory: 1024}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestBadValuesNameTheirSource(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, want string
		src        Sources
	}{
		{"missing file", "no such file", Sources{File: "testdata/none.yaml"}},
		{"variable", `MUSTER_SCAN_WORKERS: "x" is not a whole number`, Sources{Environ: []string{"MUSTER_SCAN_WORKERS=x"}}},
		{"flag", `--scan-workers: "1.5" is not a whole number`, Sources{Flags: map[string]string{"scan-workers": "1.5"}}},
		{"plugins", `--plugins: line 1: unknown key "[0].nam"; did you mean "[0].name"?`, Sources{Flags: map[string]string{"plugins": "[{nam: x}]"}}},
		{"plugins shape", "--plugins: ", Sources{Flags: map[string]string{"plugins": "x"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if _, err := Load(tt.src); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

// TestEveryKeyIsASetting holds the table against the struct, both ways.
func TestEveryKeyIsASetting(t *testing.T) {
	t.Parallel()
	inTable := map[string]bool{}
	flags := map[string]bool{}
	for _, s := range Settings() {
		if inTable[s.Key] || flags[s.Flag] || s.Help == "" {
			t.Errorf("%s: twice, or without help", s.Key)
		}
		inTable[s.Key], flags[s.Flag] = true, true
	}
	for _, key := range leafKeys("", Default()) {
		if !inTable[key] {
			t.Errorf("key %s has no flag and no variable", key)
		}
		delete(inTable, key)
	}
	for key := range inTable {
		t.Errorf("setting %s is not a key of the file", key)
	}
	for _, want := range []string{"data-dir", "cluster-name", "listen", "fed-listen", "admission-listen", "ops-listen", "admin-password-file", "vulndb"} {
		if !flags[want] {
			t.Errorf("no flag --%s", want)
		}
	}
}

func TestLint(t *testing.T) {
	t.Parallel()
	c := Default()
	if got := Lint(c, []string{"MUSTER_DATA_DIR=/x", "MUSTER_SERVICE_HOST=10.0.0.1", "MUSTER_PORT_10443_TCP=x", "HOME=/"}); len(got) > 0 {
		t.Errorf("warnings about the defaults: %v", got)
	}
	c.DataDir, c.OpsListen = "data", ":9443"
	c.VulnDB = VulnDB{File: "trivy.db", Repositories: []string{"mirror.example/trivy-db"}}
	c.TLS = TLS{CertFile: "a", KeyFile: "b", Hosts: []string{"h"}}
	c.Plugins = []Plugin{{Name: "p"}} // the host's default limits are no reason to warn
	none := Default()
	none.VulnDB.Update = Never
	if got := Lint(none, nil); len(got) != 1 || got[0].Path != "vulndb" {
		t.Errorf("no database at all: %v", got)
	}
	var got []string
	for _, w := range Lint(c, []string{"MUSTER_DATADIR=/x"}) {
		got = append(got, fmt.Sprintf("%s: %s", w.Path, w.Message))
	}
	want := []string{
		`data_dir: "data" depends on the folder the daemon is started in`,
		`ops_listen: :9443 is plain HTTP without a login and not only on this machine`,
		`vulndb.repositories: is not used: vulndb.file is set`,
		`tls.hosts: is used for the self-signed certificate only, and tls.cert_file is set`,
		`MUSTER_DATADIR: is not a setting; did you mean MUSTER_DATA_DIR?`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestParseSize(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Size{
		"0": 0, "17": 17, "1KiB": 1 << 10, "512 MiB": 512 << 20, "2GiB": 2 << 30,
		"": -1, "-1": -1, "1kb": -1, "9223372036854775807GiB": -1, "MiB": -1,
	} {
		got, err := parseSize(text)
		if want == -1 && err == nil || want != -1 && (err != nil || got != want) {
			t.Errorf("%q: %d, %v", text, got, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, glob := range []string{"testdata/good/*.yaml", "testdata/bad/*.yaml"} {
		files, err := filepath.Glob(glob)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range files {
			body, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(body)
		}
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		one, two := Default(), Default()
		errOne, errTwo := parse(body, &one), parse(body, &two)
		if (errOne == nil) != (errTwo == nil) {
			t.Fatalf("one parse fails, the next does not: %v, %v", errOne, errTwo)
		}
		if diff := cmp.Diff(one, two, cmpopts.EquateEmpty()); errOne == nil && diff != "" {
			t.Errorf("two parses differ:\n%s", diff)
		}
	})
}
