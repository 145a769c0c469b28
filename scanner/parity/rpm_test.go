package parity_test

import (
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/muster-sec/muster/scanner/sampleimage"
	"github.com/muster-sec/muster/scanner/sampleimage/rpmdb"
)

// rpmWidgets are packages around the version that repairs the widget, of several
// architectures, modules and makers.
func rpmWidgets(fixed, vendor string) []rpmdb.Package {
	epoch, rest, _ := strings.Cut(fixed, ":")
	var n uint32
	if _, err := fmt.Sscan(epoch, &n); err != nil || rest == "" {
		n, rest = 0, fixed
	}
	version, release, _ := cutLast(rest, "-")
	below := strings.Replace(release, "3", "2", 1)
	of := func(name, version, release string, epoch uint32) rpmdb.Package {
		return rpmdb.Package{Name: name, Version: version, Release: release, Epoch: epoch, Arch: "x86_64", Vendor: vendor,
			SourceRPM: "widget-" + version + "-" + release + ".src.rpm"}
	}
	list := []rpmdb.Package{
		of("widget", version, release, n), of("widget", version, below, n), of("widget", "1.0", "1", n), of("widget", "9.0", release, 0),
		of("widget", version+"~rc1", release, n), of("widget", version+"^1", release, n), of("widget", version, release+".1", n),
		of("widget", "1.0", "11", n+1), of("lib-of-widget", version, below, n), of("gpg-pubkey", "1.0", "1", 0),
		of("tool", "2.0", "2.module_el8.4.0+1+abc", 0), of("gadget", "2.0", "2.module_el8.4.0+1+abc", 0),
	}
	for _, arch := range []string{"aarch64", "i686", "noarch", "x86_64"} {
		p := of("gadget", "2.0", "2.el8", 0)
		p.Arch = arch
		list = append(list, p)
	}
	module := of("gadget", "2.0", "2.module_el8.4.0+0+abc", 0)
	module.Module = "tools:1:8040020210101:abc"
	other := of("widget", "1.0", "7", 0)
	other.Vendor = "Somebody"
	nobody := of("widget", "1.0", "8", 0)
	nobody.Vendor, nobody.SourceRPM = "", "(none)"
	amazon := of("widget", "1.0", "9.amzn2", 0)
	amazon.Vendor = ""
	source := of("made-of-widget", "9.0", "1", n)
	source.SourceRPM = "widget-1.0-1.src.rpm"
	for _, release := range []string{"2.ksplice1.el8", "2.el8_FIPS", "2.el8"} {
		list = append(list, of("flavoured", "2.0", release, 0))
	}
	return append(list, module, other, nobody, amazon, source)
}

