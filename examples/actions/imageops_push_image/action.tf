data "imageops_desktop_pool" "engineering" {
  name = "ENGINEERING"
}

action "imageops_push_image" "november" {
  config {
    desktop_pool_id = data.imageops_desktop_pool.engineering.id
    parent_vm_id    = "vm-1002"
    snapshot_id     = "snapshot-1005"

    selective = {
      machine_names = ["ENG-001", "ENG-002"]
    }
  }
}
