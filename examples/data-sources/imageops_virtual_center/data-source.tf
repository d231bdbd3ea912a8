data "imageops_virtual_center" "main" {
  name = "vcenter.demo.example"
}

output "vcenter" {
  value = "${data.imageops_virtual_center.main.name}, version ${data.imageops_virtual_center.main.version}"
}
