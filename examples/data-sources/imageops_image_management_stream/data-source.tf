data "imageops_image_management_stream" "windows_11" {
  name = "Win11"
}

output "usable" {
  value = data.imageops_image_management_stream.windows_11.usable
}
