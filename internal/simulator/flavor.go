package simulator

import (
	"fmt"
	"strings"
)

// Flavor is whose image service is simulated.
type Flavor string

const (
	// FlavorOpenStack is Keystone and Glance, the default.
	FlavorOpenStack Flavor = "openstack"
	// FlavorHuaweiCloud is the Image Management Service of Huawei Cloud.
	FlavorHuaweiCloud Flavor = "huaweicloud"
	// FlavorOpenTelekomCloud is the Image Management Service of Open Telekom Cloud.
	FlavorOpenTelekomCloud Flavor = "opentelekomcloud"
)

// ParseFlavor reads the name of a flavor, of which "" means OpenStack. Any other
// name is an error.
func ParseFlavor(name string) (Flavor, error) {
	switch flavor := Flavor(name); flavor {
	case "":
		return FlavorOpenStack, nil
	case FlavorOpenStack, FlavorHuaweiCloud, FlavorOpenTelekomCloud:
		return flavor, nil
	default:
		known := []string{string(FlavorOpenStack), string(FlavorHuaweiCloud), string(FlavorOpenTelekomCloud)}
		return "", fmt.Errorf("unknown flavor %q, only one of: %s", name, strings.Join(known, ", "))
	}
}

// ims tells whether the image service is one of the two vendors'.
func (f Flavor) ims() bool { return f != FlavorOpenStack }
