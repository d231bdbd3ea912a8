data "imageops_image_management_stream" "windows_11" {
  name = "Win11"
}

data "imageops_image_management_version" "v1" {
  im_stream_id = data.imageops_image_management_stream.windows_11.id
  name         = "v1"
}

output "status" {
  value = data.imageops_image_management_version.v1.status
}
