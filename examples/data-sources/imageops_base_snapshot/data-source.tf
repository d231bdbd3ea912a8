data "imageops_virtual_center" "main" {
  name = "vcenter.demo.example"
}

data "imageops_base_vm" "windows_11" {
  vcenter_id = data.imageops_virtual_center.main.id
  name       = "win11-golden"
}

# One by its name.
data "imageops_base_snapshot" "v2" {
  vcenter_id = data.imageops_virtual_center.main.id
  base_vm_id = data.imageops_base_vm.windows_11.id
  name       = "v2"
}

# The newest of all.
data "imageops_base_snapshot" "newest" {
  vcenter_id  = data.imageops_virtual_center.main.id
  base_vm_id  = data.imageops_base_vm.windows_11.id
  most_recent = true
}

output "snapshots" {
  value = {
    v2     = data.imageops_base_snapshot.v2.id
    newest = "${data.imageops_base_snapshot.newest.path} of ${data.imageops_base_snapshot.newest.created_at}"
  }
}
