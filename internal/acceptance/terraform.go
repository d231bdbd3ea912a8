package acceptance

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	// ProviderSource is the source address of the provider in a configuration.
	ProviderSource = "imageops/imageops"
	// providerBinaryVariable names a ready-built provider binary.
	providerBinaryVariable = "IMAGEOPS_PROVIDER_BINARY"
	// terraformVariable names the CLI to test with; terraform-plugin-testing reads the same.
	terraformVariable = "TF_ACC_TERRAFORM_PATH"
	// providerProgram is the name that terraform looks for in a folder of dev_overrides.
	providerProgram = "terraform-provider-imageops"
)

// terraformBinary returns the path of the CLI: TF_ACC_TERRAFORM_PATH, else
// terraform, else tofu. Without any it skips the test.
func terraformBinary(t testing.TB) string {
	t.Helper()
	if path := os.Getenv(terraformVariable); path != "" {
		return path
	}
	for _, name := range []string{"terraform", "tofu"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skip("neither terraform nor tofu is on PATH")
	return ""
}

// buildProvider builds the provider once per test process and returns the
// folder with the binary.
var buildProvider = sync.OnceValues(func() (string, error) {
	root, err := moduleRoot()
	if err != nil {
		return "", err
	}
	// Below bin, which git ignores, and not in a temporary folder: no test of a
	// package is its last, so none could delete it. The go command leaves a
	// binary alone that is up to date.
	folder := filepath.Join(root, "bin", "acceptance")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", err
	}
	// The tests of several packages build at the same time.
	lock, err := os.Open(folder)
	if err != nil {
		return "", err
	}
	defer func() { _ = lock.Close() }()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", fmt.Errorf("locking %s: %w", folder, err)
	}
	build := exec.Command("go", "build", "-o", filepath.Join(folder, providerProgram), ".")
	build.Dir = root
	if output, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the provider: %w\n%s", err, output)
	}
	return folder, nil
})

// moduleRoot returns the folder of go.mod above the working directory, which is
// the folder of the tested package.
func moduleRoot() (string, error) {
	folder, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(folder, "go.mod")); err == nil {
			return folder, nil
		}
		parent := filepath.Dir(folder)
		if parent == folder {
			return "", errors.New("no go.mod above the working directory")
		}
		folder = parent
	}
}

// providerFolder returns the folder with the provider binary.
func providerFolder(t testing.TB) string {
	t.Helper()
	if binary := os.Getenv(providerBinaryVariable); binary != "" {
		if filepath.Base(binary) != providerProgram {
			t.Fatalf("%s must name a file %s, as terraform looks for that name: %s", providerBinaryVariable, providerProgram, binary)
		}
		folder, err := filepath.Abs(filepath.Dir(binary))
		if err != nil {
			t.Fatal(err)
		}
		return folder
	}
	folder, err := buildProvider()
	if err != nil {
		t.Fatal(err)
	}
	return folder
}

// Process is a running terraform command.
type Process struct {
	t       testing.TB
	command *exec.Cmd
	began   time.Time
	stdout  stream
	stderr  stream
	ended   chan struct{}
	took    time.Duration // valid once ended is closed
}

// stream collects the output of a process and wakes those who wait for a text in it.
type stream struct {
	mu      sync.Mutex
	content bytes.Buffer
	changed chan struct{} // closed and replaced at every write
}

func (s *stream) Write(content []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
	return s.content.Write(content)
}

// snapshot returns what was written so far, and a channel that closes at the
// next write.
func (s *stream) snapshot() (string, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.changed == nil {
		s.changed = make(chan struct{})
	}
	return s.content.String(), s.changed
}

// commandLimit bounds one terraform command, unless Options say otherwise.
const commandLimit = 5 * time.Minute

// startProcess starts a command in a process group of its own, and kills what
// is left of it when the test ends or the time is over.
func startProcess(t testing.TB, command *exec.Cmd, most time.Duration) *Process {
	t.Helper()
	p := &Process{t: t, command: command, began: time.Now(), ended: make(chan struct{})}
	command.Stdout, command.Stderr = &p.stdout, &p.stderr
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	// A provider that outlives its killed terraform keeps the pipes open.
	command.WaitDelay = 5 * time.Second
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	kill := func() { _ = syscall.Kill(-command.Process.Pid, syscall.SIGKILL) }
	limit := time.AfterFunc(most, kill)
	go func() {
		// The exit code says it all; an error besides it is a pipe kept open.
		_ = command.Wait()
		limit.Stop()
		p.took = time.Since(p.began)
		close(p.ended)
	}()
	t.Cleanup(func() {
		kill()
		<-p.ended
	})
	return p
}

// Interrupt sends SIGINT to terraform alone, like a Ctrl-C that the provider,
// which ignores it, does not see.
func (p *Process) Interrupt() {
	p.t.Helper()
	p.signal(p.command.Process.Pid, syscall.SIGINT)
}

// Kill kills terraform, but not the provider.
func (p *Process) Kill() {
	p.t.Helper()
	p.signal(p.command.Process.Pid, syscall.SIGKILL)
}

// KillProvider kills the provider processes that terraform has started, and
// fails the test when there is none.
func (p *Process) KillProvider() {
	p.t.Helper()
	providers, err := providerProcesses(p.command.Process.Pid)
	if err != nil || len(providers) == 0 {
		p.t.Fatalf("no provider process to kill: %v", err)
	}
	for _, pid := range providers {
		p.signal(pid, syscall.SIGKILL)
	}
}

// ProviderMemory returns the most memory, in bytes, that a provider process that
// terraform has started held so far; 0 while there is none.
func (p *Process) ProviderMemory() int64 {
	p.t.Helper()
	providers, err := providerProcesses(p.command.Process.Pid)
	if err != nil {
		p.t.Fatal(err)
	}
	var most int64
	for _, pid := range providers {
		most = max(most, peakMemory(pid))
	}
	return most
}

// Ended says whether the command has ended.
func (p *Process) Ended() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

func (p *Process) signal(pid int, signal syscall.Signal) {
	p.t.Helper()
	if err := syscall.Kill(pid, signal); err != nil {
		p.t.Errorf("sending %v: %v", signal, err)
	}
}

// WaitFor returns when the command has printed text, and fails the test when it
// ends without it.
func (p *Process) WaitFor(text string) {
	p.t.Helper()
	for {
		stdout, moreOut := p.stdout.snapshot()
		stderr, moreErr := p.stderr.snapshot()
		if bytes.Contains([]byte(stdout+"\n"+stderr), []byte(text)) {
			return
		}
		select {
		case <-moreOut:
		case <-moreErr:
		case <-p.ended:
			p.t.Fatalf("the command ended without printing %q:\n%s\n%s", text, stdout, stderr)
		}
	}
}

// Wait waits for the end of the command.
func (p *Process) Wait() Result {
	<-p.ended
	stdout, _ := p.stdout.snapshot()
	stderr, _ := p.stderr.snapshot()
	return Result{
		Stdout: stdout, Stderr: stderr, ExitCode: p.command.ProcessState.ExitCode(),
		Duration: p.took, arguments: p.command.Args[1:],
	}
}
