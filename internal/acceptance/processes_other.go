//go:build !linux

package acceptance

import (
	"errors"
	"fmt"
)

// providerProcesses needs /proc.
func providerProcesses(root int) ([]int, error) {
	return nil, fmt.Errorf("finding the provider of process %d: %w", root, errors.ErrUnsupported)
}

// peakMemory needs /proc.
func peakMemory(int) int64 { return 0 }
