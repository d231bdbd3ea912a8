//go:build linux

package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/imageops/terraform-provider-imageops/internal/acceptance"
)

// newPipe makes a named pipe. Opening one end waits for the other.
func newPipe(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// waitFor fails the test unless over is closed long before a left-over process
// would end by itself.
func waitFor(t *testing.T, over <-chan struct{}) {
	t.Helper()
	select {
	case <-over:
	case <-time.After(20 * time.Second):
		t.Fatal("a process has been left running")
	}
}

func TestRunCommandReturnsTheExitCode(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, script string
		want         int
	}{
		{"success", "exit 0", 0},
		{"failure", "exit 7", 7},
		{"a signal", "kill -TERM $$", 128 + int(syscall.SIGTERM)},
		{"the environment arrives", `test "$IMAGEOPS_OPENSTACK" = described`, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			environment := append(os.Environ(), acceptance.EnvironmentVariable+"=described")
			code, err := runCommand(t.Context(), []string{"sh", "-c", c.script}, environment)
			if err != nil || code != c.want {
				t.Errorf("got %d, %v; want %d", code, err, c.want)
			}
		})
	}
}

func TestRunCommandPassesTheInterruptOn(t *testing.T) {
	t.Parallel()
	started := newPipe(t)
	ctx, interrupt := context.WithCancel(t.Context())
	go func() {
		// Opening the pipe waits until the script opens it too.
		_, _ = os.ReadFile(started)
		interrupt()
	}()
	script := `trap "exit 9" INT; echo > "$0"; while :; do sleep 0.01; done`
	code, err := runCommand(ctx, []string{"sh", "-c", script, started}, os.Environ())
	if err != nil || code != 9 {
		t.Errorf("got %d, %v; want 9", code, err)
	}
}

func TestRunCommandKillsWhatTheCommandLeavesRunning(t *testing.T) {
	t.Parallel()
	pipe := newPipe(t)
	over := make(chan struct{})
	go func() {
		// The end of the file comes when the last process that has it open dies.
		_, _ = os.ReadFile(pipe)
		close(over)
	}()
	if _, err := runCommand(t.Context(), []string{"sh", "-c", `exec 3> "$0"; sleep 60 &`, pipe}, os.Environ()); err != nil {
		t.Fatal(err)
	}
	waitFor(t, over)
}

func TestRunCommandReportsWhatCannotRun(t *testing.T) {
	t.Parallel()
	if _, err := runCommand(t.Context(), []string{filepath.Join(t.TempDir(), "absent")}, nil); err == nil {
		t.Error("no error for a command that does not exist")
	}
}

func TestPrepareDirRefusesAFolderThatHoldsSomething(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	if _, err := prepareDir(filepath.Join(folder, "absent")); err != nil {
		t.Errorf("an absent folder: %v", err)
	}
	if _, err := prepareDir(folder); err == nil {
		t.Error("a folder that is not empty was accepted, and would be deleted")
	}
}

func TestFreePortsAreDifferent(t *testing.T) {
	t.Parallel()
	ports, err := freePorts(20)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(ports)
	if len(slices.Compact(ports)) != 20 {
		t.Errorf("a port comes twice in %v", ports)
	}
}

func TestCatalogueHasNoImageServiceInRegionThree(t *testing.T) {
	t.Parallel()
	l := layout{keystone: 1, glance: map[string]int{acceptance.RegionOne: 2, acceptance.RegionTwo: 3}}
	catalogue := l.catalogue()
	for text, want := range map[string]bool{
		"catalog.RegionOne.image.publicURL = http://127.0.0.1:2\n":         true,
		"catalog.RegionTwo.image.publicURL = http://127.0.0.1:3\n":         true,
		"catalog.RegionThree.identity.publicURL = http://127.0.0.1:1/v3\n": true,
		"catalog.RegionThree.image.":                                       false,
	} {
		if strings.Contains(catalogue, text) != want {
			t.Errorf("contains %q: %v, want %v", text, !want, want)
		}
	}
}

func TestWaitReadyReturnsWhenTheServiceEnds(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	t.Cleanup(server.Close)
	started, err := startService("short", filepath.Join(t.TempDir(), "log"), nil, "sh", "-c", "exit 4")
	if err != nil {
		t.Fatal(err)
	}
	err = started.waitReady(t.Context(), server.URL)
	if err == nil || !strings.Contains(err.Error(), "exit status 4") || !strings.Contains(err.Error(), "503") {
		t.Errorf("got %v, want the exit status and the last answer", err)
	}
}

func TestStopEndsEveryProcessOfAService(t *testing.T) {
	t.Parallel()
	pipe := newPipe(t)
	started, err := startService("workers", filepath.Join(t.TempDir(), "log"), nil, "sh", "-c", `exec 3> "$0"; sleep 60 & wait`, pipe)
	if err != nil {
		t.Fatal(err)
	}
	reader, err := os.Open(pipe)
	if err != nil {
		t.Fatal(err)
	}
	over := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, reader)
		_ = reader.Close()
		close(over)
	}()
	started.stop()
	waitFor(t, over)
}

func TestParallelCancelsTheOtherSteps(t *testing.T) {
	t.Parallel()
	failure := os.ErrInvalid
	err := parallel(t.Context(),
		func(context.Context) error { return failure },
		func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
	)
	if err == nil || !strings.Contains(err.Error(), failure.Error()) {
		t.Errorf("got %v", err)
	}
}

func TestTailKeepsTheLastLines(t *testing.T) {
	t.Parallel()
	if got := tail([]byte("1\n2\n3\n"), 2); got != "2\n3" {
		t.Errorf("got %q", got)
	}
}
