package simulator

import (
	"errors"
	"fmt"
	"maps"
	"math/big"
	"strings"
	"time"
)

// Description says how to reach a simulator and how to sign in. It is what the
// program prints when it is ready.
type Description struct {
	// Identity is the address of Keystone, ending in /v3.
	Identity string `json:"identity"`
	// Image is the public address of the image service of RegionOne, without /v2.
	Image string `json:"image"`
	// Username, Password, UserDomainName and ProjectName sign in the owner of
	// the inventory, a member of the project demo.
	Username       string `json:"username"`
	Password       string `json:"password"`
	UserDomainName string `json:"user_domain_name"`
	ProjectName    string `json:"project_name"`
	// AccessKey and SecretKey sign requests of the same user to IMS; Keystone and
	// Glance take no signatures.
	AccessKey string `json:"access_key"`
	SecretKey string `json:"secret_key"`
	// Accounts are all accounts by the user's name: demo, other (a member of the
	// project other), reader (reader of demo) and admin.
	Accounts map[string]Account `json:"accounts"`
	// ApplicationCredential signs in the user demo.
	ApplicationCredential ApplicationCredential `json:"application_credential"`
	// Regions maps a region to the address of its image service.
	Regions map[string]string `json:"regions"`
	// Horizon is the address of Horizon, without /rest, and Domain the one in
	// which the same users sign in there with the same passwords: demo and admin
	// as administrators, reader with the right to read, other without rights.
	Horizon string `json:"horizon"`
	Domain  string `json:"domain"`
}

// Account is a user and the project that it works in.
type Account struct {
	UserID      string `json:"user_id"`
	Password    string `json:"password"`
	ProjectID   string `json:"project_id"`
	ProjectName string `json:"project_name"`
}

// ApplicationCredential is a sign-in bound to one user and one project.
type ApplicationCredential struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Secret string `json:"secret"`
}

// Describe describes a simulator that is served at base, an address such as
// http://127.0.0.1:8080.
func (s *Simulator) Describe(base string) Description {
	base = strings.TrimSuffix(base, "/")
	projects := map[string]string{"demo": "demo", "other": "other", "reader": "demo", "admin": "admin"}
	accounts := map[string]Account{}
	for _, u := range s.identity.users {
		p := s.identity.projectByName(projects[u.name])
		accounts[u.name] = Account{UserID: u.id, Password: u.password, ProjectID: p.id, ProjectName: p.name}
	}
	addresses := map[string]string{}
	for _, r := range regions {
		if r.images != "" {
			addresses[r.name] = base + r.images
		}
	}
	credential := s.identity.credentials[0]
	return Description{
		Identity: base + "/identity/v3", Image: addresses[RegionOne],
		Username: "demo", Password: accounts["demo"].Password, UserDomainName: domainName, ProjectName: "demo",
		AccessKey: s.AccessKey("demo").ID, SecretKey: s.AccessKey("demo").Secret,
		Accounts: accounts, Regions: addresses, Horizon: base + horizonPath, Domain: HorizonDomain,
		ApplicationCredential: ApplicationCredential{ID: credential.id, Name: credential.name, Secret: credential.secret},
	}
}

// IssueToken signs an account in on its project and returns the token, for
// clients that bring their own. An unknown user panics.
func (s *Simulator) IssueToken(username string) string {
	account, ok := s.Describe("").Accounts[username]
	if !ok {
		panic("simulator: no user " + username)
	}
	u := s.identity.userByName(username)
	now := s.clock.now().Truncate(time.Second)
	t := &token{
		methods: []string{"password"}, user: u, project: s.identity.projectByID(account.ProjectID),
		roles: u.grants[account.ProjectID], issued: now, expires: now.Add(s.options.TokenLifetime),
	}
	s.identity.issue(t)
	return t.id
}

// RevokeTokens makes every token that was issued so far invalid.
func (s *Simulator) RevokeTokens() { s.identity.revokeAll() }

