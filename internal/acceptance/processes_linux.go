package acceptance

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// providerProcesses returns the descendants of the process root that run a
// provider.
func providerProcesses(root int) ([]int, error) {
	children := map[int][]int{}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		// A process that has ended meanwhile has no parent either.
		if parent, found := parentOf(pid); found {
			children[parent] = append(children[parent], pid)
		}
	}
	var providers []int
	pending := []int{root}
	for len(pending) > 0 {
		next := children[pending[0]]
		pending = append(pending[1:], next...)
		for _, pid := range next {
			if executable, err := os.Readlink(procPath(pid, "exe")); err == nil &&
				strings.HasPrefix(filepath.Base(executable), "terraform-provider-") {
				providers = append(providers, pid)
			}
		}
	}
	return providers, nil
}

// parentOf reads the parent's id from the stat file (proc(5)): the second field
// after the command's name, which stands in parentheses and may hold anything.
func parentOf(pid int) (parent int, found bool) {
	content, err := os.ReadFile(procPath(pid, "stat"))
	if err != nil {
		return 0, false
	}
	afterName := string(content[strings.LastIndexByte(string(content), ')')+1:])
	fields := strings.Fields(afterName)
	if len(fields) < 2 {
		return 0, false
	}
	parent, err = strconv.Atoi(fields[1])
	return parent, err == nil
}

// peakMemory reads the peak of the resident set, in bytes, from the status file
// (proc(5)); 0 for a process that has ended.
func peakMemory(pid int) int64 {
	content, err := os.ReadFile(procPath(pid, "status"))
	if err != nil {
		return 0
	}
	_, after, _ := strings.Cut(string(content), "VmHWM:")
	fields := strings.Fields(after)
	if len(fields) == 0 {
		return 0
	}
	kibibytes, err := strconv.ParseInt(fields[0], 10, 64)
	if err != nil {
		return 0
	}
	return kibibytes << 10
}

func procPath(pid int, name string) string {
	return filepath.Join("/proc", strconv.Itoa(pid), name)
}
