data "imageops_image_management_stream" "windows_11" {
  name = "Win11"
}

data "imageops_image_management_version" "current" {
  im_stream_id = data.imageops_image_management_stream.windows_11.id
  name         = "v1"
}

resource "imageops_image_management_tag" "production" {
  im_stream_id  = data.imageops_image_management_stream.windows_11.id
  im_version_id = data.imageops_image_management_version.current.id
  name          = "production"
}
