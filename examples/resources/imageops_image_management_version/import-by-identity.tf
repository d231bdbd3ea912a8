import {
  to = imageops_image_management_version.windows_11["2026-11"]
  identity = {
    id = "5e0c9a3f-2b1d-4f77-8a6e-91c04d3be825"
  }
}
