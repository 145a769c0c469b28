// Command demo shows muster's main job on one machine: a registry with sample
// images made by code, a primary and a managed cluster, a federated registry
// scanned once, a CI result, a federated rule, and two decisions of the managed
// cluster. It runs the real binary and prints every command as a user would
// type it. Everything lies in one temporary folder and listens on loopback.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"golang.org/x/term"

	"github.com/muster-sec/muster/cli/rig"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil && ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		stop()
		os.Exit(1)
	}
}

// heading is bold for a person.
func heading(s string) string {
	if !term.IsTerminal(int(os.Stdout.Fd())) {
		return s
	}
	return "\033[1m" + s + "\033[0m"
}

func run(ctx context.Context) (err error) {
	bin := flag.String("muster", "bin/muster", "the muster binary")
	exit := flag.Bool("exit", false, "clean up and exit at the end instead of waiting for Ctrl-C")
	flag.Parse()

	path, err := filepath.Abs(*bin)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "muster-demo-")
	if err != nil {
		return err
	}
	d := &demo{dir: dir, bin: *bin, rig: &rig.Rig{Bin: path, Dir: dir, Password: "demo-" + filepath.Base(dir)}}
	defer func() { err = errors.Join(err, d.cleanUp()) }()

	for i, step := range d.steps() {
		fmt.Printf("\n%s\n", heading(fmt.Sprintf("%d. %s", i+1, step.title)))
		if err := step.run(ctx); err != nil {
			return fmt.Errorf("%s: %w", step.title, err)
		}
	}
	if *exit {
		fmt.Println("\nDone; stopping everything and removing", dir)
		return nil
	}
	d.printWhere()
	<-ctx.Done()
	fmt.Println("\nStopping everything and removing", dir)
	return nil
}
