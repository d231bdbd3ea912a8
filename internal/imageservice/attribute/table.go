package attribute

// The pages that the table is taken from.
const (
	glancePage   = "OpenStack Image API v2"
	customPage   = "OpenStack Image API v2: any other key is a custom property"
	vendorsPage  = "Huawei Cloud IMS, \"Image Attributes\"; Open Telekom Cloud IMS, \"Updating Image Information (Native OpenStack API)\""
	huaweiPage   = "Huawei Cloud IMS, \"Image Attributes\""
	telekomPage  = "Open Telekom Cloud IMS, \"Updating Image Information (Native OpenStack API)\""
	huaweiSDK    = "Huawei Cloud SDK for Go, IMS v2"
	huaweiList   = "Huawei Cloud IMS, \"Modifying an Image\""
	telekomList  = "Open Telekom Cloud IMS, \"Updating an Image\""
	extensionsOf = ": extension attributes"
)

// Where an attribute can be set.
var (
	everywhere  = map[Cloud]string{OpenStack: glancePage, HuaweiCloud: huaweiList, OpenTelekomCloud: telekomList}
	glanceOnly  = map[Cloud]string{OpenStack: glancePage}
	listed      = map[Cloud]string{OpenStack: customPage, HuaweiCloud: huaweiList, OpenTelekomCloud: telekomList}
	huaweiOnly  = map[Cloud]string{OpenStack: customPage, HuaweiCloud: huaweiList}
	telekomOnly = map[Cloud]string{OpenStack: customPage, OpenTelekomCloud: telekomList}
	extension   = map[Cloud]string{OpenStack: customPage, HuaweiCloud: huaweiList + extensionsOf, OpenTelekomCloud: telekomList + extensionsOf}
	unlisted    = map[Cloud]string{OpenStack: customPage}
)

// The exclusions of the vendors' pages.
var (
	xenAndKVM = []string{"__support_xen", "__support_kvm"}
	xen       = []string{"__support_xen"}
)

