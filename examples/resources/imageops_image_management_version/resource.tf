data "imageops_image_management_stream" "windows_11" {
  name = "Win11"
}

resource "imageops_image_management_version" "windows_11" {
  for_each     = toset(["2026-10", "2026-11"])
  im_stream_id = data.imageops_image_management_stream.windows_11.id
  name         = each.key
  description  = "Built by pipeline run ${each.key}"

  lifecycle {
    create_before_destroy = true # A tag moves away before its version is deleted.
  }
}
