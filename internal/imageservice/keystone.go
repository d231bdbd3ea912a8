package imageservice

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/tokens"

	"github.com/imageops/terraform-provider-imageops/internal/transport"
)

// keystone speaks the Identity API v3. What a request says is gophercloud's
// work; it is sent through the transport that all requests share, so that an
// answer that is not Keystone's can be told from one that is.
type keystone struct {
	transport *transport.Client
	url       string // ending in /v3
}

// grant is what Keystone says about a token.
type grant struct {
	token     string
	expiresAt time.Time     // zero when not said
	lifetime  time.Duration // by Keystone's clock; 0 when not said
	project   *tokens.Project
	roles     []tokens.Role
	catalog   []tokens.CatalogEntry
}

// create signs in for a scope, nil for none. An application credential has its
// scope in itself, and gophercloud sends none beside it. Its errors are a
// *transport.Error or a *transport.APIError.
func (k *keystone) create(ctx context.Context, options gophercloud.AuthOptions, scope *gophercloud.AuthScope) (*grant, error) {
	if scope == nil {
		scope = &gophercloud.AuthScope{}
	}
	options.Scope = scope
	scopeBody, err := options.ToTokenV3ScopeMap()
	if err != nil {
		return nil, err
	}
	content, err := options.ToTokenV3CreateMap(scopeBody)
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(content)
	if err != nil {
		return nil, err
	}
	r := transport.Request{
		Method: http.MethodPost,
		URL:    k.url + "/auth/tokens",
		Header: http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json"}},
		Body:   body,
	}
	// A token too many does no harm: nobody knows it, and it expires.
	resp, err := k.transport.Do(transport.WithRepeatable(ctx), r)
	if err != nil {
		return nil, err
	}
	return readGrant(r, resp)
}

// validate asks Keystone about a token, with that token, and returns what a
// sign-in would: project, roles, catalogue.
func (k *keystone) validate(ctx context.Context, token string) (*grant, error) {
	r := transport.Request{
		Method: http.MethodGet,
		URL:    k.url + "/auth/tokens",
		Header: http.Header{"Accept": {"application/json"}, "X-Auth-Token": {token}, "X-Subject-Token": {token}},
	}
	resp, err := k.transport.Do(ctx, r)
	if err != nil {
		return nil, err
	}
	if resp.Header.Get("X-Subject-Token") == "" {
		resp.Header.Set("X-Subject-Token", token)
	}
	return readGrant(r, resp)
}

// projects returns the names of the projects that a token may be scoped to.
func (k *keystone) projects(ctx context.Context, token string) ([]tokens.Project, error) {
	r := transport.Request{
		Method: http.MethodGet,
		URL:    k.url + "/auth/projects",
		Header: http.Header{"Accept": {"application/json"}, "X-Auth-Token": {token}},
	}
	resp, err := k.transport.Do(ctx, r)
	if err != nil {
		return nil, err
	}
	var answer struct {
		Projects []tokens.Project `json:"projects"`
	}
	if resp.StatusCode != http.StatusOK || json.Unmarshal(resp.Body, &answer) != nil {
		return nil, transport.NewAPIError(r, resp)
	}
	return answer.Projects, nil
}

// readGrant reads the answer to a sign-in. An answer that is no token, whatever
// its status, is a *transport.APIError.
func readGrant(r transport.Request, resp *transport.Response) (*grant, error) {
	var answer struct {
		Token *struct {
			ExpiresAt string                `json:"expires_at"`
			IssuedAt  string                `json:"issued_at"`
			Project   *tokens.Project       `json:"project"`
			Roles     []tokens.Role         `json:"roles"`
			Catalog   []tokens.CatalogEntry `json:"catalog"`
		} `json:"token"`
	}
	switch resp.StatusCode {
	case http.StatusOK, http.StatusCreated, http.StatusNonAuthoritativeInfo:
	default:
		return nil, transport.NewAPIError(r, resp)
	}
	if err := json.Unmarshal(resp.Body, &answer); err != nil || answer.Token == nil {
		return nil, transport.NewAPIError(r, resp)
	}
	g := &grant{
		token:   strings.TrimSpace(resp.Header.Get("X-Subject-Token")),
		project: answer.Token.Project,
		roles:   answer.Token.Roles,
		catalog: answer.Token.Catalog,
	}
	if g.token == "" {
		failure := transport.NewAPIError(r, resp)
		failure.Message = "the answer describes a token, but its header X-Subject-Token, which holds the token itself, is missing"
		return nil, failure
	}
	// A date that cannot be read is as good as none: the token is then renewed when it is refused.
	g.expiresAt, _ = time.Parse(time.RFC3339, answer.Token.ExpiresAt)
	if issuedAt, err := time.Parse(time.RFC3339, answer.Token.IssuedAt); err == nil && !g.expiresAt.IsZero() {
		g.lifetime = g.expiresAt.Sub(issuedAt)
	}
	return g, nil
}

