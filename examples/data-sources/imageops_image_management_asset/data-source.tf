data "imageops_image_management_stream" "windows_11" {
  name = "Win11"
}

data "imageops_image_management_version" "v1" {
  im_stream_id = data.imageops_image_management_stream.windows_11.id
  name         = "v1"
}

data "imageops_virtual_center" "main" {
  name = "vcenter.demo.example"
}

# What the version is in one vCenter.
data "imageops_image_management_asset" "v1" {
  im_version_id = data.imageops_image_management_version.v1.id
  vcenter_id    = data.imageops_virtual_center.main.id
  clone_type    = "INSTANT_CLONE"
  image_type    = "VDI_DESKTOP"
}

output "snapshot_id" {
  value = data.imageops_image_management_asset.v1.base_snapshot_id
}
