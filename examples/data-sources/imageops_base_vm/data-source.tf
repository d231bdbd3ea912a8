data "imageops_virtual_center" "main" {
  name = "vcenter.demo.example"
}

# By its path, which no other VM of the vCenter has.
data "imageops_base_vm" "windows_11" {
  vcenter_id = data.imageops_virtual_center.main.id
  path       = "/DC1/vm/win11-golden"
}

# By its name, in one datacenter.
data "imageops_datacenter" "main" {
  vcenter_id = data.imageops_virtual_center.main.id
  name       = "DC1"
}

data "imageops_base_vm" "by_name" {
  vcenter_id    = data.imageops_virtual_center.main.id
  datacenter_id = data.imageops_datacenter.main.id
  name          = "win11-golden"
}

output "base_vm" {
  value = {
    id     = data.imageops_base_vm.windows_11.id
    system = data.imageops_base_vm.windows_11.operating_system_display_name
  }
}
