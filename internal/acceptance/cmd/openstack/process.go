//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

const (
	// serviceGrace is how long a service may take to end after SIGTERM.
	serviceGrace = 5 * time.Second
	// readyPoll is the pause between two looks at a starting service.
	readyPoll = 50 * time.Millisecond
)

// service is a started server with the processes it forks.
type service struct {
	name    string
	command *exec.Cmd
	ended   chan struct{}
	err     error // why it ended; valid once ended is closed
}

// startService starts a server that writes to the file logPath. It gets a
// process group of its own, so that its workers end with it, and a SIGTERM
// should this program be killed without the chance to clean up.
func startService(name, logPath string, environment []string, arguments ...string) (*service, error) {
	output, err := os.OpenFile(logPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = output.Close() }()
	command := exec.Command(arguments[0], arguments[1:]...)
	command.Env = append(baseEnvironment(), environment...)
	command.Stdout, command.Stderr = output, output
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := command.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	s := &service{name: name, command: command, ended: make(chan struct{})}
	go func() {
		s.err = command.Wait()
		close(s.ended)
	}()
	return s, nil
}

// baseEnvironment is what every process of the cloud gets. The caller's own
// variables stay out: a proxy would stand between the services, and Python's
// variables would change what they load.
func baseEnvironment() []string {
	return []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C.UTF-8"}
}

// stop ends the service and every process of its group.
func (s *service) stop() {
	group := -s.command.Process.Pid
	_ = syscall.Kill(group, syscall.SIGTERM)
	select {
	case <-s.ended:
	case <-time.After(serviceGrace):
	}
	_ = syscall.Kill(group, syscall.SIGKILL)
	<-s.ended
}

// waitReady returns when url answers below 500, or with an error when the
// service ends or ctx does.
func (s *service) waitReady(ctx context.Context, url string) error {
	ticker := time.NewTicker(readyPoll)
	defer ticker.Stop()
	for {
		last := probe(ctx, url)
		if last == nil {
			return nil
		}
		select {
		case <-s.ended:
			return fmt.Errorf("%s ended while starting: %w", s.name, errors.Join(s.err, last))
		case <-ctx.Done():
			return fmt.Errorf("%s did not become ready: %w", s.name, errors.Join(ctx.Err(), last))
		case <-ticker.C:
		}
	}
}

func probe(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	_ = response.Body.Close()
	if response.StatusCode >= http.StatusInternalServerError {
		return fmt.Errorf("GET %s: %s", url, response.Status)
	}
	return nil
}

// parallel runs all steps at once and returns their errors joined. The first
// error cancels the context of the others.
func parallel(ctx context.Context, steps ...func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	failures := make([]error, len(steps))
	var group sync.WaitGroup
	for i, step := range steps {
		group.Go(func() {
			if failures[i] = step(ctx); failures[i] != nil {
				cancel()
			}
		})
	}
	group.Wait()
	return errors.Join(failures...)
}

// execute runs a command that ends by itself, and puts its output into the error.
func execute(ctx context.Context, arguments ...string) error {
	command := exec.CommandContext(ctx, arguments[0], arguments[1:]...)
	command.Env = baseEnvironment()
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	output, err := command.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", arguments[0], err, tail(output, 20))
	}
	return nil
}
