package rpm

import (
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"

	_ "modernc.org/sqlite" // the engine that writes what the reader is tested with

	"github.com/muster-sec/muster/scanner/sampleimage/rpmdb"
)

func samples() []rpmdb.Package {
	return []rpmdb.Package{
		{Name: "bash", Version: "5.1.8", Release: "6.el9", Arch: "x86_64", Vendor: "AlmaLinux",
			SourceRPM: "bash-5.1.8-6.el9.src.rpm", Files: []string{"/usr/bin/bash", "/etc/skel/.bashrc"}},
		{Name: "openssl-libs", Version: "3.0.7", Release: "1.el9", Arch: "x86_64", Vendor: "AlmaLinux",
			SourceRPM: "openssl-3.0.7-1.el9.src.rpm", Epoch: 1, Files: manyFiles()},
		{Name: "npm", Version: "6.14.8", Release: "1.module_el8", Arch: "noarch", Vendor: "AlmaLinux",
			SourceRPM: "nodejs-12.19.1-1.module_el8.src.rpm", Module: "nodejs:12:8030020201124152102:229f0a1c"},
		{Name: "docker-ce", Version: "20.10", Release: "3", Arch: "x86_64", Vendor: "Docker", Files: []string{"/usr/bin/dockerd"}},
	}
}

// manyFiles make a header that takes several pages in every format.
func manyFiles() []string {
	var files []string
	for i := range 3000 {
		files = append(files, "/usr/share/openssl/"+strings.Repeat("d", i%50)+"/file"+string(rune('a'+i%26)))
	}
	return files
}

// sqliteFile lets the real engine write a database of headers.
func sqliteFile(tb testing.TB, headers ...[]byte) []byte {
	tb.Helper()
	file := filepath.Join(tb.TempDir(), "rpmdb.sqlite")
	db, err := sql.Open("sqlite", file)
	if err != nil {
		tb.Fatal(err)
	}
	for _, statement := range []string{
		`CREATE TABLE 'Name' (key TEXT, hnum INTEGER, idx INTEGER)`,
		`CREATE TABLE 'Packages' (hnum INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB NOT NULL)`,
	} {
		if _, err := db.Exec(statement); err != nil {
			tb.Fatal(err)
		}
	}
	tx, err := db.Begin()
	if err != nil {
		tb.Fatal(err)
	}
	for _, h := range headers {
		if _, err := tx.Exec(`INSERT INTO Packages (blob) VALUES (?)`, h); err != nil {
			tb.Fatal(err)
		}
	}
	if err := tx.Commit(); err != nil {
		tb.Fatal(err)
	}
	if err := db.Close(); err != nil {
		tb.Fatal(err)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		tb.Fatal(err)
	}
	return data
}