// Table lists the attributes of an image that are known by name, in the order of
// the documentation. Limits of Glance's own were measured on Glance 25.1; those of
// the vendors are on their pages.
var Table = []Attribute{
	{Name: "id", Key: "id", Source: glancePage, Description: "ID (UUID) of the image."},
	{Name: "name", Key: "name", Core: true, Nullable: true, Max: MaxName, Settable: everywhere, Source: glancePage,
		Description: "Name of the image, at most 255 characters. On Huawei Cloud and Open Telekom Cloud from 1 to 128 letters, digits, hyphens, periods, underscores and blanks, without blanks on the outside.",
		Result:      "Name of the image, null if it has none. Names need not be unique."},
	{Name: "status", Key: "status", Source: glancePage, Description: "Status of the image, such as `queued`, `active` or `deactivated`."},
	{Name: "visibility", Key: "visibility", Core: true, OneOf: []string{"private", "shared", "community", "public"}, Settable: glanceOnly, Source: glancePage,
		Description: "Who can see the image: `private`, `shared`, `community` or `public`. In the usual policy `public` needs an administrator.",
		Result:      "Who can see the image: `private`, `shared`, `community` or `public`."},
	{Name: "owner", Key: "owner", Source: glancePage, Description: "ID of the project that owns the image."},
	{Name: "protected", Key: "protected", Kind: Boolean, Core: true, Settable: glanceOnly, Source: glancePage,
		Description: "Whether the image is protected from deletion."},
	{Name: "hidden", Key: "os_hidden", Kind: Boolean, Core: true, Settable: glanceOnly, Source: glancePage,
		Description: "Whether the image is left out of listings (`os_hidden`)."},
	{Name: "min_disk", Key: "min_disk", Kind: Integer, Core: true, Max: maxInt, Settable: glanceOnly, Source: glancePage,
		Description: "Least size of the disk that the image boots from, in GB, from 0 to 2147483647.",
		Result:      "Least size of the disk that the image boots from, in GB."},
	{Name: "min_ram", Key: "min_ram", Kind: Integer, Core: true, Max: maxInt, Settable: everywhere, Source: glancePage,
		Description: "Least memory that the image boots with, in MB, from 0 to 2147483647.",
		Result:      "Least memory that the image boots with, in MB."},
	{Name: "hw_firmware_type", Key: "hw_firmware_type", OneOf: []string{"bios", "uefi"}, Settable: everywhere, Source: vendorsPage,
		Description: "Firmware that instances of the image boot with: `bios` or `uefi`. Absent on the image means `bios`.",
		Result:      "Firmware that instances of the image boot with, such as `bios` or `uefi`; null, which means `bios`, if the image does not say."},
	{Name: "hw_vif_multiqueue_enabled", Key: "hw_vif_multiqueue_enabled", Kind: Boolean, Wire: InText, Settable: everywhere, Source: telekomPage,
		Description: "Whether the network interfaces of instances get several queues. On the wire it is `\"true\"` or `\"false\"`.",
		Result:      "Whether the network interfaces of instances get several queues; null if the image does not say."},
	{Name: "tags", Key: "tags", Section: Apart, Core: true, Settable: everywhere, Source: glancePage,
		Description: "Tags of the image."},
	{Name: "size", Key: "size", Kind: Integer, Source: glancePage, Description: "Size of the image's data, in bytes; null before it has any. Without meaning on Huawei Cloud and Open Telekom Cloud: see `ims.image_size`."},
	{Name: "virtual_size", Key: "virtual_size", Kind: Integer, Source: glancePage, Description: "Size of the disk in the image, in bytes; null where the image service does not know it."},
	{Name: "disk_format", Key: "disk_format", Source: glancePage, Description: "Format of the disk in the image, such as `qcow2`, `raw` or `zvhd2`."},
	{Name: "container_format", Key: "container_format", Source: glancePage, Description: "Format of what surrounds the disk, such as `bare`."},
	{Name: "checksum", Key: "checksum", Source: glancePage, Description: "MD5 checksum of the image's data, in hexadecimal; null before it has any. Not for security: use `os_hash_value`."},
	{Name: "os_hash_algo", Key: "os_hash_algo", Source: glancePage, Description: "Algorithm of `os_hash_value`, such as `sha512`."},
	{Name: "os_hash_value", Key: "os_hash_value", Source: glancePage, Description: "Hash of the image's data, in hexadecimal; null before it has any."},
	{Name: "created_at", Key: "created_at", Source: glancePage, Description: "When the image was created, in UTC (RFC 3339), to the second."},
	{Name: "updated_at", Key: "updated_at", Source: glancePage, Description: "When the image was last changed, in UTC (RFC 3339), to the second."},
	{Name: "file", Key: "file", Source: glancePage, Description: "Path of the image's data in the image service."},
	{Name: "self", Key: "self", Source: glancePage, Description: "Path of the image in the image service."},
	{Name: "schema", Key: "schema", Source: glancePage, Description: "Path of the image's JSON schema in the image service."},
	{Name: "direct_url", Key: "direct_url", Source: glancePage, Description: "Where the image's data is stored; null unless the operator shows it."},
	{Name: "stores", Key: "stores", Source: glancePage, Description: "Stores that hold the image's data, separated by commas; null where the image service has only one."},

	{Name: "description", Key: "__description", Section: IMS, Max: 1024, Without: "\r<>", Settable: listed, Source: vendorsPage,
		Description: "Description of the image, at most 1024 characters, without carriage returns, `<` and `>`."},
	{Name: "max_ram", Key: "max_ram", Section: IMS, Kind: Integer, Wire: InText, Max: maxInt, Settable: listed, Source: telekomPage,
		Description: "Greatest memory that the image boots with, in MB. The services know no default."},
	{Name: "enterprise_project_id", Key: "enterprise_project_id", Section: IMS, Blank: []string{"", "0"}, Settable: listed, Source: vendorsPage,
		Description: "ID (UUID) of the enterprise project that the image belongs to. `0`, an empty text and absence all mean the default project."},
	{Name: "is_config_init", Key: "__is_config_init", Section: IMS, Kind: Boolean, Wire: InText, Settable: listed, Source: vendorsPage,
		Description: "Whether the initial configuration of the image is complete. The services' default is `false`."},
	{Name: "support_kvm", Key: "__support_kvm", Section: IMS, Kind: Flag, Wire: InText, Settable: huaweiOnly, Source: vendorsPage,
		Description: "Whether the image supports KVM. `false` means that the attribute is absent."},
	{Name: "support_xen", Key: "__support_xen", Section: IMS, Kind: Flag, Wire: InText, Settable: listed, Source: vendorsPage,
		Description: "Whether the image supports Xen. `false` means that the attribute is absent."},
	{Name: "support_largememory", Key: "__support_largememory", Section: IMS, Kind: Flag, Wire: InText, Settable: listed, Source: vendorsPage,
		Description: "Whether the image supports large-memory servers. `false` means that the attribute is absent."},
	{Name: "support_diskintensive", Key: "__support_diskintensive", Section: IMS, Kind: Flag, Wire: InText, Settable: listed, Source: vendorsPage,
		Description: "Whether the image supports disk-intensive servers. `false` means that the attribute is absent."},
	{Name: "support_highperformance", Key: "__support_highperformance", Section: IMS, Kind: Flag, Wire: InText, Settable: listed, Source: vendorsPage,
		Description: "Whether the image supports high-performance servers. `false` means that the attribute is absent."},
	{Name: "support_xen_gpu_type", Key: "__support_xen_gpu_type", Section: IMS, OneOf: []string{"M60_vGPU"}, Excludes: xenAndKVM, Settable: listed, Source: vendorsPage,
		Description: "Kind of GPU servers on Xen that the image supports: `M60_vGPU`. It excludes `support_xen` and `support_kvm`."},
	{Name: "support_kvm_gpu_type", Key: "__support_kvm_gpu_type", Section: IMS, OneOf: []string{"M60", "V100_vGPU", "P2V_V100", "P100", "V100"}, Excludes: xenAndKVM, Settable: listed, Source: vendorsPage,
		Description: "Kind of GPU servers on KVM that the image supports: `M60`, `V100_vGPU`, `P2V_V100`, `P100` or `V100`. It excludes `support_xen` and `support_kvm`."},
	{Name: "support_xen_hana", Key: "__support_xen_hana", Section: IMS, Kind: Flag, Wire: InText, Excludes: xenAndKVM, Settable: listed, Source: telekomPage,
		Description: "Whether the image supports HANA servers on Xen. `false` means that the attribute is absent. It excludes `support_xen` and `support_kvm`."},
	{Name: "support_kvm_infiniband", Key: "__support_kvm_infiniband", Section: IMS, Kind: Flag, Wire: InText, Excludes: xen, Settable: listed, Source: telekomPage,
		Description: "Whether the image supports InfiniBand on KVM. `false` means that the attribute is absent. It excludes `support_xen`."},
	{Name: "support_fc_inject", Key: "__support_fc_inject", Section: IMS, Kind: Boolean, Wire: InText, Needs: &Condition{"virtual_env_type", "FusionCompute"}, Settable: listed, Source: telekomPage,
		Description: "Whether Cloud-Init can *not* inject a password or key: `true` means that it cannot. Only for system disk images of servers (`virtual_env_type` is `FusionCompute`)."},
	{Name: "support_amd", Key: "__support_amd", Section: IMS, Kind: Boolean, Wire: InText, Settable: telekomOnly, Source: telekomPage,
		Description: "Whether the image is for AMD's x86 processors."},
	{Name: "support_arm", Key: "__support_arm", Section: IMS, Kind: Boolean, Wire: InText, Settable: unlisted, Source: huaweiSDK,
		Description: "Whether the image is for Arm processors."},
	{Name: "support_agent_list", Key: "__support_agent_list", Section: IMS, Kind: Set, OneOf: []string{"hss", "ces"}, Settable: unlisted, Source: telekomPage,
		Description: "Agents that are configured in the image: `hss` (Host Security Service), `ces` (Cloud Eye), or both. Absent on the image means none."},
	{Name: "os_bit", Key: "__os_bit", Section: IMS, OneOf: []string{"32", "64"}, Settable: unlisted, Source: vendorsPage,
		Description: "Word size of the operating system, in bits: `32` or `64`."},
	{Name: "os_version", Key: "__os_version", Section: IMS, Max: MaxName, Settable: unlisted, Source: vendorsPage,
		Description: "Version of the operating system, a name of the vendor's list such as `Ubuntu 24.04 server 64bit`."},
	{Name: "os_type", Key: "__os_type", Section: IMS, OneOf: []string{"Linux", "Windows", "Other"}, Loose: true, Settable: unlisted, Source: vendorsPage,
		Description: "Type of the operating system: `Linux`, `Windows` or `Other`."},
	{Name: "platform", Key: "__platform", Section: IMS, Loose: true, Settable: unlisted, Source: vendorsPage,
		OneOf: []string{"Windows", "Ubuntu", "Red Hat", "SUSE", "CentOS", "Debian", "OpenSUSE", "Oracle Linux", "Fedora", "Other", "CoreOS", "EulerOS"},
		Description: "Platform of the image: `Windows`, `Ubuntu`, `Red Hat`, `SUSE`, `CentOS`, `Debian`, `OpenSUSE`, `Oracle Linux`, `Fedora`, `Other`, `CoreOS` or `EulerOS`. " +
			"The services' pages spell them differently, so case and blanks do not count."},
	{Name: "os_feature_list", Key: "__os_feature_list", Section: IMS, Kind: JSON, Settable: unlisted, Source: telekomPage,
		Description: "Further features of the image, a JSON list as a text: `jsonencode([...])`."},
	{Name: "lazyloading", Key: "__lazyloading", Section: IMS, Kind: Boolean, Wire: InText, Settable: unlisted, Source: telekomPage,
		Description: "Whether the image supports lazy loading."},
	{Name: "support_kvm_hi1822_hisriov", Key: "__support_kvm_hi1822_hisriov", Section: IMS, Kind: Flag, Wire: InText, Settable: listed, Source: telekomList,
		Description: "Whether the image supports SR-IOV with the Hi1822 network card on KVM. `false` means that the attribute is absent."},
	{Name: "support_kvm_hi1822_hivirtionet", Key: "__support_kvm_hi1822_hivirtionet", Section: IMS, Kind: Flag, Wire: InText, Settable: listed, Source: telekomList,
		Description: "Whether the image supports virtio-net with the Hi1822 network card on KVM. `false` means that the attribute is absent."},
	{Name: "os_shutdown_timeout", Key: "os_shutdown_timeout", Section: IMS, Kind: Integer, Wire: InText, Min: 60, Max: 300, Settable: extension, Source: huaweiSDK,
		Description: "How long a server may take to shut down before it is powered off, in seconds, from 60 to 300. The services' default is 60."},

	{Name: "isregistered", Key: "__isregistered", Section: IMS, Kind: Boolean, Wire: InText, Source: vendorsPage, Description: "Whether the image is registered."},
	{Name: "imagetype", Key: "__imagetype", Section: IMS, Source: vendorsPage, Description: "Type of the image: `gold` (public), `private`, `shared`, or on Huawei Cloud `market` (KooGallery)."},
	{Name: "image_source_type", Key: "__image_source_type", Section: IMS, Source: vendorsPage, Description: "Kind of storage that holds the image's data, such as `uds`."},
	{Name: "image_size", Key: "__image_size", Section: IMS, Kind: Integer, Wire: InText, Source: vendorsPage, Description: "Size of the image's file, in bytes."},
	{Name: "image_location", Key: "__image_location", Section: IMS, Source: vendorsPage, Description: "Where the image's data is stored."},
	{Name: "data_origin", Key: "__data_origin", Section: IMS, Source: vendorsPage, Description: "Source of the image; null or empty for public images."},
	{Name: "root_origin", Key: "__root_origin", Section: IMS, Source: telekomPage, Description: "`file` if the image was made from an external image file."},
	{Name: "originalimagename", Key: "__originalimagename", Section: IMS, Source: vendorsPage, Description: "ID of the parent image; empty for public images and images made from a file."},
	{Name: "backup_id", Key: "__backup_id", Section: IMS, Source: vendorsPage, Description: "ID of the backup that the image was made from; empty for others."},
	{Name: "productcode", Key: "__productcode", Section: IMS, Source: huaweiPage, Description: "Product ID of a KooGallery image; empty for others."},
	{Name: "whole_image", Key: "__whole_image", Section: IMS, Kind: Boolean, Source: huaweiPage, Description: "Whether the image holds a whole server with its data disks."},
	{Name: "system__cmkid", Key: "__system__cmkid", Section: IMS, Source: telekomPage, Description: "ID of the key that the image is encrypted with."},
	{Name: "account_code", Key: "__account_code", Section: IMS, Source: telekomPage, Description: "Charging identifier of the image."},
	{Name: "sequence_num", Key: "__sequence_num", Section: IMS, Source: telekomPage, Description: "Slot of the system disk; without meaning at present."},
	{Name: "virtual_env_type", Key: "virtual_env_type", Section: IMS, Source: vendorsPage,
		Description: "Where the image is used: `FusionCompute` (system disk of a server), `DataImage` (data disk), `Ironic` (bare metal) or `IsoImage`."},
	{Name: "active_at", Key: "active_at", Section: IMS, Source: telekomPage, Description: "When the image became active, in UTC (RFC 3339)."},
	{Name: "is_offshelved", Key: "__is_offshelved", Section: IMS, Kind: Boolean, Wire: InText, Source: huaweiSDK, Description: "Whether a KooGallery image was taken off the shelf."},
	{Name: "image_displayname", Key: "__image_displayname", Section: IMS, Source: huaweiSDK, Description: "Name that the console shows."},
	{Name: "system_support_market", Key: "__system_support_market", Section: IMS, Kind: Boolean, Source: huaweiSDK, Description: "Whether the image can be published in the market place."},

	{Name: "create_at", Key: "create_at", Section: Never, Source: huaweiPage, Description: "Named on a page of the vendors, and never sent: the services send `created_at`."},
	{Name: "update_at", Key: "update_at", Section: Never, Source: huaweiPage, Description: "Named on a page of the vendors, and never sent: the services send `updated_at`."},
	{Name: "deleted", Key: "deleted", Section: Never, Source: huaweiPage, Description: "Named on a page of the vendors, and never sent: a deleted image is not found."},
	{Name: "deleted_at", Key: "deleted_at", Section: Never, Source: huaweiPage, Description: "Named on a page of the vendors, and never sent: a deleted image is not found."},
}
