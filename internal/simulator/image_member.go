package simulator

import (
	"math/big"
	"net/http"
)

func memberDocument(imageID string, member any, m memberRecord) map[string]any {
	return map[string]any{
		"member_id": member, "image_id": imageID, "status": m.status,
		"created_at": timeText(m.created), "updated_at": timeText(m.updated), "schema": "/v2/schemas/member",
	}
}

// lookupForMembers finds an image for the member API, which has its own words.
func (rq *imageRequest) lookupForMembers(id string) (*workingImage, *apiError) {
	w, fault := rq.lookup(id)
	if fault != nil {
		return nil, explainf(http.StatusNotFound, "Image %s not found.", id)
	}
	return w, nil
}

// enforceMember checks a rule of the member API; whoever may not see the image
// is told that there is none.
func (rq *imageRequest) enforceMember(rule string, w *workingImage) *apiError {
	policy := rq.policy()
	if fault := policy.enforceOnImage("get_image", rq.caller, w.target()); fault != nil {
		return fault
	}
	return policy.enforce(rule, rq.caller, w.target())
}

// ownershipChecked tells whether the member API compares owners itself, as it does under the
// legacy rules. The new rules leave that to the policies.
func (rq *imageRequest) ownershipChecked() bool {
	return rq.policy() == PolicyLegacy && !rq.caller.admin()
}

// findMember finds a membership that the caller may see: its own or, as the
// owner, any.
func (rq *imageRequest) findMember(w *workingImage, project string) (memberRecord, *apiError) {
	if fault := rq.enforceMember("get_member", w); fault != nil {
		return memberRecord{}, fault
	}
	m, ok := w.record.member(project)
	if !ok || !rq.seesMember(w, m) {
		return m, explainf(http.StatusNotFound, "%s not found in the member list of the image %s.", project, w.id)
	}
	return m, nil
}

func (rq *imageRequest) seesMember(w *workingImage, m memberRecord) bool {
	return rq.caller.admin() || rq.caller.owns(w.owner) || rq.caller.project != "" && m.project == rq.caller.project
}

func (rq *imageRequest) listMembers(arguments []string) *apiError {
	id := arguments[0]
	w, fault := rq.lookupForMembers(id)
	if fault != nil {
		return fault
	}
	if w.visibility != "shared" {
		return explainf(http.StatusForbidden, "Not allowed to list members for image %s: Only shared images have members.", id)
	}
	if fault := rq.enforceMember("get_members", w); fault != nil {
		return fault
	}
	members := []map[string]any{}
	for _, m := range w.record.members {
		if !m.deleted && rq.seesMember(w, m) && rq.enforceMember("get_member", w) == nil {
			members = append(members, memberDocument(id, m.project, m))
		}
	}
	writeJSON(rq.w, rq.r, http.StatusOK, map[string]any{"members": members, "schema": "/v2/schemas/members"})
	return nil
}

func (rq *imageRequest) showMember(arguments []string) *apiError {
	id, project := arguments[0], arguments[1]
	w, fault := rq.lookupForMembers(id)
	if fault != nil {
		return fault
	}
	if w.visibility != "shared" {
		return explain(http.StatusNotFound, "Only shared images have members.")
	}
	m, fault := rq.findMember(w, project)
	if fault != nil {
		fault.status = http.StatusNotFound
		return fault
	}
	writeJSON(rq.w, rq.r, http.StatusOK, memberDocument(id, project, m))
	return nil
}

// memberBody takes the one member of a body that the member API reads.
func (rq *imageRequest) memberBody(name, missing, unfit string) (any, *apiError) {
	body, fault := rq.requestBody()
	if fault != nil {
		return nil, fault
	}
	object, ok := body.(*jsonObject)
	if !ok {
		return nil, explain(http.StatusBadRequest, unfit)
	}
	value, ok := object.get(name)
	if !ok {
		return nil, explain(http.StatusBadRequest, missing)
	}
	return value, nil
}

// memberName turns what a create names into the project that is stored. Numbers
// are taken as well and stored as text; what cannot be stored is a 500.
func memberName(v any) (string, *apiError) {
	if isEmptyToPython(v) {
		return "", explain(http.StatusBadRequest, "Member can't be empty")
	}
	switch v := v.(type) {
	case string:
		if hasLoneSurrogate(v) {
			return "", errProgram()
		}
		return v, nil
	case bool:
		return "1", nil
	case *big.Int, float64:
		return pythonRepr(v), nil
	default:
		return "", errProgram()
	}
}

// isEmptyToPython is Python's truth test, turned round.
func isEmptyToPython(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case bool:
		return !v
	case string:
		return v == ""
	case *big.Int:
		return v.Sign() == 0
	case float64:
		return v == 0
	case []any:
		return len(v) == 0
	default:
		return len(as[*jsonObject](v).keys) == 0
	}
}

