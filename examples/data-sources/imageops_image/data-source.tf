variable "image_id" {
  description = "ID of the image, as Packer printed it."
  type        = string
}

# By its ID.
data "imageops_image" "by_id" {
  id = var.image_id
}

# The newest of this project's own images of that name.
data "imageops_image" "windows_11" {
  name_regex  = "^windows-11-[0-9]{6}$"
  tags        = ["golden"]
  properties  = { os_distro = "windows" }
  visibility  = "private"
  status      = "active"
  most_recent = true
}

output "image" {
  value = {
    id         = data.imageops_image.windows_11.id
    created_at = data.imageops_image.windows_11.created_at
    firmware   = lookup(data.imageops_image.windows_11.properties, "hw_firmware_type", "bios")
  }
}
