data "imageops_virtual_center" "main" {
  name = "vcenter.demo.example"
}

data "imageops_datacenter" "main" {
  vcenter_id = data.imageops_virtual_center.main.id
  name       = "DC1"
}

output "datacenter_id" {
  value = data.imageops_datacenter.main.id
}