func rpmSpecimens(t *testing.T) map[string]specimen {
	fixed := distributions()
	all := map[string]specimen{}
	for name, tt := range map[string]struct{ bucket, path, text, vendor string }{
		"alma":                  {"alma 8", "etc/redhat-release", "AlmaLinux release 8.10 (Cerulean Leopard)\n", "AlmaLinux"},
		"alma by its own file":  {"alma 9", "etc/almalinux-release", "AlmaLinux release 9.4 (X)\n", "AlmaLinux"},
		"alma by os-release":    {"alma 9", "etc/os-release", "NAME=\"AlmaLinux\"\nID=\"almalinux\"\nVERSION_ID=\"9.4\"\n", "AlmaLinux"},
		"rocky":                 {"rocky 8", "etc/rocky-release", "Rocky Linux release 8.10 (Green Obsidian)\n", "Rocky"},
		"rocky 9":               {"rocky 9", "etc/redhat-release", "Rocky Linux release 9.2 (Blue Onyx)\n", "Rocky Enterprise Software Foundation"},
		"oracle 8":              {"Oracle Linux 8", "etc/oracle-release", "Oracle Linux Server release 8.9\n", "Oracle America"},
		"oracle 7":              {"Oracle Linux 7", "etc/oracle-release", "Oracle Linux Server release 7.9\n", "Oracle America"},
		"oracle by os-release":  {"Oracle Linux 8", "etc/os-release", "ID=\"ol\"\nVERSION_ID=\"8.9\"\n", "Oracle America"},
		"amazon 1":              {"amazon linux 1", "etc/system-release", "Amazon Linux AMI release 2018.03\n", "Amazon.com"},
		"amazon 2":              {"amazon linux 2", "etc/system-release", "Amazon Linux release 2 (Karoo)\n", "Amazon Linux"},
		"amazon 2022":           {"amazon linux 2022", "etc/system-release", "Amazon Linux release 2022 (Amazon Linux)\n", "Amazon Linux"},
		"amazon 2023":           {"amazon linux 2023", "usr/lib/system-release", "Amazon Linux release 2023.3.20240312 (Amazon Linux)\n", "Amazon Linux"},
		"azure linux":           {"Azure Linux 3.0", "etc/os-release", "ID=azurelinux\nVERSION_ID=\"3.0\"\n", "Microsoft Corporation"},
		"mariner":               {"CBL-Mariner 2.0", "etc/os-release", "ID=mariner\nVERSION_ID=\"2.0.20240101\"\n", "Microsoft Corporation"},
		"photon":                {"Photon OS 4.0", "etc/os-release", "ID=photon\nVERSION_ID=4.0\n", "VMware, Inc."},
		"sles":                  {"SUSE Linux Enterprise 15.4", "etc/os-release", "ID=\"sles\"\nVERSION_ID=\"15.4\"\n", "SUSE LLC <https://www.suse.com/>"},
		"sle micro":             {"SUSE Linux Enterprise Micro 5.3", "etc/os-release", "ID=\"sle-micro\"\nVERSION_ID=\"5.3\"\n", "SUSE LLC <https://www.suse.com/>"},
		"sl micro":              {"SUSE Linux Enterprise Micro 5.3", "usr/lib/os-release", "ID='sl-micro'\nVERSION_ID='5.3'\n", "SUSE LLC <https://www.suse.com/>"},
		"leap":                  {"openSUSE Leap 15.4", "etc/os-release", "ID=\"opensuse-leap\"\nVERSION_ID=\"15.4\"\n", "openSUSE"},
		"leap of old":           {"openSUSE Leap 15.4", "etc/os-release", "ID=opensuse\nVERSION_ID=\"42.3\"\n", "openSUSE"},
		"tumbleweed":            {"openSUSE Tumbleweed", "etc/os-release", "ID=\"opensuse-tumbleweed\"\nVERSION_ID=\"20240101\"\n", "openSUSE"},
		"sles of nobody knows":  {"SUSE Linux Enterprise 15.4", "etc/os-release", "ID=\"sles\"\nVERSION_ID=\"99.1\"\n", "SUSE LLC <https://www.suse.com/>"},
		"oracle as red hat too": {"Oracle Linux 8", "etc/oracle-release", "Oracle Linux Server release 8.9\n", "Oracle America"},
	} {
		db := rpmdb.NDB(rpmWidgets(fixed[tt.bucket], tt.vendor)...)
		layer := sampleimage.Layer{text(tt.path, tt.text), text("var/lib/rpm/Packages.db", string(db))}
		if name == "oracle as red hat too" {
			layer = append(layer, text("etc/redhat-release", "Red Hat Enterprise Linux release 8.9 (Ootpa)\n"))
		}
		all[name] = stacked(layer)
	}
	alma := text("etc/redhat-release", "AlmaLinux release 8.10 (Cerulean Leopard)\n")
	widgets := rpmWidgets(fixed["alma 8"], "AlmaLinux")
	all["rpm in Berkeley DB"] = one(alma, text("var/lib/rpm/Packages", string(rpmdb.Berkeley(binary.LittleEndian, widgets...))))
	all["rpm in Berkeley DB of the other byte order"] = one(alma, text("var/lib/rpm/Packages", string(rpmdb.Berkeley(binary.BigEndian, widgets...))))
	all["rpm in SQLite"] = one(alma, text("usr/lib/sysimage/rpm/rpmdb.sqlite", rpmInSQLite(t, widgets)))
	all["rpm twice"] = one(alma, text("usr/lib/sysimage/rpm/Packages.db", string(rpmdb.NDB(widgets...))),
		text("var/lib/rpm/Packages.db", string(rpmdb.NDB(widgets[:8]...))))
	all["rpm manifest"] = one(text("etc/os-release", "ID=mariner\nVERSION_ID=\"2.0\"\n"), text("var/lib/rpmmanifest/container-manifest-2",
		"widget\t2.0-2.cm2\t1\t2\tMicrosoft Corporation\t(none)\t5\tx86_64\t0\twidget-2.0-2.cm2.src.rpm\n"+
			"lib-of-widget\t2.0-3.cm2\t1\t2\tMicrosoft Corporation\t(none)\t5\tx86_64\t0\twidget-2.0-3.cm2.src.rpm\n"+
			"widget-epoch\t1.0-3.cm2\t1\t2\tMicrosoft Corporation\t(none)\t5\tnoarch\t1\twidget-1.0-3.cm2.src.rpm\n"))
	return all
}

