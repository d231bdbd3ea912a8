data "imageops_virtual_center" "this" {
  name = "vcenter.demo.example"
}

data "imageops_base_vm" "golden" {
  vcenter_id = data.imageops_virtual_center.this.id
  name       = "win11-golden"
}

data "imageops_base_snapshot" "golden" {
  vcenter_id = data.imageops_virtual_center.this.id
  base_vm_id = data.imageops_base_vm.golden.id
  name       = "v2"
}

data "imageops_image_management_stream" "windows_11" {
  name = "Win11"
}

resource "imageops_image_management_version" "november" {
  im_stream_id = data.imageops_image_management_stream.windows_11.id
  name         = "2026-11"
}

resource "imageops_image_management_asset" "november" {
  im_stream_id     = data.imageops_image_management_stream.windows_11.id
  im_version_id    = imageops_image_management_version.november.id
  vcenter_id       = data.imageops_virtual_center.this.id
  base_vm_id       = data.imageops_base_vm.golden.id
  base_snapshot_id = data.imageops_base_snapshot.golden.id
  clone_type       = "INSTANT_CLONE"
  image_type       = "VDI_DESKTOP"

  additional_details = {
    pipeline = "4711"
  }
}
