# Lists what a plan must not do without a person:
#   terraform show -json plan | jq -r -f policy.jq
# Prints a line for each violation, and nothing for a plan that may be applied.
.resource_changes[]?
| select(.type == "imageops_desktop_pool_image")
| .address as $address
| .change as $change
| if $change.actions == ["no-op"] then empty
  elif ($change.actions | index("delete")) then "\($address): is destroyed"
  elif $change.after_unknown.planned_calls == true then "\($address): its calls are not known before the apply"
  else
    ($change.after.planned_calls // [])[]
    | select(test("FORCE_LOGOFF|^cancel-scheduled-push-image|vTPM off"))
    | "\($address): \(.)"
  end
