resource "imageops_image_management_stream" "windows_11" {
  name             = "Windows-11-Office"
  description      = "Office desktops"
  operating_system = "WINDOWS_11"
  publisher        = "Desktop team"
  source           = "UPLOADED"

  additional_details = {
    owner    = "desktop-team@example.com"
    obsolete = null # This key must not exist.
  }
}
