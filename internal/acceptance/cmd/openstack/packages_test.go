//go:build linux

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// fakeArchive puts a folder with nothing but an apt-get of its own on PATH,
// which logs its calls and runs script, and returns the log.
func fakeArchive(t *testing.T, script string) string {
	t.Helper()
	if _, err := os.Stat("/etc/debian_version"); err != nil || os.Geteuid() != 0 {
		// Elsewhere the program refuses before it comes to what is tested here.
		t.Skip("packages are installed by root on Debian only")
	}
	folder := t.TempDir()
	log := filepath.Join(folder, "log")
	content := "#!/bin/sh\necho \"$DEBIAN_FRONTEND $*\" >> " + log + "\ncd " + folder + "\n" + script
	if err := os.WriteFile(filepath.Join(folder, "apt-get"), []byte(content), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", folder)
	return log
}

func TestEnsurePackagesInstallsWhatIsMissing(t *testing.T) {
	const install = `
if [ "$3" = install ]; then
  for program in keystone-manage uwsgi glance-manage glance-api openstack; do
    echo > $program && /bin/chmod +x $program
  done
fi`
	log := fakeArchive(t, install)
	if err := ensurePackages(t.Context()); err != nil {
		t.Fatal(err)
	}
	// The second time there is nothing to do.
	if err := ensurePackages(t.Context()); err != nil {
		t.Fatal(err)
	}
	calls, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	const want = "noninteractive --option DPkg::Lock::Timeout=300 update\n" +
		"noninteractive --option DPkg::Lock::Timeout=300 install --yes --no-install-recommends glance-api keystone python3-openstackclient\n"
	if string(calls) != want {
		t.Errorf("calls:\n%swant:\n%s", calls, want)
	}
}

func TestEnsurePackagesReportsAFailedInstallation(t *testing.T) {
	fakeArchive(t, "echo no route to the archive; exit 100")
	err := ensurePackages(t.Context())
	if err == nil || !strings.Contains(err.Error(), "no route to the archive") {
		t.Errorf("got %v, want the output of apt-get", err)
	}
}

func TestEnsurePackagesReportsWhatAnInstallationDidNotBring(t *testing.T) {
	fakeArchive(t, "exit 0")
	err := ensurePackages(t.Context())
	if err == nil || !strings.Contains(err.Error(), "glance-api") {
		t.Errorf("got %v, want the missing program", err)
	}
}
