# A golden Windows image on Open Telekom Cloud. The build pipeline makes the
# private image, and this configuration says what it is for.

terraform {
  required_providers {
    imageops = {
      source = "imageops/imageops"
    }
  }
}

provider "imageops" {
  image_service = {
    flavor       = "opentelekomcloud"
    region       = "eu-de"
    project_name = var.project_name
    access_key   = var.access_key
    secret_key   = var.secret_key
    endpoint     = var.endpoint
  }
}

variable "project_name" {
  description = "Project that the image belongs to: the region, or the region with the name of a subproject."
  type        = string
  default     = "eu-de"
}

variable "access_key" {
  description = "Access key (AK); null takes it from HW_ACCESS_KEY or OS_ACCESS_KEY."
  type        = string
  sensitive   = true
  default     = null
}

variable "secret_key" {
  description = "Secret key (SK); null takes it from HW_SECRET_KEY or OS_SECRET_KEY."
  type        = string
  sensitive   = true
  default     = null
}

variable "endpoint" {
  description = "Address of the image service of another region; null for that of eu-de."
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
    description           = "Windows 11 for desktops, patched monthly"
    max_ram               = 65536
    is_config_init        = true
    support_xen           = false # It must not be on the image.
    support_amd           = true
    support_diskintensive = true
    os_shutdown_timeout   = 120
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