// rpmInSQLite lets the real engine write a database.
func rpmInSQLite(t *testing.T, packages []rpmdb.Package) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "rpmdb.sqlite")
	db, err := sql.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	_, err = db.Exec(`CREATE TABLE Packages (hnum INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB NOT NULL)`)
	for _, p := range packages {
		_, failed := db.Exec(`INSERT INTO Packages (blob) VALUES (?)`, p.Header())
		err = errors.Join(err, failed)
	}
	data, failed := os.ReadFile(file)
	if err := errors.Join(err, db.Close(), failed); err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func redHatSpecimens() map[string]specimen {
	ndb := func(some ...rpmdb.Package) sampleimage.File {
		return text("var/lib/rpm/Packages.db", string(rpmdb.NDB(some...)))
	}
	list := rpmWidgets("2.0-3.el8", "Red Hat, Inc.")
	module := rpmdb.Package{Name: "widget", Version: "2.0", Release: "2.module_el8", Arch: "x86_64", Vendor: "Red Hat, Inc.",
		SourceRPM: "widget-2.0-2.module_el8.src.rpm", Module: "tools:1:8040020210101:abc"}
	db := ndb(append(list, module)...)
	rhel := text("etc/redhat-release", "Red Hat Enterprise Linux release 8.4 (Ootpa)\n")
	manifest := func(sets string) sampleimage.File {
		return text("root/buildinfo/content_manifests/ubi8-container-8.4-206.json", `{"metadata":{"icm_version":1},"content_sets":[`+sets+`]}`)
	}
	dockerfile := text("root/buildinfo/Dockerfile-ubi8-8.4-206",
		"FROM sha256:0\nENV container oci\nLABEL com.redhat.component=\"ubi8-container\" \\\n      name=\"ubi8\" \\\n      architecture=\"x86_64\"\n")
	all := map[string]specimen{
		"rhel 8":                         one(rhel, db),
		"rhel 9":                         one(text("etc/redhat-release", "Red Hat Enterprise Linux release 9.2 (Plow)\n"), db),
		"rhel 7":                         one(text("etc/os-release", "ID=\"rhel\"\nVERSION_ID=\"7.9\"\n"), db),
		"centos 8":                       one(text("etc/centos-release", "CentOS Linux release 8.4.2105\n"), db),
		"centos 7":                       one(text("etc/centos-release", "CentOS Linux release 7.6.1810 (Core) \n"), db),
		"rhel by content sets":           one(rhel, db, manifest(`"rhel-8-for-x86_64-baseos-eus-rpms__8_DOT_4","rhel-8-for-x86_64-appstream-rpms__8"`)),
		"rhel by build":                  one(rhel, db, text("root/buildinfo/Dockerfile-ubi8-8.4-206", dockerfile.Body)),
		"rhel by build and content sets": one(rhel, db, dockerfile, manifest(`"rhel-8-for-x86_64-baseos-rpms"`)),
		"rhel of layers": stacked(sampleimage.Layer{rhel, ndb(list[:3]...)}, sampleimage.Layer{manifest(`"rhel-8-for-x86_64-baseos-rpms"`)},
			sampleimage.Layer{ndb(append(list[:6:6], module)...)}),
		"rhel with an empty manifest": one(rhel, db, manifest("")),
	}
	for name, s := range all {
		s.unsourced = true
		all[name] = s
	}
	return all
}
