package simulator

import (
	"crypto/md5"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"slices"
	"sync"
	"time"
)

// The one domain of the simulated cloud.
const (
	domainID   = "default"
	domainName = "Default"
)

// project is a project of the simulated cloud.
type project struct {
	id   string
	name string
}

// user is an account of the simulated cloud.
type user struct {
	id       string
	name     string
	password string
	// grants maps a project's id, or the domain's, to the roles there.
	grants map[string][]string
}

// applicationCredential is a sign-in on behalf of a user, bound to one project.
type applicationCredential struct {
	id      string
	name    string
	secret  string
	user    *user
	project *project
	roles   []string
}

// token is a sign-in of a user.
type token struct {
	id         string
	methods    []string
	user       *user
	project    *project // nil without a project scope
	domain     bool     // scoped to the domain
	roles      []string
	credential *applicationCredential
	auditIDs   []string
	issued     time.Time
	expires    time.Time
}

// identity is Keystone's data. Accounts do not change once the simulator runs.
type identity struct {
	projects    []*project
	users       []*user
	credentials []*applicationCredential
	keys        []keyPair

	mu     sync.Mutex
	tokens map[string]*token
}

// impliedRoles are the roles that Keystone adds to a role.
var impliedRoles = map[string][]string{
	"admin":  {"member", "reader", "admin"},
	"member": {"member", "reader"},
	"reader": {"reader"},
}

// newIdentity makes the accounts of every simulated cloud: the users demo and
// reader on the project demo, other on the project other, and admin on the
// projects admin and demo and on the domain. Ids follow from the names, so they
// are the same in every run.
func newIdentity() *identity {
	demo, other, admin := newProject("demo"), newProject("other"), newProject("admin")
	demoUser := newUser("demo", map[string][]string{demo.id: impliedRoles["member"]})
	users := []*user{
		demoUser,
		newUser("other", map[string][]string{other.id: impliedRoles["member"]}),
		newUser("reader", map[string][]string{demo.id: impliedRoles["reader"]}),
		newUser("admin", map[string][]string{
			admin.id: impliedRoles["admin"], demo.id: impliedRoles["admin"], domainID: impliedRoles["admin"],
		}),
	}
	return &identity{
		projects: []*project{demo, other, admin},
		users:    users,
		keys:     newKeyPairs(users),
		credentials: []*applicationCredential{{
			id: stableID("application credential demo"), name: "demo-credential", secret: "demo-credential-secret",
			user: demoUser, project: demo, roles: impliedRoles["member"],
		}},
		tokens: map[string]*token{},
	}
}

func newProject(name string) *project { return &project{id: stableID("project " + name), name: name} }

func newUser(name string, grants map[string][]string) *user {
	return &user{id: stableID("user " + name), name: name, password: name + "-password", grants: grants}
}

// stableID derives an id in Keystone's form.
func stableID(name string) string {
	sum := md5.Sum([]byte(name))
	return hex.EncodeToString(sum[:])
}

func (d *identity) userByName(name string) *user {
	i := slices.IndexFunc(d.users, func(u *user) bool { return u.name == name })
	if i < 0 {
		return nil
	}
	return d.users[i]
}

func (d *identity) userByID(id string) *user {
	i := slices.IndexFunc(d.users, func(u *user) bool { return u.id == id })
	if i < 0 {
		return nil
	}
	return d.users[i]
}

func (d *identity) projectByName(name string) *project {
	i := slices.IndexFunc(d.projects, func(p *project) bool { return p.name == name })
	if i < 0 {
		return nil
	}
	return d.projects[i]
}

func (d *identity) projectByID(id string) *project {
	i := slices.IndexFunc(d.projects, func(p *project) bool { return p.id == id })
	if i < 0 {
		return nil
	}
	return d.projects[i]
}

// issue stores a token and gives it its id.
func (d *identity) issue(t *token) {
	t.id = "gAAAAA" + randomText(120)
	t.auditIDs = append([]string{randomText(16)}, t.auditIDs...)
	d.mu.Lock()
	defer d.mu.Unlock()
	for id, old := range d.tokens {
		if !old.expires.After(t.issued) {
			delete(d.tokens, id)
		}
	}
	d.tokens[t.id] = t
}

// issued finds a token that is not revoked, whether or not it has expired.
func (d *identity) issued(id string) *token {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.tokens[id]
}

// token finds a token that is neither expired nor revoked.
func (d *identity) token(id string, now time.Time) *token {
	t := d.issued(id)
	if t == nil || !t.expires.After(now) {
		return nil
	}
	return t
}

func (d *identity) revoke(id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.tokens, id)
}

func (d *identity) revokeAll() {
	d.mu.Lock()
	defer d.mu.Unlock()
	clear(d.tokens)
}

// authenticate is the check that the image service makes of a token.
func (d *identity) authenticate(id string, now time.Time) (caller, bool) {
	t := d.token(id, now)
	if t == nil {
		return caller{}, false
	}
	c := caller{roles: t.roles}
	if t.project != nil {
		c.project = t.project.id
	}
	return c, true
}

// randomText is URL-safe text from n random bytes.
func randomText(n int) string {
	b := make([]byte, n)
	// crypto/rand never fails on a supported system.
	_, _ = rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
}

// newUUID is a random UUID, version 4 (RFC 9562).
func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	b[6] = b[6]&0x0F | 0x40
	b[8] = b[8]&0x3F | 0x80
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}
