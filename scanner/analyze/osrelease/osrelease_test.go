package osrelease

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/scanner/analyze"
	"github.com/muster-sec/muster/scanner/inventory"
)

func TestRead(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, path, text string
		want             inventory.OSFact
		problem          bool
	}{
		{name: "alpine", path: "etc/os-release", text: "NAME=\"Alpine Linux\"\nID=alpine\nVERSION_ID=3.17.10\n",
			want: inventory.OSFact{Family: "alpine", Version: "3.17.10"}},
		{name: "quoted", path: "usr/lib/os-release", text: "ID=\"rocky\"\nVERSION_ID='8.9'\n",
			want: inventory.OSFact{Family: "rocky", Version: "8.9"}},
		{name: "another name for the family", path: "etc/os-release", text: "ID=almalinux\nVERSION_ID=8.4\n",
			want: inventory.OSFact{Family: "alma", Version: "8.4"}},
		{name: "CentOS Stream is not CentOS", path: "etc/os-release", text: "NAME=\"CentOS Stream\"\nID=centos\nVERSION_ID=8\n",
			want: inventory.OSFact{Family: "centos-stream", Version: "8"}},
		{name: "Debian's os-release does not count", path: "etc/os-release", text: "ID=debian\nVERSION_ID=\"12\"\n"},
		{name: "Bottlerocket", path: "x86_64-bottlerocket-linux-gnu/sys-root/usr/lib/os-release", text: "ID=bottlerocket\nVERSION_ID=1.20.0\n",
			want: inventory.OSFact{Family: "bottlerocket", Version: "1.20.0"}},
		{name: "no version", path: "etc/os-release", text: "ID=alpine\n"},
		{name: "Debian", path: "etc/debian_version", text: "12.5\n", want: inventory.OSFact{Family: "debian", Version: "12.5"}},
		{name: "empty Debian version", path: "etc/debian_version"},
		{name: "Alpine release", path: "etc/alpine-release", text: "3.9.0", want: inventory.OSFact{Family: "alpine", Version: "3.9.0"}},
		{name: "Ubuntu", path: "etc/lsb-release", text: "DISTRIB_ID=Ubuntu\nDISTRIB_RELEASE=18.04\n", want: inventory.OSFact{Family: "ubuntu", Version: "18.04"}},
		{name: "Mint says it is not Ubuntu", path: "etc/lsb-release", text: "DISTRIB_ID=LinuxMint\nDISTRIB_RELEASE=21\n"},
		{name: "repositories", path: "etc/apk/repositories",
			text: "https://dl-cdn.alpinelinux.org/alpine/v3.9/main\nhttp://mirror.example/alpine/v3.10/community\n",
			want: inventory.OSFact{Family: "alpine", Repository: "3.10"}},
		{name: "edge is the latest", path: "etc/apk/repositories",
			text: "https://dl-cdn.alpinelinux.org/alpine/edge/main\n@old https://dl-cdn.alpinelinux.org/alpine/v3.9/main\n",
			want: inventory.OSFact{Family: "alpine", Repository: "edge"}},
		{name: "edge is the latest, first or last", path: "etc/apk/repositories",
			text: "https://dl-cdn.alpinelinux.org/alpine/v3.9/main\nhttps://dl-cdn.alpinelinux.org/alpine/edge/testing\n",
			want: inventory.OSFact{Family: "alpine", Repository: "edge"}},
		{name: "comments do not count", path: "etc/apk/repositories",
			text: "https://dl-cdn.alpinelinux.org/alpine/v3.9/main\n#https://dl-cdn.alpinelinux.org/alpine/edge/testing\n",
			want: inventory.OSFact{Family: "alpine", Repository: "3.9"}},
		{name: "mixed repositories", path: "etc/apk/repositories", problem: true,
			text: "https://dl-cdn.alpinelinux.org/alpine/v3.9/main\nhttps://example.org/other/v1/main\n"},
		{name: "a repository at a port does not count", path: "etc/apk/repositories",
			text: "http://mirror.example:8080/alpine/v3.10/main\nhttps://dl-cdn.alpinelinux.org/alpine/v3.9/main\n",
			want: inventory.OSFact{Family: "alpine", Repository: "3.9"}},
		{name: "local repositories", path: "etc/apk/repositories", text: "/srv/packages\n"},
		{name: "extended maintenance", path: "var/lib/ubuntu-advantage/status.json",
			text: `{"services":[{"name":"esm-apps","status":"disabled"},{"name":"esm-infra","status":"enabled"}]}`,
			want: inventory.OSFact{Family: "ubuntu", Extended: true}},
		{name: "no extended maintenance", path: "var/lib/ubuntu-advantage/status.json", text: `{"services":[{"name":"esm-infra","status":"n/a"}]}`},
		{name: "broken status", path: "var/lib/ubuntu-advantage/status.json", text: `{`, problem: true},
		{name: "Red Hat", path: "etc/redhat-release", text: "Red Hat Enterprise Linux release 8.4 (Ootpa)\n",
			want: inventory.OSFact{Family: "redhat", Version: "8.4"}},
		{name: "CentOS", path: "etc/centos-release", text: "CentOS Linux release 7.6.1810 (Core)\n",
			want: inventory.OSFact{Family: "centos", Version: "7.6.1810"}},
		{name: "CentOS Stream's own file", path: "etc/centos-release", text: "CentOS Stream release 9\n",
			want: inventory.OSFact{Family: "centos-stream", Version: "9"}},
		{name: "Alma", path: "etc/almalinux-release", text: "AlmaLinux release 8.4 (Electric Cheetah)\n",
			want: inventory.OSFact{Family: "alma", Version: "8.4"}},
		{name: "Rocky in the place of Red Hat", path: "etc/redhat-release", text: "Rocky Linux release 9.1 (Blue Onyx)",
			want: inventory.OSFact{Family: "rocky", Version: "9.1"}},
		{name: "Fedora", path: "usr/lib/fedora-release", text: "Fedora release 35 (Thirty Five)\n",
			want: inventory.OSFact{Family: "fedora", Version: "35"}},
		{name: "Oracle says so by the file's name", path: "etc/oracle-release", text: "Linux Server release 8.4\n",
			want: inventory.OSFact{Family: "oracle", Version: "8.4"}},
		{name: "Oracle in the place of Red Hat", path: "etc/redhat-release", text: "Oracle Linux Server release 6.1\n",
			want: inventory.OSFact{Family: "oracle", Version: "6.1"}},
		{name: "no release", path: "etc/redhat-release", text: "Red Hat\n", problem: true},
		{name: "no Oracle release", path: "etc/oracle-release", problem: true},
		{name: "Amazon Linux 1", path: "etc/system-release", text: "Amazon Linux AMI release 2018.03\n",
			want: inventory.OSFact{Family: "amazon", Version: "AMI release 2018.03"}},
		{name: "Amazon Linux 2", path: "etc/system-release", text: "Amazon Linux release 2 (Karoo)\n",
			want: inventory.OSFact{Family: "amazon", Version: "2 (Karoo)"}},
		{name: "Amazon Linux 2023", path: "usr/lib/system-release", text: "Amazon Linux release 2023.1 (Amazon Linux)\n",
			want: inventory.OSFact{Family: "amazon", Version: "2023.1 (Amazon Linux)"}},
		{name: "a system-release of somebody else", path: "etc/system-release", text: "CentOS Linux release 7.6.1810 (Core)\n"},
		{name: "a system-release of nothing", path: "etc/system-release", text: "Amazon Linux release 2\n"},
		{name: "Arch", path: "etc/arch-release", want: inventory.OSFact{Family: "arch", Version: "rolling"}},
		{name: "Arch by os-release", path: "usr/lib/os-release", text: "ID=arch\n", want: inventory.OSFact{Family: "arch", Version: "rolling"}},
		{name: "echo", path: "etc/os-release", text: "ID=echo\nVERSION_ID=12\n", want: inventory.OSFact{Family: "echo", Version: "12"}},
		{name: "minimos", path: "etc/os-release", text: "ID=minimos\nVERSION_ID=\"2024\"\n", want: inventory.OSFact{Family: "minimos", Version: "2024"}},
		{name: "endless", path: "etc/os-release", text: strings.Repeat("x", maxBytes+1), problem: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := analyze.File{Path: tt.path, Size: int64(len(tt.text))}
			if !(Analyzer{}).Required(f) {
				t.Fatalf("%s is not required", tt.path)
			}
			r := Analyzer{}.Begin()
			if err := r.Read(f, strings.NewReader(tt.text)); (err != nil) != tt.problem {
				t.Errorf("error %v, expected one: %v", err, tt.problem)
			}
			var want []inventory.OSFact
			if tt.want != (inventory.OSFact{}) {
				tt.want.Path = tt.path
				want = []inventory.OSFact{tt.want}
			}
			if diff := cmp.Diff(want, r.Result().OS); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func FuzzRead(f *testing.F) {
	f.Add(0, "ID=alpine\nVERSION_ID=3.17.10\n")
	f.Add(3, "https://dl-cdn.alpinelinux.org/alpine/v3.9/main\n")
	f.Add(4, `{"services":[]}`)
	paths := []string{"etc/os-release", "etc/debian_version", "etc/lsb-release", "etc/apk/repositories", "var/lib/ubuntu-advantage/status.json",
		"etc/redhat-release", "etc/oracle-release", "etc/system-release"}
	f.Add(5, "Rocky Linux release 9.1 (Blue Onyx)")
	f.Add(7, "Amazon Linux release 2 (Karoo)")
	f.Fuzz(func(t *testing.T, which int, text string) {
		fact, ok, err := parserFor(paths[uint(which)%uint(len(paths))])(text)
		if ok && err == nil && fact.Version == "" && fact.Repository == "" && !fact.Extended {
			t.Errorf("a fact that says nothing: %+v", fact)
		}
	})
}
