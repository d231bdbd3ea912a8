//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/imageops/terraform-provider-imageops/internal/acceptance"
)

// object is a JSON object of Keystone's API.
type object = map[string]any

// identity is a signed-in session with Keystone.
type identity struct {
	url    string
	token  string
	userID string
}

// signIn gets a token for user on its project.
func signIn(ctx context.Context, authURL string, user acceptance.User) (*identity, error) {
	session := &identity{url: authURL}
	body := object{"auth": object{
		"identity": object{"methods": []string{"password"}, "password": object{"user": object{
			"name": user.Name, "password": user.Password, "domain": object{"id": domainID},
		}}},
		"scope": object{"project": object{"name": user.Project, "domain": object{"id": domainID}}},
	}}
	var answer struct {
		Token struct {
			User struct {
				ID string `json:"id"`
			} `json:"user"`
		} `json:"token"`
	}
	header, err := session.call(ctx, http.MethodPost, "/auth/tokens", body, &answer)
	if err != nil {
		return nil, fmt.Errorf("signing in as %s: %w", user.Name, err)
	}
	session.token = header.Get("X-Subject-Token")
	session.userID = answer.Token.User.ID
	return session, nil
}

// call sends one request to Keystone and decodes the answer into result, if
// that is not nil.
func (s *identity) call(ctx context.Context, method, path string, body, result any) (http.Header, error) {
	var content io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		content = bytes.NewReader(encoded)
	}
	request, err := http.NewRequestWithContext(ctx, method, s.url+path, content)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	if s.token != "" {
		request.Header.Set("X-Auth-Token", s.token)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	if response.StatusCode >= http.StatusMultipleChoices {
		return nil, fmt.Errorf("%s %s: %s: %s", method, path, response.Status, answer)
	}
	if result == nil {
		return response.Header, nil
	}
	return response.Header, json.Unmarshal(answer, result)
}

// create makes one object of the given kind and returns its id.
func (s *identity) create(ctx context.Context, path, kind string, attributes object) (string, error) {
	answer := map[string]struct {
		ID string `json:"id"`
	}{}
	_, err := s.call(ctx, http.MethodPost, path, object{kind: attributes}, &answer)
	return answer[kind].ID, err
}

// find returns the id of the object that has name in the list at path.
func (s *identity) find(ctx context.Context, path, name string) (string, error) {
	var answer map[string]json.RawMessage
	if _, err := s.call(ctx, http.MethodGet, path+"?name="+url.QueryEscape(name), nil, &answer); err != nil {
		return "", err
	}
	var found []struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(answer[path[1:]], &found); err != nil {
		return "", err
	}
	if len(found) != 1 {
		return "", fmt.Errorf("%d objects named %s in %s", len(found), name, path)
	}
	return found[0].ID, nil
}

// seed makes projects, users and the application credential, and fills their
// ids into the description. The requests go one after another: SQLite refuses
// writers that come at the same time.
func seed(ctx context.Context, description *acceptance.Cloud) error {
	admin, err := signIn(ctx, description.AuthURL, description.Users[acceptance.UserAdmin])
	if err != nil {
		return err
	}
	roles := map[string]string{}
	for _, name := range []string{"admin", "member", "reader"} {
		if roles[name], err = admin.find(ctx, "/roles", name); err != nil {
			return err
		}
	}
	projects := map[string]string{}
	if projects["admin"], err = admin.find(ctx, "/projects", "admin"); err != nil {
		return err
	}
	for _, name := range []string{"demo", "other", serviceProject} {
		if projects[name], err = admin.create(ctx, "/projects", "project", object{"name": name, "domain_id": domainID}); err != nil {
			return err
		}
	}
	users := map[string]string{acceptance.UserAdmin: admin.userID}
	for _, name := range []string{acceptance.UserDemo, acceptance.UserOther, acceptance.UserReader, serviceUser} {
		users[name], err = admin.create(ctx, "/users", "user", object{"name": name, "domain_id": domainID, "password": passwords[name]})
		if err != nil {
			return err
		}
	}
	for _, grant := range []struct{ project, user, role string }{
		{"demo", acceptance.UserDemo, "member"},
		{"demo", acceptance.UserReader, "reader"},
		{"demo", acceptance.UserAdmin, "admin"},
		{"other", acceptance.UserOther, "member"},
		{serviceProject, serviceUser, "admin"},
	} {
		path := "/projects/" + projects[grant.project] + "/users/" + users[grant.user] + "/roles/" + roles[grant.role]
		if _, err := admin.call(ctx, http.MethodPut, path, nil, nil); err != nil {
			return err
		}
	}
	for name, user := range description.Users {
		user.ID, user.ProjectID = users[name], projects[user.Project]
		description.Users[name] = user
	}

	demo, err := signIn(ctx, description.AuthURL, description.Users[acceptance.UserDemo])
	if err != nil {
		return err
	}
	credential := &description.ApplicationCredential
	credential.ID, err = demo.create(ctx, "/users/"+demo.userID+"/application_credentials", "application_credential",
		object{"name": credential.Name, "secret": credential.Secret})
	return err
}

// warm lists the images of each region once.
func warm(ctx context.Context, description *acceptance.Cloud) error {
	session, err := signIn(ctx, description.AuthURL, description.Users[acceptance.UserDemo])
	if err != nil {
		return err
	}
	var steps []func(context.Context) error
	for _, endpoint := range description.Regions {
		images := &identity{url: endpoint, token: session.token}
		steps = append(steps, func(ctx context.Context) error {
			_, err := images.call(ctx, http.MethodGet, "/v2/images", nil, nil)
			return err
		})
	}
	return parallel(ctx, steps...)
}
