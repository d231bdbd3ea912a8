//go:build linux

// Command openstack starts a real Keystone and Glance on loopback, from
// Debian's packages, for as long as a command runs.
//
//	go run ./internal/acceptance/cmd/openstack [-dir DIR] [-keep] -- COMMAND ARGS...
//
// COMMAND finds in the environment variable IMAGEOPS_OPENSTACK the path of a
// JSON file that describes the cloud (acceptance.Cloud). The exit code is
// COMMAND's. Without a COMMAND the path is printed, and the cloud runs until
// SIGINT or SIGTERM. Whatever the end, no process and no file stays behind.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/imageops/terraform-provider-imageops/internal/acceptance"
)

const (
	// startLimit bounds the start of all services, without the installation of packages.
	startLimit = 2 * time.Minute
	// commandGrace is how long COMMAND may take to end after a signal was passed on to it.
	commandGrace = 30 * time.Second
	// parentPoll is how often the program looks whether `go run` still lives.
	parentPoll = time.Second
	// exitFailure is the exit code when the cloud itself could not be provided.
	exitFailure = 125
)

func main() {
	os.Exit(run(os.Args[1:]))
}

// run returns the exit code of the program.
func run(arguments []string) int {
	flags := flag.NewFlagSet("openstack", flag.ContinueOnError)
	dir := flags.String("dir", "", "folder for the cloud; must be absent or empty (default: a temporary folder)")
	keep := flags.Bool("keep", false, "keep the folder, with databases and logs, at the end")
	if err := flags.Parse(arguments); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return 2
	}

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go endWithGoRun(ctx, cancel)

	code, err := provide(ctx, *dir, *keep, flags.Args())
	if err != nil {
		fmt.Fprintln(os.Stderr, "openstack:", err)
		return exitFailure
	}
	return code
}

// endWithGoRun calls end when the parent is `go run` and dies. The go command
// does not pass SIGTERM on to the program it runs, so without this look a
// stopped make target would leave the cloud running.
func endWithGoRun(ctx context.Context, end context.CancelFunc) {
	parent := os.Getppid()
	name, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(parent), "comm"))
	if err != nil || strings.TrimSpace(string(name)) != "go" {
		return
	}
	ticker := time.NewTicker(parentPoll)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if os.Getppid() != parent {
				end()
				return
			}
		}
	}
}

// provide starts a cloud, runs command with it and removes it. The error says
// why there was no cloud; what command thinks of it is in the exit code.
func provide(ctx context.Context, dir string, keep bool, command []string) (code int, err error) {
	if err := ensurePackages(ctx); err != nil {
		return 0, err
	}
	dir, err = prepareDir(dir)
	if err != nil {
		return 0, err
	}
	if keep {
		defer fmt.Fprintln(os.Stderr, "openstack: kept", dir)
	} else {
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	}

	cloud := newCloud(dir)
	defer cloud.stop()
	began := time.Now()
	startContext, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	description, err := cloud.start(startContext)
	switch {
	case ctx.Err() != nil:
		return 0, errInterrupted
	case err != nil:
		cloud.printLogs(os.Stderr)
		return 0, fmt.Errorf("starting the cloud: %w", err)
	}
	fmt.Fprintf(os.Stderr, "openstack: Keystone and Glance are ready after %.1f s\n", time.Since(began).Seconds())

	if len(command) == 0 {
		fmt.Println(description)
		<-ctx.Done()
		return 0, nil
	}
	return runCommand(ctx, command, append(os.Environ(), acceptance.EnvironmentVariable+"="+description))
}

// errInterrupted says that a signal came before the cloud was ready.
var errInterrupted = errors.New("interrupted while starting")

// prepareDir returns an absolute, empty folder.
func prepareDir(dir string) (string, error) {
	if dir == "" {
		return os.MkdirTemp("", "imageops-openstack-")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	if len(entries) != 0 {
		return "", fmt.Errorf("folder %s is not empty; it would be deleted at the end", dir)
	}
	return dir, nil
}

// runCommand runs command in a process group of its own and returns its exit
// code. When ctx ends, SIGINT is passed on, so that tests and terraform can
// clean up, and what is left after commandGrace is killed.
func runCommand(ctx context.Context, command, environment []string) (int, error) {
	child := exec.Command(command[0], command[1:]...)
	child.Env = environment
	child.Stdin, child.Stdout, child.Stderr = os.Stdin, os.Stdout, os.Stderr
	child.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := child.Start(); err != nil {
		return 0, err
	}
	ended := make(chan error, 1)
	go func() { ended <- child.Wait() }()

	var err error
	select {
	case err = <-ended:
	case <-ctx.Done():
		_ = syscall.Kill(-child.Process.Pid, syscall.SIGINT)
		select {
		case err = <-ended:
		case <-time.After(commandGrace):
		}
	}
	// Whatever the command left running in its group would outlive the cloud.
	_ = syscall.Kill(-child.Process.Pid, syscall.SIGKILL)
	return exitCode(err), nil
}

// exitCode translates the end of a command as a shell does: 128 plus the
// signal's number for one that a signal ended.
func exitCode(err error) int {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case !errors.As(err, &exit):
		return exitFailure
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return exit.ExitCode()
}
