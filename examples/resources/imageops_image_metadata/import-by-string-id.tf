import {
  to = imageops_image_metadata.windows_11
  id = "33ad552d-1149-471c-8190-ff6776174a00"
}
