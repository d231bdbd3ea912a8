# Many pools, one image, in three waves. A wave begins when the image of the one
# before is published everywhere; the first pool that fails ends the rollout.
terraform {
  required_providers {
    imageops = { source = "imageops/imageops" }
  }
}

provider "imageops" {
  horizon = {
    # HORIZON_URL, HORIZON_DOMAIN, HORIZON_USERNAME, HORIZON_PASSWORD
    max_concurrent_publishes = 4     # What vCenter and its storage stand.
    publish_interval         = "30s" # At least this between two pushes.
  }
}

variable "waves" {
  description = "Names of the desktop pools of each wave."
  type        = object({ first = set(string), second = set(string), third = set(string) })
}

variable "vcenter" {
  description = "Name of the vCenter Server of the pools, as Horizon knows it."
  type        = string
  default     = "vcenter.demo.example"
}

variable "golden_vm" {
  description = "Name of the VM that the pipeline takes a snapshot of each month."
  type        = string
  default     = "win11-golden"
}

variable "snapshot" {
  description = "Name of the snapshot that all pools are to run."
  type        = string
}

data "imageops_virtual_center" "this" {
  name = var.vcenter
}

data "imageops_base_vm" "golden" {
  vcenter_id = data.imageops_virtual_center.this.id
  name       = var.golden_vm
}

data "imageops_base_snapshot" "wanted" {
  vcenter_id = data.imageops_virtual_center.this.id
  base_vm_id = data.imageops_base_vm.golden.id
  name       = var.snapshot
}

data "imageops_desktop_pool" "each" {
  for_each = setunion(var.waves.first, var.waves.second, var.waves.third)
  name     = each.key
}

resource "imageops_desktop_pool_image" "first" {
  for_each        = var.waves.first
  desktop_pool_id = data.imageops_desktop_pool.each[each.key].id
  parent_vm_id    = data.imageops_base_vm.golden.id
  snapshot_id     = data.imageops_base_snapshot.wanted.id
  wait_for        = "published"
}

resource "imageops_desktop_pool_image" "second" {
  for_each        = var.waves.second
  desktop_pool_id = data.imageops_desktop_pool.each[each.key].id
  parent_vm_id    = data.imageops_base_vm.golden.id
  snapshot_id     = data.imageops_base_snapshot.wanted.id
  wait_for        = "published"
  depends_on      = [imageops_desktop_pool_image.first]
}

resource "imageops_desktop_pool_image" "third" {
  for_each        = var.waves.third
  desktop_pool_id = data.imageops_desktop_pool.each[each.key].id
  parent_vm_id    = data.imageops_base_vm.golden.id
  snapshot_id     = data.imageops_base_snapshot.wanted.id
  wait_for        = "published"
  depends_on      = [imageops_desktop_pool_image.second]
}
