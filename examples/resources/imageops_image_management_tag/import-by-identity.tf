import {
  to = imageops_image_management_tag.production
  identity = {
    id = "c47e51b8-7d0a-4e2b-b1f3-3a9d86f05c62"
  }
}
