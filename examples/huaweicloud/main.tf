# A golden Windows image on Huawei Cloud. The build pipeline makes the private
# image, and this configuration says what it is for.

terraform {
  required_providers {
    imageops = {
      source = "imageops/imageops"
    }
  }
}

# The access key comes from HW_ACCESS_KEY and HW_SECRET_KEY, and that of a
# pipeline with HW_SECURITY_TOKEN.
provider "imageops" {
  image_service = {
    flavor     = "huaweicloud"
    region     = var.region
    project_id = var.project_id
    endpoint   = var.endpoint
  }
}

variable "region" {
  description = "Region of the image."
  type        = string
  default     = "ap-southeast-3"
}

variable "project_id" {
  description = "ID of the project that the image belongs to: My Credentials, API Credentials in the console."
  type        = string
}

variable "endpoint" {
  description = "Address of the image service of a partner's cloud; null for that of the region."
  type        = string
  default     = null
}

variable "image_id" {
  description = "ID of this month's image, as Packer printed it."
  type        = string
}

resource "imageops_image_metadata" "golden" {
  image_id                  = var.image_id
  name                      = "windows-11-golden"
  hw_firmware_type          = "uefi"
  hw_vif_multiqueue_enabled = true
  min_ram                   = 4096
  tags                      = ["stage=production", "golden"]

  ims = {
    description            = "Windows 11 for desktops, patched monthly"
    max_ram                = 65536
    is_config_init         = true
    support_kvm            = true
    support_xen            = false # It must not be on the image.
    support_diskintensive  = true
    support_kvm_infiniband = true
  }

  # Keys of your own, in small letters.
  properties = {
    build_channel = "monthly"
    pipeline      = null # The build leaves its run number behind.
  }
}

output "changes" {
  description = "What the last apply has changed on the image."
  value       = imageops_image_metadata.golden.planned_changes
}
