# The golden image of the month, from its metadata to the desktops: how the
# cloud lists it, its version in Horizon's image catalogue, and the desktop pool
# that runs it, a few machines first.
terraform {
  required_providers {
    imageops = { source = "imageops/imageops" }
  }
}

provider "imageops" {
  image_service = {} # OS_* variables, or cloud = "..." for an entry of clouds.yaml
  horizon       = {} # HORIZON_URL, HORIZON_DOMAIN, HORIZON_USERNAME, HORIZON_PASSWORD
}

# The monthly change: one line here, then production, and approved when the
# canary has done well.
variable "versions" {
  description = "The images by month: the ID that the build printed, and the snapshot of the golden VM."
  type        = map(object({ image_id = string, snapshot = string }))
}

variable "production" {
  description = "The version that the tag is on, and the pool is brought to."
  type        = string
}

variable "approved" {
  description = "The version that is released to the whole pool. Until it is the one of production, only the canary gets that."
  type        = string
}

variable "min_ram" {
  description = "Least memory that the image boots with, in MB."
  type        = number
  default     = 4096
}

variable "vcenter" {
  description = "Name of the vCenter Server, as Horizon knows it."
  type        = string
  default     = "vcenter.demo.example"
}

variable "golden_vm" {
  description = "Name of the VM that the pipeline takes a snapshot of each month."
  type        = string
  default     = "win11-golden"
}

variable "pool" {
  description = "Name of the desktop pool."
  type        = string
  default     = "ENGINEERING"
}

variable "canary" {
  description = "Names of the machines that get a new image first. Empty: the whole pool gets it at once."
  type        = set(string)
  default     = ["ENG-001", "ENG-002"]
}

variable "on_destroy" {
  description = "What becomes of the pool when all this is destroyed: cancel, keep, or rollback for a pool of tests."
  type        = string
  default     = "cancel"
}

resource "imageops_image_metadata" "each" {
  for_each         = var.versions
  image_id         = each.value.image_id
  hw_firmware_type = "uefi"
  min_ram          = var.min_ram
  tags             = ["golden"]

  properties = {
    os_distro     = "windows"
    build_channel = each.key
    pipeline      = null # The build leaves its run number behind.
  }
}

data "imageops_virtual_center" "this" {
  name = var.vcenter
}

data "imageops_base_vm" "golden" {
  vcenter_id = data.imageops_virtual_center.this.id
  name       = var.golden_vm
}

data "imageops_base_snapshot" "each" {
  for_each   = var.versions
  vcenter_id = data.imageops_virtual_center.this.id
  base_vm_id = data.imageops_base_vm.golden.id
  name       = each.value.snapshot
}

resource "imageops_image_management_stream" "windows" {
  name             = "Windows-Golden"
  description      = "Desktops for everybody"
  operating_system = "WINDOWS_10" # WINDOWS_11 from Horizon 2209 on.
  source           = "UPLOADED"
}

resource "imageops_image_management_version" "each" {
  for_each     = var.versions
  im_stream_id = imageops_image_management_stream.windows.id
  name         = each.key

  lifecycle {
    create_before_destroy = true # The tag moves away before its version is deleted.
  }
}

resource "imageops_image_management_asset" "each" {
  for_each         = var.versions
  im_stream_id     = imageops_image_management_stream.windows.id
  im_version_id    = imageops_image_management_version.each[each.key].id
  vcenter_id       = data.imageops_virtual_center.this.id
  base_vm_id       = data.imageops_base_vm.golden.id
  base_snapshot_id = data.imageops_base_snapshot.each[each.key].id
  clone_type       = "INSTANT_CLONE"
  image_type       = "VDI_DESKTOP"

  additional_details = {
    image_id = each.value.image_id
  }

  lifecycle {
    create_before_destroy = true
  }
}

resource "imageops_image_management_tag" "production" {
  im_stream_id  = imageops_image_management_stream.windows.id
  im_version_id = imageops_image_management_version.each[var.production].id
  name          = "production"

  # A tag stands for a version only once its image is there.
  depends_on = [imageops_image_management_asset.each]
}

data "imageops_desktop_pool" "this" {
  name = var.pool
}

resource "imageops_desktop_pool_image" "this" {
  desktop_pool_id = data.imageops_desktop_pool.this.id
  im_stream_id    = imageops_image_management_tag.production.im_stream_id
  im_tag_id       = imageops_image_management_tag.production.id
  im_version_id   = imageops_image_management_tag.production.im_version_id
  on_destroy      = var.on_destroy

  selective = length(var.canary) == 0 ? null : {
    machine_names = var.canary
    promote_image = imageops_image_management_version.each[var.approved].id
  }
}

output "calls" {
  description = "What the last apply that changed the pool has sent to it."
  value       = imageops_desktop_pool_image.this.planned_calls
}

output "images" {
  description = "What the pool runs, and what is being published or held for it."
  value = {
    current = imageops_desktop_pool_image.this.current_image
    pending = imageops_desktop_pool_image.this.pending_image
  }
}
