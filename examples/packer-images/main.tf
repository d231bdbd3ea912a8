terraform {
  required_providers {
    imageops = { source = "imageops/imageops" }
  }
}

provider "imageops" {
  image_service = { cloud = "production" }
}

variable "owner" {
  description = "ID of the project in which Packer makes the images."
  type        = string
}

# The newest of the images that Packer has made: windows-11-2026-11 in November.
data "imageops_image" "windows_11" {
  name_regex  = "^windows-11-\\d{4}-\\d{2}$"
  owner       = var.owner
  status      = "active"
  most_recent = true
}

resource "imageops_image_metadata" "windows_11" {
  image_id         = data.imageops_image.windows_11.id
  hw_firmware_type = "uefi"
  min_disk         = 64
  min_ram          = 4096
  tags             = ["golden"]

  properties = {
    os_distro            = "windows"
    os_version           = "11"
    hw_machine_type      = "q35"
    os_secure_boot       = "required"
    packer_build_log_url = null # Internal: not on a golden image.
  }
}

output "image_id" {
  value = imageops_image_metadata.windows_11.image_id
}