// Image describes an image to create. Empty fields mean: a new id, RegionOne, the
// project demo, status active, visibility private, disk format raw (zvhd2 with
// IMS), container format bare.
//
// With IMS it also gets what IMS itself gives to an image, a tag is "key=value"
// or "key", and nothing is hidden.
type Image struct {
	ID              string
	Region          string
	ProjectName     string
	Name            string
	Status          string
	Visibility      string
	DiskFormat      string
	ContainerFormat string
	MinDisk         int64 // GB
	MinRAM          int64 // MB
	Protected       bool
	Hidden          bool
	Tags            []string
	Properties      map[string]string
	// Attributes are members of the document by their wire names, for IMS only:
	// string, bool, whole numbers, nil, or Absent for a member that the image is
	// to be without. They go before everything else.
	Attributes map[string]any
}

// CreateImage puts an image into the store past all checks and returns its id.
// An unknown region or project, and an attribute that cannot be one, panics.
func (s *Simulator) CreateImage(image Image) string {
	orElse := func(value, fallback string) string {
		if value == "" {
			return fallback
		}
		return value
	}
	region := orElse(image.Region, RegionOne)
	st, ims := s.stores[region], s.imsStores[region]
	if st == nil && ims == nil {
		panic("simulator: no image service in region " + image.Region)
	}
	owner := s.identity.projectByName(orElse(image.ProjectName, "demo"))
	if owner == nil {
		panic("simulator: no project " + image.ProjectName)
	}
	if ims != nil {
		image.ID, image.Status, image.Visibility = orElse(image.ID, newUUID()), orElse(image.Status, "active"), orElse(image.Visibility, "private")
		image.DiskFormat, image.ContainerFormat = orElse(image.DiskFormat, "zvhd2"), orElse(image.ContainerFormat, "bare")
		return s.createIMSImage(ims, owner, image)
	}
	now := s.clock.now()
	diskFormat, containerFormat := orElse(image.DiskFormat, "raw"), orElse(image.ContainerFormat, "bare")
	r := &imageRecord{
		id: orElse(image.ID, newUUID()), name: &image.Name, status: orElse(image.Status, "active"),
		visibility: orElse(image.Visibility, "private"), protected: image.Protected, hidden: image.Hidden,
		minDisk: image.MinDisk, minRAM: image.MinRAM, owner: &owner.id,
		diskFormat: &diskFormat, containerFormat: &containerFormat,
		properties: map[string]*string{}, tags: unique(image.Tags), created: now, updated: now,
	}
	for name, value := range image.Properties {
		r.properties[name] = &value
	}
	if r.status != "queued" {
		r = withData(r, []byte(r.id))
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	st.images[r.id] = r
	return r.id
}

// seedInventory makes the images that every simulated cloud starts with.
func (s *Simulator) seedInventory() {
	s.CreateImage(Image{
		ID: "2c3f0a56-6c0e-4d2e-9d0e-5a1b7f0c2404", Name: "ubuntu-24.04", DiskFormat: "qcow2", MinDisk: 10, MinRAM: 1024,
		Tags:       []string{"linux"},
		Properties: map[string]string{"os_distro": "ubuntu", "os_version": "24.04", "architecture": "x86_64", "build": "20260301.1", "pipeline": "nightly"},
	})
	s.CreateImage(Image{
		ID: "8b7d1e94-3f52-4c88-b1a6-90de64c21100", Name: "windows-11", DiskFormat: "qcow2", MinDisk: 64,
		Tags:       []string{"weekly", "windows"},
		Properties: map[string]string{"os_version": "11", "hw_firmware_type": "bios", "build": "26100.3775", "pipeline": "monthly"},
	})
}

// find returns the store of the first region that holds an image.
func (s *Simulator) find(id string) *imageStore {
	for _, r := range regions {
		if st := s.stores[r.name]; st != nil && st.get(id) != nil {
			return st
		}
	}
	return nil
}

// Document returns the image as an administrator reads it, numbers as
// json.Number, or nil when there is no such image in any region.
func (s *Simulator) Document(id string) map[string]any {
	if st := s.findIMS(id); st != nil {
		return decodeDocument(encodeJSON(s.imsDocument(st.get(id), "=")))
	}
	st := s.find(id)
	if st == nil {
		return nil
	}
	rq := &imageRequest{sim: s, store: st, caller: caller{roles: impliedRoles["admin"]}}
	w := rq.shell(st.get(id))
	w.properties = w.record.properties
	return decodeDocument(encodeJSON(w.document(w.record.updated)))
}

// Absent as a value of WriteImage takes a property away.
type Absent struct{}

// WriteImage changes an image past all checks, as an operator or another
// program would: attributes and properties by their names in documents. Also
// read-only ones can be written, such as status and updated_at. Values have the
// types of decoded JSON or of Go's literals (string, bool, int, []string, nil);
// any other type, and an image that does not exist, is an error, and then
// nothing is changed. updated_at is set to now unless it is among the changes.
func (s *Simulator) WriteImage(id string, changes map[string]any) error {
	if st := s.findIMS(id); st != nil {
		return s.writeIMSImage(st, id, changes)
	}
	st := s.find(id)
	if st == nil {
		return fmt.Errorf("writing image %s: it does not exist", id)
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	next := st.images[id].clone()
	next.properties = maps.Clone(next.properties)
	next.updated = s.clock.now()
	for name, value := range changes {
		if err := next.write(name, value); err != nil {
			return fmt.Errorf("writing %s of image %s: %w", name, id, err)
		}
	}
	st.images[id] = next
	return nil
}

// DeleteImage deletes an image past all checks; a missing one is left missing.
func (s *Simulator) DeleteImage(id string) {
	if st := s.findIMS(id); st != nil {
		st.mu.Lock()
		defer st.mu.Unlock()
		delete(st.images, id)
		return
	}
	st := s.find(id)
	if st == nil {
		return
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	delete(st.images, id)
	st.deleted[id] = true
}

// derivedAttributes are parts of a document that are not stored as such.
var derivedAttributes = nameSet("id", "self", "file", "schema", "stores", "size", "virtual_size")

// write sets one attribute or property of a record that is not stored yet.
func (r *imageRecord) write(name string, value any) error {
	texts := map[string]*string{"status": &r.status, "visibility": &r.visibility}
	optional := map[string]**string{"name": &r.name, "owner": &r.owner, "disk_format": &r.diskFormat,
		"container_format": &r.containerFormat, "checksum": &r.checksum, "os_hash_algo": &r.hashAlgorithm, "os_hash_value": &r.hashValue}
	flags := map[string]*bool{"protected": &r.protected, "os_hidden": &r.hidden}
	numbers := map[string]*int64{"min_disk": &r.minDisk, "min_ram": &r.minRAM}
	times := map[string]*time.Time{"created_at": &r.created, "updated_at": &r.updated}
	switch {
	case derivedAttributes[name]:
		return errors.New("it follows from other attributes")
	case texts[name] != nil:
		return assign(texts[name], value)
	case optional[name] != nil:
		return assignOptional(optional[name], value)
	case flags[name] != nil:
		return assign(flags[name], value)
	case numbers[name] != nil:
		return assignNumber(numbers[name], value)
	case times[name] != nil:
		return assign(times[name], value)
	case name == "tags":
		tags, err := stringList(value)
		r.tags = unique(tags)
		return err
	}
	if _, absent := value.(Absent); absent {
		delete(r.properties, name)
		return nil
	}
	var property *string
	if err := assignOptional(&property, value); err != nil {
		return err
	}
	r.properties[name] = property
	return nil
}

func assign[T any](to *T, value any) error {
	v, ok := value.(T)
	if !ok {
		return fmt.Errorf("%T where %T is needed", value, *to)
	}
	*to = v
	return nil
}

func assignOptional(to **string, value any) error {
	if value == nil {
		*to = nil
		return nil
	}
	var text string
	if err := assign(&text, value); err != nil {
		return err
	}
	*to = &text
	return nil
}

func assignNumber(to *int64, value any) error {
	n, ok := new(big.Int).SetString(fmt.Sprint(value), 10)
	if !ok || !n.IsInt64() {
		return fmt.Errorf("%v where an integer is needed", value)
	}
	*to = n.Int64()
	return nil
}

func stringList(value any) ([]string, error) {
	if list, ok := value.([]string); ok {
		return list, nil
	}
	list, ok := value.([]any)
	if !ok {
		return nil, fmt.Errorf("%T where a list of strings is needed", value)
	}
	var out []string
	for _, e := range list {
		text, ok := e.(string)
		if !ok {
			return nil, fmt.Errorf("%T where a list of strings is needed", e)
		}
		out = append(out, text)
	}
	return out, nil
}
