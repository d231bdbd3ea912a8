# A pipeline that runs every night, with nobody who answers questions: it brings
# pools to the images that are reviewed in this file, and does not undo what an
# administrator has pushed in between.
terraform {
  required_providers {
    imageops = { source = "imageops/imageops" }
  }
}

provider "imageops" {
  horizon = {} # HORIZON_URL, HORIZON_DOMAIN, HORIZON_USERNAME, HORIZON_PASSWORD
}

variable "golden_vm" {
  description = "Name of the VM that the pipeline takes snapshots of."
  type        = string
  default     = "win11-golden"
}

variable "pools" {
  description = "The snapshot that each pool is to run, by their names."
  type        = map(string)
}

data "imageops_desktop_pool" "each" {
  for_each = var.pools
  name     = each.key
}

data "imageops_base_vm" "golden" {
  for_each   = var.pools
  vcenter_id = data.imageops_desktop_pool.each[each.key].vcenter_id
  name       = var.golden_vm
}

data "imageops_base_snapshot" "wanted" {
  for_each   = var.pools
  vcenter_id = data.imageops_desktop_pool.each[each.key].vcenter_id
  base_vm_id = data.imageops_base_vm.golden[each.key].id
  name       = each.value
}

resource "imageops_desktop_pool_image" "each" {
  for_each        = var.pools
  desktop_pool_id = data.imageops_desktop_pool.each[each.key].id
  parent_vm_id    = data.imageops_base_vm.golden[each.key].id
  snapshot_id     = data.imageops_base_snapshot.wanted[each.key].id
  logoff_policy   = "WAIT_FOR_LOGOFF" # No session is ended.
  on_drift        = "hold"            # What somebody else has pushed stays until a line in pools changes.
  on_conflict     = "fail"            # What somebody else holds or has scheduled is an error.
  on_destroy      = "keep"            # A line that goes takes nothing back.
  wait_for        = "published"
}
