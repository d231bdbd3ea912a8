package imageservice

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/imageops/terraform-provider-imageops/internal/imageservice/attribute"
	"github.com/imageops/terraform-provider-imageops/internal/imageservice/signature"
	"github.com/imageops/terraform-provider-imageops/internal/transport"
)

// skewWorthSaying is how far the clocks may differ without a word about it.
const skewWorthSaying = time.Minute

// keyAuthority signs every attempt of a request with an access key. It needs no
// sign-in; its sessions hold what the place is and which form of signature to use.
type keyAuthority struct {
	client      *Client
	credentials credentials
	iam         string // the identity service's address, empty when the project's id is given
	first       signature.Form

	mu       sync.Mutex
	form     signature.Form // to begin sessions with
	tried    bool           // this session is the second, after a refusal
	accepted bool           // the image service has accepted a signature of the form
	current  *session       // the one that a refusal is about
	refusal  error          // of current
	project  *namedProject  // that of credentials.project
}

type namedProject struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

func newKeyAuthority(c *Client, t *target) *keyAuthority {
	a := &keyAuthority{client: c, credentials: t.credentials, iam: t.authURL, first: signature.Access}
	if t.cloud == attribute.OpenTelekomCloud {
		a.first = signature.Credential
	}
	a.form = a.first
	if id := t.credentials.project.id; id != "" {
		a.project = &namedProject{ID: id}
	}
	return a
}

func otherForm(form signature.Form) signature.Form {
	if form == signature.Access {
		return signature.Credential
	}
	return signature.Access
}

// open makes a session. After a refusal it is a second one: with the other form,
// if none was ever accepted, else with the same, since a gateway that cannot ask
// the identity service for a moment says 401 as well. The refusal of the second is
// the error.
func (a *keyAuthority) open(ctx context.Context) (*session, error) {
	if err := a.chooseForm(); err != nil {
		return nil, err
	}
	project, err := a.projectOf(ctx)
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	s := &session{form: a.form, unsent: a.unsent(), images: a.client.endpoint, place: Place{Region: a.client.region, ProjectID: project.ID, ProjectName: project.Name}}
	a.current = s
	a.mu.Unlock()
	a.client.logSession(ctx, "signing requests to the image service with an access key", a.iam, s)
	return s, nil
}

// unsent is the secret key. Who shares it could quote it all the same.
func (a *keyAuthority) unsent() []string { return []string{a.credentials.key.Secret} }

func (a *keyAuthority) chooseForm() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	refusal := a.refusal
	a.refusal, a.current = nil, nil
	switch {
	case refusal == nil:
		return nil
	case a.tried:
		a.tried = false
		if !a.accepted {
			a.form = a.first
		}
		return refusal
	case !a.accepted:
		a.form = otherForm(a.form)
	}
	a.tried = true
	return nil
}

func (a *keyAuthority) authorize(s *session, attempt *http.Request, body []byte) {
	a.sign(s.form, s.place.ProjectID, attempt, body)
}

// sign adds what the key, its scope and the signature are to a request. Only
// these headers are signed: something in between may change the others.
func (a *keyAuthority) sign(form signature.Form, projectID string, r *http.Request, body []byte) {
	signed := http.Header{}
	switch {
	case projectID != "":
		signed.Set("X-Project-Id", projectID)
	case a.credentials.domainID != "":
		signed.Set("X-Domain-Id", a.credentials.domainID)
	}
	if a.credentials.securityToken != "" {
		signed.Set("X-Security-Token", a.credentials.securityToken)
	}
	date, authorization := a.credentials.key.Sign(form, r.Method, r.URL, signed, body, a.client.now())
	signed.Set(signature.DateHeader, date)
	signed.Set("Authorization", authorization)
	for name, values := range signed {
		r.Header[name] = values
	}
}

// again is for a signature that was refused: what comes next is open's decision.
// A request that is refused once more is the last one, also where others are
// accepted meanwhile.
func (a *keyAuthority) again(s, before *session, sent transport.Request, resp *transport.Response) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if resp.StatusCode != http.StatusUnauthorized {
		if s == a.current && resp.StatusCode < http.StatusMultipleChoices {
			a.accepted, a.tried = true, false
		}
		return false
	}
	if s == a.current {
		a.refusal = a.refused("image service at "+serviceOf(sent.URL), a.accepted, sent, resp)
		a.tried = a.tried || (before != nil && a.accepted)
	}
	return true
}

