data "imageops_image_management_stream" "windows_11" {
  name = "Win11"
}

data "imageops_image_management_tag" "production" {
  im_stream_id = data.imageops_image_management_stream.windows_11.id
  name         = "production"
}

# The version that the pools run that follow the tag.
data "imageops_image_management_version" "production" {
  id = data.imageops_image_management_tag.production.im_version_id
}

output "production" {
  value = data.imageops_image_management_version.production.name
}
