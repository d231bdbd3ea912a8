package acceptance

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// EnvironmentVariable names the file that describes the running cloud, as
// internal/acceptance/cmd/openstack writes it.
const EnvironmentVariable = "IMAGEOPS_OPENSTACK"

// Names of the regions in the service catalogue of the cloud.
const (
	// RegionOne has the image service that most tests use, with several workers.
	RegionOne = "RegionOne"
	// RegionTwo has an image service of its own, in which no image of RegionOne
	// exists, with one process and with the policy that refuses readers to write.
	RegionTwo = "RegionTwo"
	// RegionThree offers the identity service alone, so a sign-in finds no image service there.
	RegionThree = "RegionThree"
)

// Names of the cloud's users. The entries of clouds.yaml carry the same names.
const (
	// UserDemo is a member of project demo and owns what most tests make.
	UserDemo = "demo"
	// UserOther is a member of project other.
	UserOther = "other"
	// UserReader has the reader role alone on project demo. Under Glance's older
	// policy, which RegionOne has, that is enough to change the project's images.
	UserReader = "reader"
	// UserAdmin is an administrator, scoped to project admin and entitled on demo too.
	UserAdmin = "admin"
)

// Cloud describes a running Keystone and Glance.
type Cloud struct {
	// AuthURL is Keystone's address, ending in /v3.
	AuthURL string `json:"auth_url"`
	// ShortLivedAuthURL is a second Keystone over the same database and keys;
	// its tokens expire after ShortLivedSeconds.
	ShortLivedAuthURL string `json:"short_lived_auth_url"`
	// ShortLivedSeconds is the lifetime of a token of ShortLivedAuthURL, in
	// seconds. Keystone cuts the moment of issue down to a full second, so the
	// token lives up to one second less.
	ShortLivedSeconds int `json:"short_lived_seconds"`
	// Regions maps a region's name to the address of its image service, without
	// the /v2; RegionThree has none and is absent.
	Regions map[string]string `json:"regions"`
	// Users maps a user's name to what signs it in.
	Users map[string]User `json:"users"`
	// ApplicationCredential belongs to UserDemo on project demo.
	ApplicationCredential ApplicationCredential `json:"application_credential"`
	// CloudsYAML is the path of a clouds.yaml with an entry for every user, and
	// the entry "broken", which lacks its auth_url.
	CloudsYAML string `json:"clouds_yaml"`
	// LogDir is the folder in which the services write their logs.
	LogDir string `json:"log_dir"`
}

// User is an account of the cloud.
type User struct {
	ID         string `json:"id"`
	Name       string `json:"name"`
	Password   string `json:"password"`
	DomainID   string `json:"domain_id"`
	DomainName string `json:"domain_name"`
	// Project names the project that the user signs in to.
	Project   string `json:"project"`
	ProjectID string `json:"project_id"`
}

// ApplicationCredential is a restricted sign-in of one user on one project.
type ApplicationCredential struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Secret string `json:"secret"`
}

// ReadCloud reads the description that the file at path holds.
func ReadCloud(path string) (*Cloud, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the description of the cloud: %w", err)
	}
	var cloud Cloud
	if err := json.Unmarshal(content, &cloud); err != nil {
		return nil, fmt.Errorf("decoding the description of the cloud %s: %w", path, err)
	}
	return &cloud, nil
}

// OpenStack returns the cloud that IMAGEOPS_OPENSTACK describes, and skips the
// test when there is none.
func OpenStack(t testing.TB) *Cloud {
	t.Helper()
	path := os.Getenv(EnvironmentVariable)
	if path == "" {
		t.Skipf("%s is not set: `make test-openstack` runs this test against a real Keystone and Glance", EnvironmentVariable)
	}
	cloud, err := ReadCloud(path)
	if err != nil {
		t.Fatal(err)
	}
	return cloud
}

// Environment returns the OS_* variables with which user signs in to region.
func (c *Cloud) Environment(user, region string) map[string]string {
	account := c.Users[user]
	return map[string]string{
		"OS_AUTH_URL":             c.AuthURL,
		"OS_IDENTITY_API_VERSION": "3",
		"OS_REGION_NAME":          region,
		"OS_USERNAME":             account.Name,
		"OS_PASSWORD":             account.Password,
		"OS_USER_DOMAIN_NAME":     account.DomainName,
		"OS_PROJECT_NAME":         account.Project,
		"OS_PROJECT_DOMAIN_NAME":  account.DomainName,
	}
}

// WriteCloudsYAML writes a clouds.yaml with an entry for every user, and the
// entry "broken", which cannot work.
func (c *Cloud) WriteCloudsYAML(path string) error {
	var text strings.Builder
	text.WriteString("clouds:\n")
	for _, name := range []string{UserDemo, UserOther, UserReader, UserAdmin} {
		user := c.Users[name]
		fmt.Fprintf(&text, `  %s:
    region_name: %s
    identity_api_version: 3
    auth:
      auth_url: %s
      username: %s
      password: %s
      project_name: %s
      user_domain_name: %s
      project_domain_name: %s
`, name, RegionOne, c.AuthURL, user.Name, user.Password, user.Project, user.DomainName, user.DomainName)
	}
	fmt.Fprintf(&text, "  broken:\n    region_name: %s\n    auth:\n      username: demo\n      project_name: demo\n", RegionOne)
	return os.WriteFile(path, []byte(text.String()), 0o600)
}

// commandLineLimit bounds one run of the openstack client, which takes about
// 1.5 s on a quiet machine.
const commandLineLimit = 2 * time.Minute

// OpenStackCLI runs the openstack client as user in RegionOne and returns what
// it prints. A failure of the client fails the test.
func (c *Cloud) OpenStackCLI(t testing.TB, user string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), commandLineLimit)
	defer cancel()
	command := exec.CommandContext(ctx, "openstack", args...)
	command.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "LC_ALL=C.UTF-8",
		"OS_CLIENT_CONFIG_FILE=" + c.CloudsYAML, "OS_CLOUD=" + user,
	}
	var stderr strings.Builder
	command.Stderr = &stderr
	output, err := command.Output()
	if err != nil {
		t.Fatalf("openstack %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return string(output)
}
