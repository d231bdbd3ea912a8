package image

import (
	"fmt"
	"slices"

	"github.com/imageops/terraform-provider-imageops/internal/imageservice/attribute"
	"github.com/imageops/terraform-provider-imageops/internal/patch"
)

// The record is what a resource took over: per pointer the value that it wrote
// (Old) and the one that it found when it first took the pointer over (New).
// As a patch it restores: an operation holds as long as what was written does.

// record reads both restore attributes of a state. What stands in the sensitive
// one is noted as sensitive in owns.
func recordOf(v values, owns *owned) (patch.Patch, error) {
	plain, err := patch.DecodeRestore(v.Text(attrRestorePatch))
	if err != nil {
		return nil, fmt.Errorf("%s in state: %w; it was changed outside of Terraform, so put it back from a backup of the state", attrRestorePatch, err)
	}
	sensitive, err := patch.DecodeRestore(v.Text(attrSensitiveRestore))
	if err != nil {
		return nil, fmt.Errorf("%s in state is not what this provider wrote; it was changed outside of Terraform, so put it back from a backup of the state", attrSensitiveRestore)
	}
	for _, entry := range sensitive {
		owns.sensitive[entry.Path] = true
	}
	return plain.Merge(sensitive), nil
}

// setRecord writes a record into the attributes that it belongs to.
func setRecord(v values, record patch.Patch, sensitive secrecy) {
	plain, hidden := split(record, sensitive)
	v.SetText(attrRestorePatch, patch.EncodeRestore(plain))
	v.SetText(attrSensitiveRestore, patch.EncodeRestore(hidden))
}

func split(record patch.Patch, sensitive secrecy) (plain, hidden patch.Patch) {
	return record.Without(sensitive), record.Without(func(p patch.Pointer) bool { return !sensitive(p) })
}

// ownership is a step from what a resource owned to what it is going to own on
// one image.
type ownership struct {
	before owned       // what the state owns; nothing for a new image
	record patch.Patch // what the state took over; nothing for a new image
	after  owned       // what the plan owns
	rule   string      // the on_destroy rule that releases follow
}

// released returns the pointers that are given up, each as the operation that
// its rule makes of the record, and those that are left as they are: what was
// adopted, what the rule keeps, what stands already as it was found.
func (s *ownership) released() (operations patch.Patch, left []patch.Pointer) {
	for _, entry := range s.record {
		if s.owns(entry.Path) {
			continue
		}
		if restores(s.rule, entry) {
			operations = append(operations, entry)
			continue
		}
		left = append(left, entry.Path)
	}
	for p := range s.before.want {
		if _, recorded := s.record.Find(p); !recorded && !s.owns(p) {
			left = append(left, p)
		}
	}
	slices.Sort(left)
	return operations, left
}

// owns says whether the plan still owns a pointer of the record.
func (s *ownership) owns(p patch.Pointer) bool {
	if _, named := s.after.want[p]; named {
		return true
	}
	_, tag := p.MemberOf(attribute.Tags)
	return tag && s.after.exclusive
}

// restores says whether an on_destroy rule sends the operation of an entry.
func restores(rule string, entry patch.Operation) bool {
	if entry.Old == entry.New || !attribute.Writable(entry.Path, entry.New) {
		return false
	}
	switch rule {
	case destroyKeep:
		return false
	case destroyRemove:
		return entry.New == patch.Absent && attribute.Custom(entry.Path)
	default:
		return true
	}
}

// joins returns the pointers that join the record when this document is
// changed: those that were not owned, and of those that were only adopted the
// ones that are written.
func (s *ownership) joins(d patch.Document) []patch.Pointer {
	written := patch.Diff(d, s.after.wanted(d), attribute.Equal)
	var joining []patch.Pointer
	for p := range s.after.wanted(d) {
		if _, recorded := s.record.Find(p); recorded {
			continue
		}
		if s.ownedBefore(p) {
			if _, tag := p.MemberOf(attribute.Tags); tag && s.before.exclusive {
				continue // Drift of a set that is owned whole.
			}
			if _, writes := written.Find(p); !writes {
				continue
			}
		}
		joining = append(joining, p)
	}
	slices.Sort(joining)
	return joining
}

func (s *ownership) ownedBefore(p patch.Pointer) bool {
	if _, named := s.before.want[p]; named {
		return true
	}
	_, tag := p.MemberOf(attribute.Tags)
	return tag && s.before.exclusive
}

// next returns the record after the change: entries of pointers that are still
// owned with the value that is wanted now, and the joining ones with what was
// found.
func (s *ownership) next(joining []patch.Pointer, found patch.Document) patch.Patch {
	want := s.after.wanted(found)
	var record patch.Patch
	for _, entry := range s.record {
		if !s.owns(entry.Path) {
			continue
		}
		wrote, named := want[entry.Path]
		if !named {
			wrote = entry.Old // A tag that an exclusive set had removed.
		}
		record = append(record, patch.Operation{Path: entry.Path, Old: wrote, New: entry.New})
	}
	taken := make(patch.Want, len(joining))
	for _, p := range joining {
		taken[p] = want[p]
	}
	return record.Merge(patch.Expect(found, taken).Inverse())
}

// stale says whether an owned pointer holds another value than the record says
// was written: then a configuration that wants this value changes the record.
func stale(record patch.Patch, d patch.Document) bool {
	return slices.ContainsFunc(record, func(entry patch.Operation) bool {
		return !attribute.Equal(entry.Path, d[entry.Path], entry.Old)
	})
}
