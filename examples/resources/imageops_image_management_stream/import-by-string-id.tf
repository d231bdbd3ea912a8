import {
  to = imageops_image_management_stream.windows_11
  id = "0d1d7a52-58c3-4f0e-9c40-6f1d2b8f7a10"
}
