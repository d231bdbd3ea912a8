# This project's own golden images, the newest first.
data "imageops_images" "windows_11" {
  name_regex = "^windows-11-[0-9]{6}$"
  tags       = ["golden"]
  visibility = "private"
}

# What all of them have in common, those to come as well.
resource "imageops_image_metadata" "windows_11" {
  for_each         = toset(data.imageops_images.windows_11.ids)
  image_id         = each.key
  hw_firmware_type = "uefi"
}

output "images" {
  value = [for i in data.imageops_images.windows_11.images : "${i.created_at} ${i.name}"]
}
