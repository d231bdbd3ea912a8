data "imageops_desktop_pool" "engineering" {
  name          = "ENGINEERING"
  with_machines = true
}

# A warning as long as not all machines run the image of the pool.
check "machines" {
  assert {
    condition     = data.imageops_desktop_pool.engineering.machines.on_current_image == data.imageops_desktop_pool.engineering.machines.total
    error_message = "Some machines of ENGINEERING are on another image."
  }
  assert {
    condition     = length(data.imageops_desktop_pool.engineering.machines.failed) == 0
    error_message = "Failed machines: ${join(", ", data.imageops_desktop_pool.engineering.machines.failed)}."
  }
}

output "image" {
  value = {
    snapshot_id = data.imageops_desktop_pool.engineering.current_image.snapshot_id
    pending     = data.imageops_desktop_pool.engineering.pending_image != null
    machines    = data.imageops_desktop_pool.engineering.machines.total
  }
}
