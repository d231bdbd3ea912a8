data "imageops_desktop_pool" "engineering" {
  name = "ENGINEERING"
}

action "imageops_apply_image" "third_canary" {
  config {
    desktop_pool_id = data.imageops_desktop_pool.engineering.id
    machine_names   = ["ENG-003"]
    image           = "pending"
  }
}