// refused puts a 401 into words.
func (a *keyAuthority) refused(service string, before bool, sent transport.Request, resp *transport.Response) *SignInError {
	text := fmt.Sprintf("the %s does not accept %s", service, a.credentials.who)
	if before {
		text += " any more, which it has accepted before in this run: it may have been revoked"
		if a.credentials.securityToken != "" {
			text += ", or security_token has expired"
		}
		text += "; run again with a valid one"
	} else {
		text += ": check access_key and secret_key, that they belong together, and that they are of this cloud and region"
		if a.credentials.securityToken != "" {
			text += ", and that security_token is theirs and has not expired"
		}
		if project := a.credentials.project; project.wanted() {
			text += ", and that they may be used in the project (" + project.origin + ")"
		}
	}
	return signInErrorf(transport.NewAPIError(sent, resp), "%s%s", text, a.skew(resp))
}

// skew says by how much the clock of this machine differs from that of an
// answer, as signatures of another time are refused; nothing for less than it takes.
func (a *keyAuthority) skew(resp *transport.Response) string {
	theirs, err := http.ParseTime(resp.Header.Get("Date"))
	if err != nil {
		return ""
	}
	switch by := a.client.now().Sub(theirs).Round(time.Second); {
	case by > skewWorthSaying:
		return fmt.Sprintf("; the clock of this machine is %s ahead of the service's, and signatures of another time are refused: set the clock", by)
	case by < -skewWorthSaying:
		return fmt.Sprintf("; the clock of this machine is %s behind the service's, and signatures of another time are refused: set the clock", -by)
	}
	return ""
}

// projectOf returns the project, which the identity service is asked for once
// when only its name is given.
func (a *keyAuthority) projectOf(ctx context.Context) (*namedProject, error) {
	a.mu.Lock()
	known := a.project
	a.mu.Unlock()
	if known != nil {
		return known, nil
	}
	wanted := a.credentials.project
	named, err := a.listProjects(ctx, "?"+url.Values{"name": {wanted.name}}.Encode())
	if err != nil {
		return nil, err
	}
	var found []namedProject
	for _, p := range named {
		if strings.EqualFold(p.Name, wanted.name) {
			found = append(found, p)
		}
	}
	switch len(found) {
	case 1:
		a.mu.Lock()
		a.project = &found[0]
		a.mu.Unlock()
		return &found[0], nil
	case 0:
		there := ""
		if all, err := a.listProjects(ctx, ""); err == nil && len(all) > 0 {
			there = "; it can use " + describe(all)
		}
		return nil, signInErrorf(nil, "%s can use no project %q (%s): check project_name, or give project_id%s", a.credentials.who, wanted.name, wanted.origin, there)
	}
	return nil, signInErrorf(nil, "%s can use several projects with the name %q (%s): %s; give project_id", a.credentials.who, wanted.name, wanted.origin, describe(found))
}

func describe(projects []namedProject) string {
	names := make([]string, len(projects))
	for i, p := range projects {
		names[i] = fmt.Sprintf("%s (%s)", transport.CleanText(p.Name), transport.CleanText(p.ID))
	}
	return list(names)
}

// listProjects asks the identity service for projects, with the one form of
// signature and, if that is refused, with the other. The form that it accepts is
// the one that the image service is likely to accept.
func (a *keyAuthority) listProjects(ctx context.Context, query string) ([]namedProject, error) {
	a.mu.Lock()
	form := a.form
	a.mu.Unlock()
	r, resp, err := a.askIAM(ctx, form, query)
	if err == nil && resp.StatusCode == http.StatusUnauthorized {
		form = otherForm(form)
		r, resp, err = a.askIAM(ctx, form, query)
	}
	service := "identity service at " + a.iam
	if err != nil {
		return nil, signInErrorf(err, "no answer from the %s (auth_url), which knows the id of the project; give project_id, and it is not asked", service)
	}
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusUnauthorized:
		return nil, a.refused(service, false, r, resp)
	case http.StatusForbidden:
		return nil, signInErrorf(transport.NewAPIError(r, resp), "%s may not ask the %s for the id of the project; give project_id", a.credentials.who, service)
	default:
		return nil, signInErrorf(transport.NewAPIError(r, resp), "the %s does not tell the id of the project; check auth_url, or give project_id", service)
	}
	var answer struct {
		Projects *[]namedProject `json:"projects"`
	}
	if err := json.Unmarshal(resp.Body, &answer); err != nil || answer.Projects == nil {
		return nil, signInErrorf(transport.NewAPIError(r, resp), "what answers at %s (auth_url) is not the identity service; check auth_url, or give project_id", a.iam)
	}
	a.mu.Lock()
	a.form = form
	a.mu.Unlock()
	return *answer.Projects, nil
}

func (a *keyAuthority) askIAM(ctx context.Context, form signature.Form, query string) (transport.Request, *transport.Response, error) {
	r := transport.Request{
		Method:  http.MethodGet,
		URL:     a.iam + "/projects" + query,
		Header:  http.Header{"Accept": {"application/json"}},
		Prepare: func(attempt *http.Request) { a.sign(form, "", attempt, nil) },
		Secrets: a.unsent(),
	}
	resp, err := a.client.transport.Do(ctx, r)
	return r, resp, err
}