func (rq *imageRequest) createMember(arguments []string) *apiError {
	id := arguments[0]
	value, fault := rq.memberBody("member", "Member to be added not specified", `Expected a member in the form: {"member": "image_id"}`)
	if fault != nil {
		return fault
	}
	project, badName := memberName(value)
	if badName != nil && badName.status == http.StatusBadRequest {
		return badName
	}
	w, fault := rq.lookupForMembers(id)
	if fault != nil {
		return fault
	}
	denied := explainf(http.StatusForbidden, "Not allowed to create members for image %s.", id)
	if w.visibility != "shared" || rq.ownershipChecked() && !rq.caller.owns(w.owner) {
		return denied
	}
	if fault := rq.enforceMember("add_member", w); fault != nil {
		return fault
	}
	if len(liveMembers(w.record)) >= memberQuota {
		return explainf(http.StatusRequestEntityTooLarge, "Image member limit exceeded for image %s: "+
			"The limit has been exceeded on the number of allowed image members for this image. Attempted: %d, Maximum: %d:",
			id, memberQuota+1, memberQuota)
	}
	if badName != nil {
		return badName
	}
	if _, ok := w.record.member(project); ok {
		return explainf(http.StatusConflict, "Member %s is duplicated for image %s", project, id)
	}
	if hasFourByteCharacter(project) {
		return explain(http.StatusBadRequest, "Member can't contain 4 byte unicode characters.")
	}
	m, fault := rq.storeMember(w, memberRecord{project: project, status: "pending"})
	if fault != nil {
		return fault
	}
	writeJSON(rq.w, rq.r, http.StatusOK, memberDocument(id, memberEcho(value), m))
	return nil
}

// memberEcho shows a member as it was sent.
func memberEcho(v any) any {
	switch v.(type) {
	case *big.Int, float64:
		return number{v}
	default:
		return v
	}
}

func liveMembers(r *imageRecord) []memberRecord {
	var live []memberRecord
	for _, m := range r.members {
		if !m.deleted {
			live = append(live, m)
		}
	}
	return live
}

func (rq *imageRequest) updateMember(arguments []string) *apiError {
	id, project := arguments[0], arguments[1]
	value, fault := rq.memberBody("status", "Status not specified", `Expected a status in the form: {"status": "status"}`)
	if fault != nil {
		return fault
	}
	w, fault := rq.lookupForMembers(id)
	if fault != nil {
		return fault
	}
	if w.visibility != "shared" || rq.ownershipChecked() && rq.caller.owns(w.owner) {
		return explainf(http.StatusForbidden, "Not allowed to update members for image %s.", id)
	}
	m, fault := rq.findMember(w, project)
	if fault != nil {
		return fault
	}
	if fault := rq.enforceMember("modify_member", w); fault != nil {
		return fault
	}
	status, _ := value.(string)
	if status != "pending" && status != "accepted" && status != "rejected" {
		return explain(http.StatusBadRequest, `Incorrect request: Status must be "pending", "accepted" or "rejected".`)
	}
	m.status = status
	if m, fault = rq.storeMember(w, m); fault != nil {
		return fault
	}
	writeJSON(rq.w, rq.r, http.StatusOK, memberDocument(id, project, m))
	return nil
}

func (rq *imageRequest) deleteMember(arguments []string) *apiError {
	id, project := arguments[0], arguments[1]
	w, fault := rq.lookupForMembers(id)
	if fault != nil {
		return fault
	}
	if w.visibility != "shared" || rq.ownershipChecked() && !rq.caller.owns(w.owner) {
		return explainf(http.StatusForbidden, "Not allowed to delete members for image %s.", id)
	}
	m, fault := rq.findMember(w, project)
	if fault != nil {
		return fault
	}
	if fault := rq.enforceMember("delete_member", w); fault != nil {
		return fault
	}
	m.deleted = true
	if _, fault := rq.storeMember(w, m); fault != nil {
		return fault
	}
	rq.noContent()
	return nil
}

// storeMember writes one membership. A record that was deleted is used again,
// with the time at which it was first made; the image itself does not change.
func (rq *imageRequest) storeMember(w *workingImage, m memberRecord) (memberRecord, *apiError) {
	now := rq.sim.clock.now()
	m.updated = now
	rq.awaitCommit()
	rq.store.mu.Lock()
	defer rq.store.mu.Unlock()
	current := rq.store.images[w.id]
	if current == nil {
		return m, explainf(http.StatusNotFound, "Image %s not found.", w.id)
	}
	next := current.clone()
	next.members = append([]memberRecord(nil), current.members...)
	known := false
	for i := range next.members {
		if next.members[i].project == m.project {
			m.created = next.members[i].created
			next.members[i] = m
			known = true
		}
	}
	if !known {
		m.created = now
		next.members = append(next.members, m)
	}
	rq.put(next)
	return m, nil
}
