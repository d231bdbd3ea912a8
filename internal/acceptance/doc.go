// Package acceptance holds what tests against real programs share: the real
// Keystone and Glance that internal/acceptance/cmd/openstack starts, an image
// client that has nothing in common with the provider's, a recording proxy with
// faults, and a driver of the real terraform binary.
//
// It is imported by tests only.
package acceptance
