# Everything that can be owned:
terraform import imageops_image_metadata.windows_11 33ad552d-1149-471c-8190-ff6776174a00

# Only these keys, by their names on the wire, percent-encoded where they hold a slash, comma or percent sign:
terraform import imageops_image_metadata.windows_11 33ad552d-1149-471c-8190-ff6776174a00/hw_firmware_type,os_distro,tags
