variable "image_id" {
  description = "ID of the image, as Packer printed it."
  type        = string
}

resource "imageops_image_metadata" "windows_11" {
  image_id         = var.image_id
  hw_firmware_type = "uefi"
  min_ram          = 4096
  tags             = ["golden"]

  properties = {
    os_distro = "windows"
    pipeline  = null # This key must not exist.
  }
}
