package imageservice

import (
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/tokens"
)

// imageType is the service type of image services (service-types-authority).
const imageType = "image"

// apiVersion is a version at the end of an address. Catalogues have both forms;
// a version appended to one that has it gives /v2/v2, where Glance answers 404.
var apiVersion = regexp.MustCompile(`/v\d+(\.\d+)?$`)

// canonicalEndpoint returns the address of an image service without the version
// and without all that does not tell two addresses apart.
func canonicalEndpoint(text string) (string, error) {
	u, err := parseAddress(text)
	if err != nil {
		return "", err
	}
	u.Path = strings.TrimRight(apiVersion.ReplaceAllString(u.Path, ""), "/")
	u.RawPath = strings.TrimRight(apiVersion.ReplaceAllString(u.RawPath, ""), "/")
	return u.String(), nil
}

// imagesPath is where images are in the Image API v2, under the service's address.
const imagesPath = "/v2/images"

// cloudImagesPath is where images are in the API that IMS has of its own.
const cloudImagesPath = "/v2/cloudimages"

// imagePath is the path of an image.
func (c *Client) imagePath(id string) string { return c.path + "/" + url.PathEscape(id) }

// serviceOf cuts the address of the service out of the address of a request.
func serviceOf(address string) string {
	if at := strings.LastIndex(address, "/v2/"); at >= 0 {
		return address[:at]
	}
	return address
}

// locate finds the image service in the catalogue, unless the configuration
// names its address. The region is a part of the place either way.
func (c *Client) locate(catalog []tokens.CatalogEntry) (images, region string, err error) {
	all := imageEndpoints(catalog)
	offered := slices.DeleteFunc(slices.Clone(all), func(e tokens.Endpoint) bool { return strings.TrimSuffix(e.Interface, "URL") != c.iface })
	regions := regionsOf(offered)
	region = c.region
	if region == "" && len(regions) == 1 {
		region = regions[0]
	}
	if c.endpoint != "" {
		return c.endpoint, region, nil
	}
	at := slices.IndexFunc(offered, func(e tokens.Endpoint) bool { return e.Region == region || e.RegionID == region })
	switch {
	case len(all) == 0:
		return "", "", noImageService(catalog)
	case region == "" && len(regions) > 1:
		return "", "", signInErrorf(nil, "there is an image service in several regions: %s; choose one with region", list(regions))
	case at < 0:
		return "", "", c.notOffered(all)
	}
	images, err = canonicalEndpoint(offered[at].URL)
	if err != nil {
		return "", "", signInErrorf(err, "the address that the service catalogue has for the image service in region %q cannot be used; give endpoint", region)
	}
	return images, region, nil
}

// notOffered says which of region and interface the image service is not in.
func (c *Client) notOffered(all []tokens.Endpoint) error {
	here := slices.DeleteFunc(slices.Clone(all), func(e tokens.Endpoint) bool {
		return c.region != "" && e.Region != c.region && e.RegionID != c.region
	})
	if len(here) == 0 {
		return signInErrorf(nil, "there is no image service in region %q, only in %s; check region", c.region, list(regionsOf(all)))
	}
	var interfaces []string
	for _, e := range here {
		interfaces = append(interfaces, e.Interface)
	}
	slices.Sort(interfaces)
	return signInErrorf(nil, "the image service has no %s address in the service catalogue, only %s; check interface and region", c.iface, list(slices.Compact(interfaces)))
}

func imageEndpoints(catalog []tokens.CatalogEntry) []tokens.Endpoint {
	var endpoints []tokens.Endpoint
	for _, service := range catalog {
		if service.Type == imageType {
			endpoints = append(endpoints, service.Endpoints...)
		}
	}
	return endpoints
}

// regionsOf returns the names of the regions, sorted. Keystone gives a region's
// id and, for older clients, the same as its name.
func regionsOf(endpoints []tokens.Endpoint) []string {
	var regions []string
	for _, e := range endpoints {
		name := e.Region
		if name == "" {
			name = e.RegionID
		}
		regions = append(regions, name)
	}
	slices.Sort(regions)
	return slices.Compact(regions)
}

func noImageService(catalog []tokens.CatalogEntry) error {
	var types []string
	for _, service := range catalog {
		types = append(types, service.Type)
	}
	if len(types) == 0 {
		return signInErrorf(nil, "the service catalogue is empty, so that the image service cannot be found; give endpoint")
	}
	slices.Sort(types)
	return signInErrorf(nil, "there is no image service in the service catalogue, which has %s; choose another cloud or project, or give endpoint", list(slices.Compact(types)))
}
