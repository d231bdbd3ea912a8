data "imageops_desktop_pool" "engineering" {
  name = "ENGINEERING"
}

action "imageops_cancel_push_image" "november" {
  config {
    desktop_pool_id = data.imageops_desktop_pool.engineering.id
    snapshot_id     = "snapshot-1005" # What has to be held or scheduled.
  }
}
