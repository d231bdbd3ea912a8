data "imageops_desktop_pool" "engineering" {
  name = "ENGINEERING"
}

data "imageops_base_vm" "golden" {
  vcenter_id = data.imageops_desktop_pool.engineering.vcenter_id
  name       = "win11-golden"
}

data "imageops_base_snapshot" "november" {
  vcenter_id = data.imageops_desktop_pool.engineering.vcenter_id
  base_vm_id = data.imageops_base_vm.golden.id
  name       = "v2"
}

resource "imageops_desktop_pool_image" "engineering" {
  desktop_pool_id = data.imageops_desktop_pool.engineering.id
  parent_vm_id    = data.imageops_base_vm.golden.id
  snapshot_id     = data.imageops_base_snapshot.november.id
}
