# The golden image of the month: the build pipeline makes it, and this
# configuration says how the cloud is to boot and list it.

terraform {
  required_providers {
    imageops = {
      source = "imageops/imageops"
    }
  }
}

provider "imageops" {}

variable "image_id" {
  description = "ID of this month's image, as Packer printed it."
  type        = string
}

variable "min_ram" {
  description = "Least memory that the image boots with, in MB."
  type        = number
  default     = 4096
}

resource "imageops_image_metadata" "golden" {
  image_id         = var.image_id
  hw_firmware_type = "uefi"
  min_ram          = var.min_ram
  tags             = ["golden"]

  properties = {
    os_distro = "windows"
    pipeline  = null # The build leaves its run number behind.
  }
}

output "changes" {
  description = "What the last apply has changed on the image."
  value       = imageops_image_metadata.golden.planned_changes
}
