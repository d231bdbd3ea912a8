//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// packages are the Debian packages that bring programs.
var packages = []string{"glance-api", "keystone", "python3-openstackclient"}

// programs are what the cloud and its tests run.
var programs = []string{"keystone-manage", "uwsgi", "glance-manage", "glance-api", "openstack"}

// ensurePackages installs Keystone, Glance and the openstack client from
// Debian's archive when they are missing. Installed, the packages start
// nothing on a machine without an init system, and their configuration in /etc
// is not used except for Glance's paste file.
func ensurePackages(ctx context.Context) error {
	missing := missingPrograms()
	if len(missing) == 0 {
		return nil
	}
	if _, err := os.Stat("/etc/debian_version"); err != nil {
		return fmt.Errorf("%s not found, and this is no Debian: the cloud runs from Debian's packages %s",
			strings.Join(missing, ", "), strings.Join(packages, " "))
	}
	if os.Geteuid() != 0 {
		return fmt.Errorf("%s not found, and only root can install packages: apt-get install --no-install-recommends %s",
			strings.Join(missing, ", "), strings.Join(packages, " "))
	}
	began := time.Now()
	fmt.Fprintf(os.Stderr, "openstack: %s not found: installing Debian's packages, about a minute and a half\n", strings.Join(missing, ", "))
	for _, arguments := range [][]string{
		{"update"},
		append([]string{"install", "--yes", "--no-install-recommends"}, packages...),
	} {
		// Another installation on the machine holds a lock for a while.
		command := exec.CommandContext(ctx, "apt-get", append([]string{"--option", "DPkg::Lock::Timeout=300"}, arguments...)...)
		command.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		// Killed in the middle, dpkg would need a repair by hand.
		command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
		if output, err := command.CombinedOutput(); err != nil {
			return fmt.Errorf("apt-get %s: %w\n%s", arguments[0], err, tail(output, 30))
		}
	}
	if missing := missingPrograms(); len(missing) != 0 {
		return fmt.Errorf("%s still not found after the installation", strings.Join(missing, ", "))
	}
	fmt.Fprintf(os.Stderr, "openstack: installed in %.0f s\n", time.Since(began).Seconds())
	return nil
}

func missingPrograms() []string {
	var missing []string
	for _, program := range programs {
		if _, err := exec.LookPath(program); err != nil {
			missing = append(missing, program)
		}
	}
	return missing
}

// tail returns the last lines of text.
func tail(text []byte, lines int) string {
	all := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	if len(all) > lines {
		all = all[len(all)-lines:]
	}
	return strings.Join(all, "\n")
}
