data "imageops_desktop_pool" "engineering" {
  name = "ENGINEERING"
}

action "imageops_resume_push_image" "engineering" {
  config {
    desktop_pool_id       = data.imageops_desktop_pool.engineering.id
    retry_failed_machines = true
  }
}
