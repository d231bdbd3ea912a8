import {
  to = imageops_image_management_asset.november
  id = "a92f6d04-63be-4c1a-8e57-20b7c5d94f18"
}
