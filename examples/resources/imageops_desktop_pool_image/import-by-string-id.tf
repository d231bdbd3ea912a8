import {
  to = imageops_desktop_pool_image.engineering
  id = "d3a0b7f4-1c4e-4b0d-8a55-7e6f5d4c3b01"
}
