package simulator

import (
	"math/big"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// settability says whether a patch may modify an attribute of IMS.
type settability int

const (
	// settableListed is named by both vendors' lists ("Updating an Image",
	// PATCH /v2/cloudimages/{image_id}).
	settableListed settability = iota
	// settableHuawei is named by the list of Huawei Cloud only.
	settableHuawei
	// settableUnlisted is documented as an attribute and named by no list.
	settableUnlisted
	// settableNever is what IMS itself or Glance inside it keeps.
	settableNever
)

// imsCheck converts the value of a patch into the stored one, or returns the
// code of IMS that refuses it.
type imsCheck func(rq *imsRequest, value any) (stored any, code string)

// imsAttribute is what IMS knows about an attribute.
type imsAttribute struct {
	settable settability
	check    imsCheck
	// core attributes cannot be removed.
	core bool
	// general attributes can be modified wherever anything can: "only customized
	// attributes, image name, and image description can be modified" (both
	// vendors' pages of PATCH /v2/images/{image_id}).
	general bool
}

// imsAttributes are the documented attributes.
var imsAttributes = map[string]imsAttribute{
	"name":          {settable: settableListed, check: checkIMSName, core: true, general: true},
	"__description": {settable: settableListed, check: checkDescription, general: true},
	"min_ram":       {settable: settableListed, check: checkMinRAM, core: true},
	"max_ram":       {settable: settableListed, check: checkMaxRAM},

	"hw_firmware_type":          {settable: settableListed, check: oneOf(imsFirmwareInvalid, "bios", "uefi")},
	"hw_vif_multiqueue_enabled": {settable: settableListed, check: flagText},
	"enterprise_project_id":     {settable: settableListed, check: checkEnterpriseProject},
	"os_shutdown_timeout":       {settable: settableListed, check: checkShutdownTimeout, general: true},

	"__is_config_init":                 {settable: settableListed, check: flagText},
	"__support_amd":                    {settable: settableListed, check: flagText},
	"__support_diskintensive":          {settable: settableListed, check: supportText},
	"__support_fc_inject":              {settable: settableListed, check: flagText},
	"__support_highperformance":        {settable: settableListed, check: supportText},
	"__support_kvm":                    {settable: settableHuawei, check: supportText},
	"__support_kvm_gpu_type":           {settable: settableListed, check: oneOf(imsMalformed, "M60", "V100_vGPU", "P2V_V100", "P100", "V100")},
	"__support_kvm_hi1822_hisriov":     {settable: settableListed, check: supportText},
	"__support_kvm_hi1822_hivirtionet": {settable: settableListed, check: supportText},
	"__support_kvm_infiniband":         {settable: settableListed, check: supportText},
	"__support_largememory":            {settable: settableListed, check: supportText},
	"__support_xen":                    {settable: settableListed, check: supportText},
	"__support_xen_gpu_type":           {settable: settableListed, check: oneOf(imsMalformed, "M60_vGPU")},
	"__support_xen_hana":               {settable: settableListed, check: supportText},

	"min_disk":   {settable: settableUnlisted, check: checkMinDisk, core: true},
	"visibility": {settable: settableUnlisted, check: checkVisibility, core: true},
	"protected":  {settable: settableUnlisted, check: jsonFlag, core: true},

	"__imagetype":         {settable: settableUnlisted, check: oneOf(imsMalformed, "gold", "private", "shared", "market")},
	"__image_source_type": {settable: settableUnlisted, check: oneOf(imsMalformed, "uds")},
	"__image_size":        {settable: settableUnlisted, check: digits},
	"__isregistered":      {settable: settableUnlisted, check: flagText},
	"__lazyloading":       {settable: settableUnlisted, check: oneOf(imsMalformed, "true", "false", "True", "False")},
	"__os_bit":            {settable: settableUnlisted, check: oneOf(imsMalformed, "32", "64")},
	"__os_type":           {settable: settableUnlisted, check: oneOf("IMG.0056", "Linux", "Windows", "Other")},
	"__platform": {settable: settableUnlisted, check: oneOf(imsMalformed, "Windows", "Ubuntu", "Red Hat", "RedHat", "SUSE", "CentOS",
		"Debian", "OpenSUSE", "Oracle Linux", "OracleLinux", "Fedora", "Other", "CoreOS", "EulerOS")},
	"__support_agent_list":    {settable: settableUnlisted, check: oneOf(imsMalformed, "hss", "ces", "hss,ces")},
	"__support_arm":           {settable: settableUnlisted, check: flagText},
	"__system_support_market": {settable: settableUnlisted, check: jsonFlag},
	"__whole_image":           {settable: settableUnlisted, check: jsonFlag},
	"active_at":               {settable: settableUnlisted, check: anyText},
	"virtual_env_type":        {settable: settableUnlisted, check: oneOf(imsMalformed, "FusionCompute", "Ironic", "DataImage", "IsoImage")},

	"owner":            {settable: settableNever},
	"disk_format":      {settable: settableNever},
	"container_format": {settable: settableNever},
	"locations":        {settable: settableNever},
}

// imsAttributeOf finds what IMS knows about a name. Names that start with two
// underscores are its own, whether or not they are documented; any other is an
// extension attribute.
func imsAttributeOf(name string) imsAttribute {
	if attribute, ok := imsAttributes[name]; ok {
		return attribute
	}
	switch {
	case readOnlyAttributes[name] || reservedName(name) || name == "tags":
		return imsAttribute{settable: settableNever}
	case strings.HasPrefix(name, "__"):
		return imsAttribute{settable: settableUnlisted, check: anyText}
	default:
		return imsAttribute{settable: settableListed, check: anyText, general: true}
	}
}

// mayModify refuses an attribute that a patch cannot modify.
func (rq *imsRequest) mayModify(name string, attribute imsAttribute) refusal {
	if name == "" || strings.ContainsFunc(name, unicode.IsUpper) {
		return imsError(imsMalformed)
	}
	if attribute.settable == settableNever {
		return rq.native(imsError(imsUnsupported), explainf(http.StatusForbidden, "Attribute '%s' is read-only.", name))
	}
	if rq.api == nativeAPI && !attribute.general && rq.sim.assumption(assumeNativeAttributes) == "custom" {
		return imsError(imsUnsupported)
	}
	listed := rq.sim.assumption(assumeUndocumented) == "accepted" ||
		attribute.settable == settableListed ||
		attribute.settable == settableHuawei && rq.sim.options.Flavor == FlavorHuaweiCloud
	if !listed {
		return imsError(imsUnsupported)
	}
	return nil
}

func anyText(_ *imsRequest, value any) (any, string) {
	text, ok := value.(string)
	if !ok {
		return nil, imsMalformed
	}
	return text, ""
}

func oneOf(code string, allowed ...string) imsCheck {
	return func(_ *imsRequest, value any) (any, string) {
		text, ok := value.(string)
		if !ok {
			return nil, imsMalformed
		}
		if !slices.Contains(allowed, text) {
			return nil, code
		}
		return text, ""
	}
}

var flagText = oneOf(imsMalformed, "true", "false")

func jsonFlag(_ *imsRequest, value any) (any, string) {
	on, ok := value.(bool)
	if !ok {
		return nil, imsMalformed
	}
	return on, ""
}

// supportText is the value of an attribute that is "true" or absent.
func supportText(rq *imsRequest, value any) (any, string) {
	if rq.sim.assumption(assumeFalseSupport) == "accepted" {
		return flagText(rq, value)
	}
	return oneOf(imsMalformed, "true")(rq, value)
}

var digitsOnly = regexp.MustCompile(`^[0-9]{1,18}$`)

func digits(_ *imsRequest, value any) (any, string) {
	text, ok := value.(string)
	if !ok || !digitsOnly.MatchString(text) {
		return nil, imsMalformed
	}
	return text, ""
}

var imsNameForm = regexp.MustCompile(`^[A-Za-z0-9._ -]*$`)

const maxIMSName = 128

func checkIMSName(rq *imsRequest, value any) (any, string) {
	name, ok := value.(string)
	switch {
	case !ok:
		return nil, imsMalformed
	case name == "":
		return nil, imsNameMissing
	case len([]rune(name)) > maxIMSName:
		return nil, imsNameTooLong
	case !imsNameForm.MatchString(name):
		return nil, imsNameCharacters
	case strings.Trim(name, " ") != name:
		return nil, imsNameInvalid
	case rq.nameTaken(name):
		return nil, imsNameTaken
	}
	return name, ""
}

// nameTaken tells whether another image of the project has the name, if names
// are assumed to be unique.
func (rq *imsRequest) nameTaken(name string) bool {
	if rq.sim.assumption(assumeDuplicateNames) == "accepted" {
		return false
	}
	return slices.ContainsFunc(rq.store.all(), func(i *imsImage) bool {
		return i.id != rq.imageID && i.text("owner") == rq.caller.project && i.text("name") == name
	})
}

const maxDescription = 1024

func checkDescription(_ *imsRequest, value any) (any, string) {
	text, ok := value.(string)
	switch {
	case !ok:
		return nil, imsMalformed
	case len([]rune(text)) > maxDescription:
		return nil, imsDescriptionLong
	case strings.ContainsAny(text, "\r<>"):
		return nil, imsDescriptionForm
	}
	return text, ""
}

// wholeNumber reads a number of a patch, in the JSON types that are allowed.
func wholeNumber(value any, types string) (int64, bool) {
	switch value := value.(type) {
	case *big.Int:
		return value.Int64(), types != "string" && value.IsInt64()
	case string:
		n, err := strconv.ParseInt(value, 10, 64)
		return n, types != "integer" && err == nil && digitsOnly.MatchString(value)
	default:
		return 0, false
	}
}

func checkMinRAM(rq *imsRequest, value any) (any, string) {
	types := "integer"
	if rq.api == vendorAPI {
		types = rq.sim.assumption(assumeMinRAM)
	}
	n, ok := wholeNumber(value, types)
	if !ok {
		return nil, imsMalformed
	}
	if n < 0 || n > maxDatabaseInteger {
		return nil, imsSizeInvalid
	}
	return n, ""
}

// checkMaxRAM stores a string whatever was sent, as documents show max_ram.
func checkMaxRAM(rq *imsRequest, value any) (any, string) {
	types := "string"
	if rq.api == vendorAPI {
		types = rq.sim.assumption(assumeMaxRAM)
	}
	n, ok := wholeNumber(value, types)
	if !ok {
		return nil, imsMalformed
	}
	if n < 1 || n > maxDatabaseInteger {
		return nil, imsSizeInvalid
	}
	return strconv.FormatInt(n, 10), ""
}

func checkMinDisk(_ *imsRequest, value any) (any, string) {
	n, ok := wholeNumber(value, "integer")
	if !ok {
		return nil, imsMalformed
	}
	if n < 1 || n > 1024 {
		return nil, imsSizeInvalid
	}
	return n, ""
}

// checkVisibility lets nobody publish an image, since the roles of the simulated
// cloud are those of customers.
func checkVisibility(rq *imsRequest, value any) (any, string) {
	if value == "public" {
		return nil, imsForbidden
	}
	return oneOf(imsMalformed, "private", "shared")(rq, value)
}

var uuidForm = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

func checkEnterpriseProject(_ *imsRequest, value any) (any, string) {
	text, ok := value.(string)
	if !ok {
		return nil, imsMalformed
	}
	if text != "" && text != "0" && !uuidForm.MatchString(text) {
		return nil, imsEnterpriseDenied
	}
	return text, ""
}

// checkShutdownTimeout takes seconds.
func checkShutdownTimeout(_ *imsRequest, value any) (any, string) {
	text, ok := value.(string)
	n, err := strconv.Atoi(text)
	if !ok || err != nil || n < 60 || n > 300 {
		return nil, imsMalformed
	}
	return text, ""
}

// imsExclusions are attributes that an image cannot have beside others.
var imsExclusions = map[string][]string{
	"__support_xen_gpu_type":   {"__support_xen", "__support_kvm"},
	"__support_kvm_gpu_type":   {"__support_xen", "__support_kvm"},
	"__support_xen_hana":       {"__support_xen", "__support_kvm"},
	"__support_kvm_infiniband": {"__support_xen"},
}

// consistent tells whether the attributes of an image go together. An attribute
// that is "false" counts as absent, which is what absence means.
func (i *imsImage) consistent() bool {
	on := func(name string) bool {
		value, ok := i.attributes[name]
		return ok && value != "false"
	}
	for name, others := range imsExclusions {
		if on(name) && slices.ContainsFunc(others, on) {
			return false
		}
	}
	_, injected := i.attributes["__support_fc_inject"]
	return !injected || i.text("virtual_env_type") == "FusionCompute"
}
