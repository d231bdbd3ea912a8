# A whole image catalogue: a stream, its versions with the VM and snapshot that
# each is, and the tag that desktop pools follow.
terraform {
  required_providers {
    imageops = { source = "imageops/imageops" }
  }
}

provider "imageops" {
  horizon = {} # HORIZON_URL, HORIZON_DOMAIN, HORIZON_USERNAME, HORIZON_PASSWORD
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

# Add a version for each new snapshot, and take old ones out when no pool needs
# them any more. A version is never edited in place: pools may be running it.
variable "versions" {
  description = "The versions of the stream, with the snapshot that each is."
  type = map(object({
    snapshot = string
    status   = optional(string, "AVAILABLE")
  }))
  default = {
    "2026-10" = { snapshot = "v1" }
    "2026-11" = { snapshot = "v2" }
  }
}

variable "production" {
  description = "The version that desktop pools are to follow."
  type        = string
  default     = "2026-10"
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
  name             = "Windows-Office"
  description      = "Office desktops"
  operating_system = "WINDOWS_10" # WINDOWS_11 from Horizon 2209 on.
  publisher        = "Desktop team"
  source           = "UPLOADED"
}

resource "imageops_image_management_version" "each" {
  for_each     = var.versions
  im_stream_id = imageops_image_management_stream.windows.id
  name         = each.key
  status       = each.value.status

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
  status           = each.value.status

  additional_details = {
    pipeline = "golden-${each.key}"
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

output "production" {
  description = "What a desktop pool follows: the stream and its tag."
  value = {
    stream = imageops_image_management_stream.windows.id
    tag    = imageops_image_management_tag.production.id
  }
}
