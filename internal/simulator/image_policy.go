package simulator

import (
	"net/http"
	"regexp"
	"slices"
)

// Policy says which of Glance's two sets of rules the image service follows.
type Policy string

const (
	// PolicyLegacy is what Glance 25.1 does out of the box: every role of the
	// owning project may write, also reader; making an image public takes an
	// administrator.
	PolicyLegacy Policy = "legacy"
	// PolicySecureRBAC is Glance with enforce_secure_rbac and
	// enforce_new_defaults: a write takes the role member on the owning project,
	// a read the role reader.
	PolicySecureRBAC Policy = "secure-rbac"
)

// caller is who sends a request to the image service.
type caller struct {
	project string // empty without a project scope
	roles   []string
}

func (c caller) has(role string) bool { return slices.Contains(c.roles, role) }

func (c caller) admin() bool { return c.has("admin") }

// owns tells whether the image belongs to the caller's project.
func (c caller) owns(owner *string) bool {
	return owner != nil && c.project != "" && *owner == c.project
}

// sees tells whether the database shows the image to the caller.
func (c caller) sees(visibility string, owner *string, r *imageRecord) bool {
	switch {
	case c.admin() || owner == nil || visibility == "public" || visibility == "community":
		return true
	case c.project == "":
		return false
	case *owner == c.project:
		return true
	case visibility != "shared":
		return false
	}
	_, shared := r.member(c.project)
	return shared
}

// mutable is the rule that Glance's database layer adds to every policy: an
// administrator, or the project that owns the image.
func (c caller) mutable(owner *string) *apiError {
	if c.admin() || c.owns(owner) {
		return nil
	}
	return explain(http.StatusForbidden, "You do not own this image")
}

// policyTarget is what a rule looks at.
type policyTarget struct {
	owner      *string
	visibility string
	member     string
}

// rbacRules are the defaults of Glance 25.1 when the deprecated ones are off.
// Administrators pass all of them.
var rbacRules = map[string]func(caller, policyTarget) bool{
	"get_images":            func(c caller, _ policyTarget) bool { return c.has("reader") },
	"get_image":             readable,
	"get_image_location":    ownedWith("reader"),
	"add_image":             ownedWith("member"),
	"modify_image":          ownedWith("member"),
	"delete_image":          ownedWith("member"),
	"upload_image":          ownedWith("member"),
	"deactivate":            ownedWith("member"),
	"reactivate":            ownedWith("member"),
	"communitize_image":     ownedWith("member"),
	"set_image_location":    ownedWith("member"),
	"add_member":            ownedWith("member"),
	"delete_member":         ownedWith("member"),
	"get_member":            ownedOrShared,
	"get_members":           ownedOrShared,
	"modify_member":         func(c caller, t policyTarget) bool { return c.has("member") && sharedWith(c, t) },
	"delete_image_location": adminOnly,
	"publicize_image":       adminOnly,
}

func adminOnly(caller, policyTarget) bool { return false }

func ownedWith(role string) func(caller, policyTarget) bool {
	return func(c caller, t policyTarget) bool { return c.has(role) && c.owns(t.owner) }
}

func sharedWith(c caller, t policyTarget) bool { return t.member != "" && t.member == c.project }

func ownedOrShared(c caller, t policyTarget) bool {
	return c.has("reader") && (c.owns(t.owner) || sharedWith(c, t))
}

func readable(c caller, t policyTarget) bool {
	if !c.has("reader") {
		return false
	}
	return c.owns(t.owner) || sharedWith(c, t) || t.visibility == "community" || t.visibility == "public" || t.visibility == "shared"
}

// allows tells whether the rule passes.
func (p Policy) allows(rule string, c caller, t policyTarget) bool {
	if c.admin() {
		return true
	}
	if p == PolicySecureRBAC {
		return rbacRules[rule](c, t)
	}
	return rule != "publicize_image"
}

// enforce is the plain check of a rule.
func (p Policy) enforce(rule string, c caller, t policyTarget) *apiError {
	if p.allows(rule, c, t) {
		return nil
	}
	return explainf(http.StatusForbidden, "You are not authorized to complete %s action.", rule)
}

// enforceOnImage is the check of a rule on an existing image: whoever may not
// even see the image is told that there is none.
func (p Policy) enforceOnImage(rule string, c caller, t policyTarget) *apiError {
	fault := p.enforce(rule, c, t)
	if fault == nil {
		return nil
	}
	if rule == "get_image" || !p.allows("get_image", c, t) {
		return bare(http.StatusNotFound)
	}
	return fault
}

// enforceVisibility checks the rule that guards a visibility, also when the
// image already has it.
func (p Policy) enforceVisibility(visibility string, c caller, t policyTarget) *apiError {
	switch visibility {
	case "public":
		return p.enforce("publicize_image", c, t)
	case "community":
		return p.enforce("communitize_image", c, t)
	default:
		return nil
	}
}

func (w *workingImage) target() policyTarget {
	if w.detached {
		return policyTarget{}
	}
	return policyTarget{owner: w.owner, visibility: w.visibility, member: w.member}
}

// enforceWrite checks a rule that guards a write of an existing image, and under
// the legacy rules that the caller owns it.
func (p Policy) enforceWrite(rule string, c caller, w *workingImage) *apiError {
	if fault := p.enforceOnImage(rule, c, w.target()); fault != nil {
		return fault
	}
	if p == PolicySecureRBAC {
		return nil
	}
	return c.mutable(w.owner)
}

// PropertyProtection says who may create, read, update and delete the
// properties whose name the pattern matches anywhere. Each list holds roles;
// "@" stands for everybody and "!" for nobody. The first rule that matches a
// property decides; a property that no rule matches is closed to all (Glance's
// property_protection_file, rule format "roles").
type PropertyProtection struct {
	Pattern string
	Create  []string
	Read    []string
	Update  []string
	Delete  []string
}

type propertyAction int

const (
	createProperty propertyAction = iota
	readProperty
	updateProperty
	deleteProperty
)

type protectionRule struct {
	pattern *regexp.Regexp
	roles   [4][]string
}

// protections is nil when properties are not protected.
type protections []protectionRule

func compileProtections(rules []PropertyProtection) protections {
	var out protections
	for _, r := range rules {
		out = append(out, protectionRule{
			pattern: regexp.MustCompile(r.Pattern),
			roles:   [4][]string{r.Create, r.Read, r.Update, r.Delete},
		})
	}
	return out
}

func (p protections) allow(action propertyAction, name string, c caller) bool {
	if p == nil {
		return true
	}
	for _, rule := range p {
		if !rule.pattern.MatchString(name) {
			continue
		}
		roles := rule.roles[action]
		if slices.Contains(roles, "!") {
			return false
		}
		if slices.Contains(roles, "@") {
			return true
		}
		return slices.ContainsFunc(roles, c.has)
	}
	return false
}

// visible keeps the properties that the caller may read.
func (p protections) visible(properties map[string]*string, c caller) map[string]*string {
	out := make(map[string]*string, len(properties))
	for name, value := range properties {
		if p.allow(readProperty, name, c) {
			out[name] = value
		}
	}
	return out
}
