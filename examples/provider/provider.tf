terraform {
  required_providers {
    imageops = {
      source = "imageops/imageops"
    }
  }
}

# Signs in as the entry "production" of clouds.yaml. Everything can also come
# from OS_* variables; the section can then be left out.
provider "imageops" {
  image_service = {
    cloud = "production"
  }
}