// SignInError says why there is no session with the image service.
type SignInError struct {
	// Message says what is wrong and what to do.
	Message string
	// Err is the refusal or the failure that it was found by. It may be nil.
	Err error
}

func (e *SignInError) Error() string {
	if e.Err == nil {
		return e.Message
	}
	return e.Message + ": " + e.Err.Error()
}

// Unwrap returns the cause, a *transport.APIError, a *transport.Error or nil.
func (e *SignInError) Unwrap() error { return e.Err }

func signInErrorf(err error, format string, args ...any) *SignInError {
	return &SignInError{Message: fmt.Sprintf(format, args...), Err: err}
}

// signer signs in with one set of credentials.
type signer struct {
	keystone    *keystone
	credentials credentials
}

// sign returns a token for a project.
func (s *signer) sign(ctx context.Context) (*grant, error) {
	g, err := s.obtain(ctx)
	if err != nil {
		return nil, err
	}
	if g.project == nil {
		// To a token without a project, Glance answers that no image exists.
		return nil, signInErrorf(nil, "%s is signed in to no project, and images belong to projects: give project_id, or project_name with project_domain_name%s",
			s.credentials.who, s.usableProjects(ctx, g.token))
	}
	if p := s.credentials.project; s.credentials.method == byApplicationCredential && p.wanted() && !p.is(g.project) {
		return nil, signInErrorf(nil, "%s belongs to the project %q (%s) and cannot be used for the %s: take out the one or the other",
			s.credentials.who, transport.CleanText(g.project.Name), transport.CleanText(g.project.ID), p)
	}
	return g, nil
}

func (s *signer) obtain(ctx context.Context) (*grant, error) {
	c := s.credentials
	if c.method == byToken {
		return s.obtainByToken(ctx)
	}
	var scope *gophercloud.AuthScope
	if c.project.wanted() {
		scope = c.project.scope()
	}
	g, err := s.keystone.create(ctx, c.options, scope)
	if err == nil {
		return g, nil
	}
	if statusOf(err) == http.StatusUnauthorized {
		return s.afterRefusal(ctx, err, scope)
	}
	return nil, s.explain(err)
}

// obtainByToken uses the token as it is. Only for another project than its own
// another one is made from it, as some clouds forbid.
func (s *signer) obtainByToken(ctx context.Context) (*grant, error) {
	c := s.credentials
	g, err := s.keystone.validate(ctx, c.options.TokenID)
	switch {
	case statusOf(err) == http.StatusUnauthorized:
		return nil, &refusedTokenError{signInErrorf(err, "Keystone does not accept %s: it has expired, was revoked, or is from another cloud; get a new one, for example with \"openstack token issue\"", c.who)}
	case err != nil:
		return nil, s.explain(err)
	case !c.project.wanted() || (g.project != nil && c.project.is(g.project)):
		return g, nil
	}
	scoped, err := s.keystone.create(ctx, c.options, c.project.scope())
	switch status := statusOf(err); {
	case err == nil:
		return scoped, nil
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		own := "no project"
		if g.project != nil {
			own = fmt.Sprintf("the project %q (%s)", transport.CleanText(g.project.Name), transport.CleanText(g.project.ID))
		}
		return nil, signInErrorf(err, "%s is for %s, and Keystone does not change it into one for the %s: get a token for that project, or take the project out of the configuration%s",
			c.who, own, c.project, s.usableProjects(ctx, g.token))
	}
	return nil, s.explain(err)
}

