# An image that is published now, and comes to the machines in the next
# maintenance window: Saturday at 21:00 UTC.
terraform {
  required_providers {
    imageops = { source = "imageops/imageops" }
  }
}

provider "imageops" {
  horizon = {} # HORIZON_URL, HORIZON_DOMAIN, HORIZON_USERNAME, HORIZON_PASSWORD
}

variable "pool" {
  description = "Name of the desktop pool."
  type        = string
  default     = "ENGINEERING"
}

variable "golden_vm" {
  description = "Name of the VM that the pipeline takes a snapshot of each month."
  type        = string
  default     = "win11-golden"
}

variable "snapshot" {
  description = "Name of the snapshot that the pool is to run."
  type        = string
}

variable "weekday" {
  description = "Day of the window: 0 is Sunday, 6 is Saturday."
  type        = number
  default     = 6
}

locals {
  now      = plantimestamp()
  weekdays = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
  days     = (var.weekday - index(local.weekdays, formatdate("EEE", local.now)) + 7) % 7
  nearest  = timeadd(formatdate("YYYY-MM-DD'T'00:00:00Z", local.now), "${local.days * 24 + 21}h")

  # On the day itself, from an hour before the window on, it is next week's.
  is_near = timecmp(local.nearest, timeadd(local.now, "1h")) < 0
  window  = local.is_near ? timeadd(local.nearest, "168h") : local.nearest
}

data "imageops_desktop_pool" "this" {
  name = var.pool
}

data "imageops_base_vm" "golden" {
  vcenter_id = data.imageops_desktop_pool.this.vcenter_id
  name       = var.golden_vm
}

data "imageops_base_snapshot" "wanted" {
  vcenter_id = data.imageops_desktop_pool.this.vcenter_id
  base_vm_id = data.imageops_base_vm.golden.id
  name       = var.snapshot
}

resource "imageops_desktop_pool_image" "this" {
  desktop_pool_id = data.imageops_desktop_pool.this.id
  parent_vm_id    = data.imageops_base_vm.golden.id
  snapshot_id     = data.imageops_base_snapshot.wanted.id
  logoff_policy   = "FORCE_LOGOFF"

  start_time = local.window
  reschedule = false # Each run computes the time anew: a push that waits keeps its own.
}

output "calls" {
  description = "What the last apply that changed something has sent to the pool."
  value       = imageops_desktop_pool_image.this.planned_calls
}
