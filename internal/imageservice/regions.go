package imageservice

import (
	"slices"
	"strings"

	"github.com/imageops/terraform-provider-imageops/internal/imageservice/attribute"
)

// hosts are the documented addresses of the services of a vendor, by region.
type hosts struct {
	regions []string
	images  string // the address of the image service; {region} stands for the region
	iam     string // that of the identity service
	iamOf   map[string]string
}

// documentedHosts are used with an access key, which comes without a service
// catalogue. Sources: Open Telekom Cloud, "Regions and Endpoints"; Huawei Cloud,
// the regions of IMS and IAM in the vendor's Go SDK 0.1.207.
var documentedHosts = map[attribute.Cloud]hosts{
	attribute.OpenTelekomCloud: {
		regions: []string{"eu-de", "eu-nl"},
		images:  "https://ims.{region}.otc.t-systems.com",
		iam:     "https://iam.{region}.otc.t-systems.com/v3",
	},
	attribute.HuaweiCloud: {
		regions: []string{
			"ae-ad-1", "af-north-1", "af-south-1", "ap-southeast-1", "ap-southeast-2", "ap-southeast-3", "ap-southeast-4", "ap-southeast-5",
			"cn-east-2", "cn-east-3", "cn-east-4", "cn-east-5", "cn-north-1", "cn-north-2", "cn-north-4", "cn-north-9", "cn-north-11", "cn-north-12",
			"cn-south-1", "cn-south-2", "cn-south-4", "cn-southwest-2", "cn-southwest-3", "eu-west-0", "eu-west-101", "la-north-2", "la-south-2",
			"me-east-1", "my-kualalumpur-1", "na-mexico-1", "ru-moscow-1", "sa-brazil-1", "tr-west-1",
		},
		images: "https://ims.{region}.myhuaweicloud.com",
		iam:    "https://iam.{region}.myhuaweicloud.com/v3",
		iamOf:  map[string]string{"eu-west-101": "https://iam.eu-west-101.myhuaweicloud.eu/v3"},
	},
}

func (h hosts) has(region string) bool { return slices.Contains(h.regions, region) }

func (h hosts) imagesIn(region string) string {
	return strings.ReplaceAll(h.images, "{region}", region)
}

func (h hosts) iamIn(region string) string {
	if address := h.iamOf[region]; address != "" {
		return address
	}
	return strings.ReplaceAll(h.iam, "{region}", region)
}