// refusedTokenError is the refusal of a token that came from elsewhere, which
// the session may know more about: until when it was good.
type refusedTokenError struct{ *SignInError }

func (e *refusedTokenError) Unwrap() error { return e.SignInError }

// afterRefusal finds out what a 401 is about. Keystone says the same about a
// wrong password, an unknown domain and a project that the user has no role on
// (measured on Keystone 22.0), so the sign-in is tried again without a project.
// If that works, the refusal may have been a passing one: the sign-in is tried
// once more as it was.
func (s *signer) afterRefusal(ctx context.Context, refusal error, scope *gophercloud.AuthScope) (*grant, error) {
	c := s.credentials
	if c.method == byApplicationCredential {
		return nil, signInErrorf(refusal, "Keystone does not accept %s: its id or its secret is wrong, or it has expired or was deleted", c.who)
	}
	wrong := "check the name, the password and the domain (username, password, user_domain_name)"
	if c.options.UserID != "" {
		wrong = "check user_id and password"
	}
	if c.project.wanted() {
		g, err := s.keystone.create(ctx, c.options, nil)
		if err == nil {
			if again, err := s.keystone.create(ctx, c.options, scope); err == nil {
				return again, nil
			}
			return nil, signInErrorf(refusal, "the password of %s is right, but there is no %s, or the user has no role on it%s", c.who, c.project, s.usableProjects(ctx, g.token))
		}
		if statusOf(err) != http.StatusUnauthorized {
			wrong += ", and the project"
		}
	}
	return nil, signInErrorf(refusal, "Keystone does not accept %s with this password: %s", c.who, wrong)
}

// usableProjects names the projects of the user, or nothing when Keystone does not say.
func (s *signer) usableProjects(ctx context.Context, token string) string {
	projects, err := s.keystone.projects(ctx, token)
	switch {
	case err != nil:
		return ""
	case len(projects) == 0:
		return "; there is no project that this user has a role on"
	}
	names := make([]string, len(projects))
	for i, p := range projects {
		names[i] = fmt.Sprintf("%s (%s)", transport.CleanText(p.Name), transport.CleanText(p.ID))
	}
	return "; this user can use " + list(names)
}

// explain puts the trouble of a sign-in into words.
func (s *signer) explain(err error) error {
	var (
		refusal *transport.APIError
		failure *transport.Error
	)
	url := s.keystone.url
	switch {
	case errors.As(err, &failure):
		return signInErrorf(err, "no answer from Keystone at %s (auth_url)", url)
	case !errors.As(err, &refusal):
		return signInErrorf(err, "the sign-in as %s cannot be put into words for Keystone", s.credentials.who)
	case refusal.StatusCode < http.StatusMultipleChoices:
		return signInErrorf(err, "what answers at %s is not Keystone, or something in between changes its answers; check auth_url and the proxy settings", url)
	case refusal.StatusCode == http.StatusForbidden:
		return signInErrorf(err, "Keystone forbids the sign-in of %s; the account may be disabled or locked", s.credentials.who)
	case refusal.StatusCode == http.StatusNotFound, refusal.StatusCode < http.StatusBadRequest:
		return signInErrorf(err, "there is no Keystone (Identity API v3) at %s; check auth_url", url)
	case refusal.StatusCode >= http.StatusInternalServerError:
		return signInErrorf(err, "Keystone at %s cannot answer at the moment; try again later", url)
	}
	return signInErrorf(err, "Keystone refuses the sign-in of %s", s.credentials.who)
}

func statusOf(err error) int {
	var refusal *transport.APIError
	if errors.As(err, &refusal) {
		return refusal.StatusCode
	}
	return 0
}

// is says whether a token's project is the wanted one. Keystone's databases
// compare names without case.
func (p project) is(actual *tokens.Project) bool {
	switch {
	case p.id != "":
		return p.id == actual.ID
	case !strings.EqualFold(p.name, actual.Name):
		return false
	case p.domain.origin == "":
		return true
	case p.domain.id != "":
		return p.domain.id == actual.Domain.ID
	}
	return strings.EqualFold(p.domain.name, actual.Domain.Name)
}
