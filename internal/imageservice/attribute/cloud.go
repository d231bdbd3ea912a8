package attribute

// Cloud is the kind of an image service, under its name in the configuration.
type Cloud string

// The clouds whose image services are known.
const (
	// OpenStack is any Glance.
	OpenStack Cloud = "openstack"
	// HuaweiCloud is the Image Management Service of Huawei Cloud.
	HuaweiCloud Cloud = "huaweicloud"
	// OpenTelekomCloud is the Image Management Service of Open Telekom Cloud.
	OpenTelekomCloud Cloud = "opentelekomcloud"
)

// Clouds are all of them, the default first.
var Clouds = []Cloud{OpenStack, HuaweiCloud, OpenTelekomCloud}

// IMS says whether the service is an Image Management Service: Glance's API with
// the rules of the vendor, and an API of its own beside it.
func (c Cloud) IMS() bool { return c == HuaweiCloud || c == OpenTelekomCloud }
