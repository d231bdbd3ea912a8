package image_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"

	"github.com/imageops/terraform-provider-imageops/internal/acceptance"
	"github.com/imageops/terraform-provider-imageops/internal/acceptance/rules"
)

// The names that Glance 25.1 does not take as a property, by what happens to a
// patch of each: it answers 200 and stores nothing, or 404 or 500.
var swallowedNames = strings.Fields(`
	__abstractmethods__ __class__ __delattr__ __dict__ __dir__ __doc__ __eq__ __format__ __ge__ __getattribute__
	__getstate__ __gt__ __hash__ __init__ __init_subclass__ __le__ __lt__ __module__ __ne__ __new__ __reduce__
	__reduce_ex__ __repr__ __setattr__ __sizeof__ __str__ __subclasshook__ __weakref__
	_abc_impl _format_image_send _format_import_properties _get_chunk_data_iterator
	base context deactivate delete extra_properties get_data get_payload get_super_class helper image_id member
	notifier reactivate repo send_notification set_data`)

// It answers 403: they are read-only or reserved. stores is echoed, and ignored.
var refusedNames = strings.Fields(`
	checksum created_at deleted deleted_at direct_url file id location os_glance os_glance_x os_glancex os_hash_algo
	os_hash_value owner schema self size status stores updated_at virtual_size locations container_format disk_format`)

// It stores them like any other, whatever they look like.
var storedNames = strings.Fields(`
	None __os_bit _container_format
	_disk_format _min_disk _min_ram _status _tags _upload_to_store _verify_signature _verify_uploaded_data _visibility
	active_at added_new_properties architecture args db_api get hidden image image_repo instance_uuid is_public items
	keys kwargs metadata orig_props os_distro policy pop properties property_rules store_api store_utils update
	valid_state_targets values hw_firmware_type hw_vif_multiqueue_enabled OS_GLANCE Name TAGS`)

// badInput is a configuration beside image_id, and the one error that it is.
type badInput struct {
	config object
	at     string
	texts  []string
}

// badInputs returns everything that can be known to be wrong without a server.
func badInputs() map[string]badInput {
	long := strings.Repeat("ä", 256)
	cases := map[string]badInput{
		"an id that is a name": {object{"image_id": "ubuntu-24.04", "name": "n"}, "image_id", []string{`"ubuntu-24.04"`, "UUID", "openstack image list"}},
		"an empty id":          {object{"image_id": "", "name": "n"}, "image_id", []string{"UUID"}},
		"an id with blanks":    {object{"image_id": thisMonth + " ", "name": "n"}, "image_id", []string{"UUID"}},
		"an id without dashes": {object{"image_id": strings.ReplaceAll(thisMonth, "-", ""), "name": "n"}, "image_id", []string{"UUID"}},

		"nothing":             {object{}, "", []string{"names no attribute", "properties", "tags", "min_ram"}},
		"nothing but setting": {object{"on_destroy": "keep"}, "", []string{"names no attribute"}},
		"empty containers":    {object{"properties": object{}, "sensitive_properties": object{}, "tags": []any{}}, "", []string{"names no attribute"}},

		"name as a property":      {object{"properties": object{"name": "n"}}, `properties["name"]`, []string{"argument of its own", "name = "}},
		"tags as a property":      {object{"properties": object{"tags": "n"}}, `properties["tags"]`, []string{"argument of its own", "tags = ["}},
		"min_ram as a property":   {object{"properties": object{"min_ram": "1"}}, `properties["min_ram"]`, []string{"argument of its own", "min_ram = "}},
		"min_disk as a property":  {object{"properties": object{"min_disk": "1"}}, `properties["min_disk"]`, []string{"argument of its own", "min_disk = "}},
		"os_hidden as a property": {object{"properties": object{"os_hidden": "true"}}, `properties["os_hidden"]`, []string{"argument of its own", "hidden = "}},
		"protected as a property": {object{"properties": object{"protected": "true"}}, `properties["protected"]`, []string{"argument of its own", "protected = "}},
		"visibility as a property": {object{"properties": object{"visibility": "private"}}, `properties["visibility"]`,
			[]string{"argument of its own", "visibility = "}},
		"name as a property that must not exist": {object{"properties": object{"name": nil}}, `properties["name"]`, []string{"argument of its own"}},
		"name as a sensitive property":           {object{"sensitive_properties": object{"name": "n"}}, `sensitive_properties["name"]`, []string{"argument of its own"}},
		"name as a property and as an attribute": {object{"name": "a", "properties": object{"name": "b"}}, `properties["name"]`, []string{"argument of its own"}},

		"an empty key":                        {object{"properties": object{"": "v"}}, `properties[""]`, []string{"empty", "choose another name"}},
		"a key with a blank at its end":       {object{"properties": object{"key ": "v"}}, `properties["key "]`, []string{`"key "`, "blanks", "choose another name"}},
		"a key with a newline in front":       {object{"properties": object{"\nkey": "v"}}, `properties["\nkey"]`, []string{"blanks"}},
		"a key with a no-break space":         {object{"properties": object{"key\u00a0": "v"}}, `properties["key` + "\\u00a0" + `"]`, []string{"blanks"}},
		"a key with an emoji":                 {object{"properties": object{"key😀": "v"}}, `properties["key😀"]`, []string{"four-byte", "U+1F600", "leave it out"}},
		"a key of 256 characters":             {object{"properties": object{long: "v"}}, `properties["` + long + `"]`, []string{"256 characters", "at most 255"}},
		"a value with an emoji":               {object{"properties": object{"key": "v😀"}}, `properties["key"]`, []string{`"key"`, "four-byte", "leave it out"}},
		"a name with an emoji":                {object{"name": "golden 😀"}, "name", []string{"four-byte", "leave it out"}},
		"a name of 256 characters":            {object{"name": long}, "name", []string{"256 characters", "at most 255"}},
		"a tag with an emoji":                 {object{"tags": []any{"golden😀"}}, "tags", []string{"golden😀", "four-byte", "leave it out"}},
		"a tag of 256 characters":             {object{"tags": []any{long}}, "tags", []string{"256 characters", "at most 255"}},
		"a null tag":                          {object{"tags": []any{"golden", nil}}, "tags", []string{"cannot be null", "Leave the element out"}},
		"tags_exclusive without tags":         {object{"tags_exclusive": true}, "tags_exclusive", []string{"tags must be given", "tags = []"}},
		"tags_exclusive beside a name":        {object{"tags_exclusive": true, "name": "n"}, "tags_exclusive", []string{"tags must be given"}},
		"a negative min_ram":                  {object{"min_ram": -1}, "min_ram", []string{"between 0 and 2147483647", "-1"}},
		"a min_ram beyond the column":         {object{"min_ram": 1 << 31}, "min_ram", []string{"between 0 and 2147483647"}},
		"a negative min_disk":                 {object{"min_disk": -1}, "min_disk", []string{"between 0 and 2147483647"}},
		"a min_disk beyond the column":        {object{"min_disk": 1 << 31}, "min_disk", []string{"between 0 and 2147483647"}},
		"an unknown visibility":               {object{"visibility": "secret"}, "visibility", []string{`"private"`, `"shared"`, `"community"`, `"public"`, `"secret"`}},
		"a visibility in capitals":            {object{"visibility": "PRIVATE"}, "visibility", []string{`"private"`}},
		"an unknown firmware":                 {object{"hw_firmware_type": "efi"}, "hw_firmware_type", []string{`"bios"`, `"uefi"`, `"efi"`}},
		"an unknown on_destroy":               {object{"name": "n", "on_destroy": "delete"}, "on_destroy", []string{`"restore"`, `"remove"`, `"keep"`}},
		"an unknown on_conflict":              {object{"name": "n", "on_conflict": "ignore"}, "on_conflict", []string{`"fail"`, `"overwrite"`}},
		"a timeout that is no duration":       {object{"name": "n", "timeouts": object{"create": "soon"}}, "timeouts.create", []string{`"soon"`}},
		"a timeout without a unit":            {object{"name": "n", "timeouts": object{"delete": "30"}}, "timeouts.delete", []string{`"30"`}},
		"a key in both maps":                  {object{"properties": object{"a": "1"}, "sensitive_properties": object{"a": "2"}}, `sensitive_properties["a"]`, []string{`"a"`, "both", "Keep one"}},
		"a key in both maps that is null":     {object{"properties": object{"a": nil}, "sensitive_properties": object{"a": nil}}, `sensitive_properties["a"]`, []string{"both"}},
		"a key in both maps of unknown value": {object{"properties": object{"a": "1"}, "sensitive_properties": object{"a": rules.Unknown}}, `sensitive_properties["a"]`, []string{"both"}},
		"hw_firmware_type, unknown, in two places": {object{"hw_firmware_type": rules.Unknown, "properties": object{"hw_firmware_type": "uefi"}}, `properties["hw_firmware_type"]`,
			[]string{"both", "Keep one"}},
		"hw_firmware_type in two places": {object{"hw_firmware_type": "uefi", "properties": object{"hw_firmware_type": "uefi"}}, `properties["hw_firmware_type"]`,
			[]string{"hw_firmware_type", "both", "Keep one"}},
		"hw_vif_multiqueue_enabled in two places": {object{"hw_vif_multiqueue_enabled": true, "sensitive_properties": object{"hw_vif_multiqueue_enabled": "true"}},
			`sensitive_properties["hw_vif_multiqueue_enabled"]`, []string{"both", "Keep one"}},
	}
	for _, name := range swallowedNames {
		cases["the swallowed name "+name] = badInput{object{"properties": object{name: "v"}}, fmt.Sprintf("properties[%q]", name),
			[]string{fmt.Sprintf("%q cannot be set", name), "choose another"}}
	}
	for _, name := range refusedNames {
		cases["the refused name "+name] = badInput{object{"properties": object{name: "v"}}, fmt.Sprintf("properties[%q]", name),
			[]string{fmt.Sprintf("%q cannot be set", name)}}
	}
	return cases
}

func TestBadInputIsOneErrorWithoutAServer(t *testing.T) {
	t.Parallel()
	p := newProtocol(t)
	for name, c := range badInputs() {
		t.Run(name, func(t *testing.T) {
			config := object{"image_id": thisMonth}
			for name, value := range c.config {
				config[name] = value
			}
			soleError(t, p.validate(config), c.at, c.texts...)
		})
	}
}

func TestASensitiveValueIsNotShownByTheErrorAboutIt(t *testing.T) {
	t.Parallel()
	diags := newProtocol(t).validate(object{"image_id": thisMonth, "sensitive_properties": object{"licence": "hunter2 😀"}})
	soleError(t, diags, `sensitive_properties["licence"]`, `"licence"`, "four bytes")
	if text := rules.Printed(diags); strings.Contains(text, "hunter2") || strings.Contains(text, "😀") {
		t.Errorf("the error shows the value:%s", text)
	}
}

func TestGoodInputIsTaken(t *testing.T) {
	t.Parallel()
	p := newProtocol(t)
	properties := object{"": nil}
	delete(properties, "")
	for _, name := range storedNames {
		properties[name] = "v"
	}
	for name, config := range map[string]object{
		"names that the service stores":   {"properties": properties},
		"odd keys":                        {"properties": object{"a/b": "1", "a~b": "2", "a b": "3", `a"b`: "4", "a\nb": "5", "ключ": "6", "${x}": "7", strings.Repeat("ä", 255): "8"}},
		"odd values":                      {"properties": object{"empty": "", "blanks": "  ", "lines": "a\nb", "text": "schön", "absent": nil}},
		"the ends of ranges":              {"min_ram": 1<<31 - 1, "min_disk": 0, "name": strings.Repeat("ä", 255), "tags": []any{strings.Repeat("ä", 255), "", " x "}},
		"an empty exclusive set":          {"tags": []any{}, "tags_exclusive": true},
		"an id in capitals":               {"image_id": strings.ToUpper("abcdef12-2222-4333-8444-555555555501"), "name": "n"},
		"only a key that must not exist":  {"properties": object{"gone": nil}},
		"only a sensitive property":       {"sensitive_properties": object{"licence": "x"}},
		"a typed attribute as a property": {"properties": object{"hw_firmware_type": "uefi", "hw_vif_multiqueue_enabled": "true"}},
	} {
		t.Run(name, func(t *testing.T) {
			all := object{"image_id": thisMonth}
			for name, value := range config {
				all[name] = value
			}
			quiet(t, p.validate(all))
		})
	}
}

func TestBadProviderArgumentsAreOneErrorWithoutAServer(t *testing.T) {
	t.Parallel()
	p := newProtocol(t)
	for name, c := range map[string]badInput{
		"a flavor that does not exist":  {object{"image_service": object{"flavor": "aws"}}, "image_service.flavor", []string{`"openstack"`, `"aws"`}},
		"an unknown patch_format":       {object{"image_service": object{"patch_format": "v3"}}, "image_service.patch_format", []string{`"v2.1"`, `"v2.0"`}},
		"an unknown interface":          {object{"image_service": object{"interface": "private"}}, "image_service.interface", []string{`"public"`, `"internal"`, `"admin"`}},
		"verify_after without a unit":   {object{"image_service": object{"verify_after": "400"}}, "image_service.verify_after", []string{`"400"`, "400ms"}},
		"a negative verify_after":       {object{"image_service": object{"verify_after": "-1s"}}, "image_service.verify_after", []string{`"-1s"`}},
		"a request_timeout that is not": {object{"request_timeout": "a minute"}, "request_timeout", []string{`"a minute"`, "30s"}},
		"a request_timeout of nothing":  {object{"request_timeout": "0s"}, "request_timeout", []string{"above zero"}},
		"a negative max_retries":        {object{"max_retries": -1}, "max_retries", []string{"between 0 and 100"}},
	} {
		t.Run(name, func(t *testing.T) {
			answer, err := p.server.ValidateProviderConfig(t.Context(), &tfprotov6.ValidateProviderConfigRequest{
				Config: rules.Encoded(p.schema.Provider.ValueType(), c.config),
			})
			if err != nil {
				t.Fatal(err)
			}
			soleError(t, answer.Diagnostics, c.at, c.texts...)
		})
	}
}

// counted is a server that counts what reaches it and answers nothing useful.
func counted(t *testing.T) (url string, requests *atomic.Int64) {
	t.Helper()
	requests = &atomic.Int64{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		requests.Add(1)
		w.WriteHeader(http.StatusTeapot)
	}))
	t.Cleanup(server.Close)
	return server.URL, requests
}

// errorsOf counts the errors that terraform has printed.
func errorsOf(r acceptance.Result) int {
	return len(regexp.MustCompile(`Error: `).FindAllString(r.Text(), -1))
}

// oneError fails the test unless the command failed with one error, whose text
// contains texts and which points at the line that begins with line; "" for an
// error without a line of its own.
func oneError(t *testing.T, r acceptance.Result, line string, texts ...string) {
	t.Helper()
	r.MustFail(t, texts...)
	if n := errorsOf(r); n != 1 {
		t.Errorf("%d errors, want one:\n%s%s", n, r.Stdout, r.Stderr)
	}
	if line != "" && !regexp.MustCompile(`on \w+\.tf line \d+[^:]*: \d+: `+regexp.QuoteMeta(line)).MatchString(r.Text()) {
		t.Errorf("the error does not point at %q:\n%s%s", line, r.Stdout, r.Stderr)
	}
}

func TestAccValidateNeedsNoNetwork(t *testing.T) {
	t.Parallel()
	url, requests := counted(t)
	w := acceptance.NewWorkspace(t, acceptance.Options{})
	s := &site{}
	s.provider(w, fmt.Sprintf("auth_url = %q", url), fmt.Sprintf("endpoint = %q", url), `username = "demo"`, `password = "secret"`, `project_name = "demo"`)
	metadata(w, thisMonth, `  properties = { os_distro = "ubuntu" }`)
	w.Run("validate", "-no-color").MustSucceed(t)
	metadata(w, "ubuntu-24.04", `  name = "n"`)
	oneError(t, w.Run("validate", "-no-color"), "image_id", "not the ID of an image", "openstack image list")
	metadata(w, thisMonth, `  properties = {
    os_distro   = "ubuntu"
    os_glance_x = "v"
  }`)
	oneError(t, w.Run("validate", "-no-color"), "os_glance_x", `"os_glance_x" cannot be set`)
	if n := requests.Load(); n != 0 {
		t.Errorf("validate sent %d requests", n)
	}
}

func TestAccMissingSection(t *testing.T) {
	t.Parallel()
	w := acceptance.NewWorkspace(t, acceptance.Options{})
	w.Write("provider.tf", `terraform {
  required_providers {
    imageops = { source = "imageops/imageops" }
  }
}
`)
	metadata(w, thisMonth, `  name = "n"`)
	oneError(t, w.Plan(), "", "image_service", "OS_CLOUD", "OS_AUTH_URL", "OS_USERNAME", "OS_PASSWORD", "OS_PROJECT_NAME", "OS_APPLICATION_CREDENTIAL_ID")
}

// signIn returns the arguments of a provider inside the test process: user in
// region, with the image service behind the proxy.
func (s *site) signIn(user, region string) object {
	account := s.cloud.Users[user]
	// A busy Keystone of the tests may drop a connection; one repeat is enough.
	return object{"max_retries": 1, "image_service": object{
		"auth_url": s.cloud.AuthURL, "username": account.Name, "password": account.Password, "user_domain_name": account.DomainName,
		"project_name": account.Project, "project_domain_name": account.DomainName, "region": region,
		"endpoint": s.proxy.URL(), "verify_after": "50ms",
	}}
}

// with returns the arguments with some of the section changed; nil takes one out.
func with(arguments object, changes object) object {
	section := object{}
	for name, value := range arguments["image_service"].(object) {
		section[name] = value
	}
	for name, value := range changes {
		section[name] = value
	}
	all := object{"image_service": section}
	for name, value := range arguments {
		if name != "image_service" {
			all[name] = value
		}
	}
	return all
}

func TestAccImageNotFound(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		absent := "00000000-0000-4000-8000-000000000000"
		w := s.workspace(t)
		metadata(w, absent, `  properties = { os_distro = "ubuntu" }`)
		demo := s.cloud.Users[acceptance.UserDemo]
		oneError(t, w.Plan(), "image_id", "Image not found", absent, "deleted", demo.Project, demo.ProjectID, "private to another project", acceptance.RegionOne)

		// An image of another project is as invisible as one that is gone.
		foreign := s.cloud.Images(t, acceptance.UserOther, acceptance.RegionOne).Create(nil)
		_, diags := configured(t, s.signIn(acceptance.UserDemo, acceptance.RegionOne)).plan(instance{}, object{"image_id": foreign, "name": "n"})
		soleError(t, diags, "image_id", "Image not found", foreign, "another project", demo.ProjectID)
		if writes := s.proxy.Writes(); len(writes) != 0 {
			t.Errorf("sent %v", writes)
		}
	})
}

func TestAccQuotas(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		full := acceptance.Attributes{}
		var tags []string
		for i := range 127 {
			full[fmt.Sprintf("foreign_%03d", i)] = "theirs"
			tags = append(tags, fmt.Sprintf("foreign-%03d", i))
		}
		t.Run("properties", func(t *testing.T) {
			t.Parallel()
			id := s.images.Create(full)
			before := s.metadataOf(id)
			w := s.workspace(t)
			metadata(w, id, `  min_ram    = 512
  properties = { a = "1", b = "2" }`)
			w.PlanSaved("over.plan").MustSucceed(t).MustContain(t, "Warning: ", "129 custom properties", "quota is 128", "nothing written")
			oneError(t, w.ApplySaved("over.plan"), "", id, "413", "Attempted: 129, Maximum: 128", "Remove some, or ask for a larger quota")
			equalJSON(t, "the image after the refusal", s.metadataOf(id), before)
			if found := w.State().Resources[this]; found != nil {
				t.Errorf("a create that wrote nothing left %v in state", found)
			}
			metadata(w, id, `  min_ram    = 512
  properties = { a = "1" }`)
			r := w.Apply().MustSucceed(t)
			if strings.Contains(r.Text(), "quota") {
				t.Errorf("a warning at the quota, which is not over it:\n%s", r.Stdout)
			}
			s.expect(t, id, map[string]any{"a": "1", "min_ram": 512, "foreign_126": "theirs"})
		})
		t.Run("tags", func(t *testing.T) {
			t.Parallel()
			id := s.images.Create(acceptance.Attributes{"tags": tags})
			before := s.metadataOf(id)
			p := configured(t, s.signIn(acceptance.UserDemo, acceptance.RegionOne))
			config := object{"image_id": id, "tags": []any{"a", "b"}, "properties": object{"os_distro": "ubuntu"}}
			planned, diags := p.plan(instance{}, config)
			sole(t, diags, tfprotov6.DiagnosticSeverityWarning, "tags", "129 tags", "quota is 128")
			after, diags := p.apply(planned)
			soleError(t, diags, "tags", id, "413", "Attempted: 129, Maximum: 128", "larger quota")
			equalJSON(t, "the image after the refusal", s.metadataOf(id), before)
			if after.exists() {
				t.Errorf("a create that wrote nothing left a state: %s", after.state)
			}
		})
	})
}

func TestAccVisibilityThatNeedsRights(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		id := s.images.Create(acceptance.Attributes{"os_distro": "debian"})
		before := s.metadataOf(id)
		w := s.workspace(t)
		metadata(w, id, `  visibility = "public"
  properties = { os_distro = "ubuntu" }
  tags       = ["golden"]`)
		oneError(t, w.Apply(), "visibility", id, "403", "publicize_image", "not allowed", "role")
		equalJSON(t, "the image after the refusal", s.metadataOf(id), before)
		if found := w.State().Resources[this]; found != nil {
			t.Errorf("a create that wrote nothing left %v in state", found)
		}

		// The same as an update: what was there stays, on the image and in state.
		metadata(w, id, `  properties = { os_distro = "ubuntu" }`)
		w.Apply().MustSucceed(t)
		kept := w.Attributes(this)
		before = s.metadataOf(id)
		metadata(w, id, `  visibility = "public"
  properties = { os_distro = "alma" }`)
		oneError(t, w.Apply(), "visibility", id, "403", "not allowed")
		equalJSON(t, "the image after the refused update", s.metadataOf(id), before)
		got := w.Attributes(this)
		for _, name := range []string{"properties", "restore_patch", "visibility", "tags"} {
			equalJSON(t, name+" in state after the refused update", got[name], kept[name])
		}
		metadata(w, id, `  properties = { os_distro = "ubuntu" }`)
		noop(t, w)
	})
}

func TestAccAValueThatOnlyTheServerCanRefuse(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		id := s.images.Create(acceptance.Attributes{"os_distro": "debian"})
		for name, c := range map[string]struct{ key, value string }{
			"a pattern":      {"kernel_id", "vmlinuz"},
			"an enumeration": {"cinder_encryption_key_deletion_policy", "sometimes"},
		} {
			t.Run(name, func(t *testing.T) {
				before := s.metadataOf(id)
				p := configured(t, s.signIn(acceptance.UserDemo, acceptance.RegionOne))
				planned, diags := p.plan(instance{}, object{"image_id": id, "min_ram": 64, "properties": object{c.key: c.value, "os_distro": "ubuntu"}})
				quiet(t, diags)
				after, diags := p.apply(planned)
				soleError(t, diags, fmt.Sprintf("properties[%q]", c.key), id, "400", c.value)
				equalJSON(t, "the image after the refusal", s.metadataOf(id), before)
				if after.exists() {
					t.Errorf("a create that wrote nothing left a state: %s", after.state)
				}
			})
		}
	})
}

func TestAccSignInThatFails(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		untrusted := httptest.NewTLSServer(http.NotFoundHandler())
		t.Cleanup(untrusted.Close)
		page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = w.Write([]byte("<html><head><title>Corporate login</title></head><body>Please log in.</body></html>"))
		}))
		t.Cleanup(page.Close)
		closed := httptest.NewServer(http.NotFoundHandler())
		closed.Close()
		demo := s.signIn(acceptance.UserDemo, acceptance.RegionOne)
		demo["max_retries"] = 2
		for name, c := range map[string]struct {
			changes object
			texts   []string
		}{
			"wrong password":                {object{"password": "wrong"}, []string{`"demo"`, "password", "username", "user_domain_name", "401"}},
			"unknown user":                  {object{"username": "nobody"}, []string{`"nobody"`, "username"}},
			"unknown project":               {object{"project_name": "nowhere"}, []string{`"nowhere"`, "password", "is right", "this user can use demo"}},
			"wrong region":                  {object{"region": "RegionNine", "endpoint": nil}, []string{`"RegionNine"`, "RegionOne, RegionTwo", "check region"}},
			"no region":                     {object{"region": nil, "endpoint": nil}, []string{"RegionOne, RegionTwo", "region"}},
			"a region without images":       {object{"region": acceptance.RegionThree, "endpoint": nil}, []string{`"RegionThree"`, "RegionOne, RegionTwo"}},
			"nobody listens":                {object{"auth_url": closed.URL + "/v3"}, []string{"auth_url", "refuses connections", "check the address"}},
			"an unknown host":               {object{"auth_url": "http://keystone.invalid/v3"}, []string{"keystone.invalid", "auth_url", "check the address"}},
			"an untrusted certificate":      {object{"auth_url": untrusted.URL + "/v3"}, []string{"auth_url", "not trusted", "cacert"}},
			"a page instead of Keystone":    {object{"auth_url": page.URL + "/v3"}, []string{"auth_url", "not Keystone", "Corporate login", "HTML page"}},
			"Glance instead of Keystone":    {object{"auth_url": s.cloud.Regions[acceptance.RegionOne] + "/v3"}, []string{"no Keystone", "auth_url"}},
			"nobody listens for images":     {object{"endpoint": closed.URL}, []string{"refuses connections", "check the address"}},
			"an untrusted image service":    {object{"endpoint": untrusted.URL}, []string{"not trusted", "cacert"}},
			"Keystone instead of Glance":    {object{"endpoint": s.cloud.AuthURL}, []string{"no image service", "endpoint"}},
			"a page instead of Glance":      {object{"endpoint": page.URL}, []string{"Corporate login", "HTML page"}},
			"a token that is none":          {object{"token": "gAAAAA-not-a-token", "username": nil, "password": nil}, []string{"does not accept the token", "openstack token issue"}},
			"a wrong application secret":    {object{"username": nil, "password": nil, "application_credential_id": s.cloud.ApplicationCredential.ID, "application_credential_secret": "wrong", "project_name": nil}, []string{"application credential", "secret is wrong"}},
			"a password without a user":     {object{"username": nil}, []string{"username", "OS_USERNAME"}},
			"a user without a password":     {object{"password": nil}, []string{"password", "OS_PASSWORD"}},
			"a password and a token":        {object{"token": "t"}, []string{"token and password", "leave one out"}},
			"a v2.0 Keystone":               {object{"auth_url": "http://keystone.invalid/v2.0"}, []string{"auth_url", "/v3"}},
			"a Keystone without a scheme":   {object{"auth_url": "keystone.invalid:5000"}, []string{"auth_url", "https://keystone.example.com:5000/v3"}},
			"an endpoint without a scheme":  {object{"endpoint": "glance:9292"}, []string{"endpoint", "http://"}},
			"a CA file that does not exist": {object{"cacert": "/nonexistent/ca.pem"}, []string{"cacert", "/nonexistent/ca.pem"}},
			"a cloud that is not there":     {object{"cloud": "nowhere"}, []string{"clouds.yaml", `"nowhere"`}},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				_, diags := configured(t, with(demo, c.changes)).plan(instance{}, object{"image_id": thisMonth, "name": "n"})
				soleError(t, diags, "", c.texts...)
				account := s.cloud.Users[acceptance.UserDemo]
				if text := rules.Printed(diags); strings.Contains(text, account.Password) || strings.Contains(text, "gAAAAA") {
					t.Errorf("the error shows a credential:%s", text)
				}
			})
		}
	})
}

func TestAccAnswersThatAreNotGlances(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		id := s.images.Create(nil)
		config := object{"image_id": id, "properties": object{"os_distro": "ubuntu"}}
		html := http.Header{"Content-Type": {"text/html"}}
		json := http.Header{"Content-Type": {"application/json"}}
		for name, c := range map[string]struct {
			answer acceptance.Action
			texts  []string
		}{
			"a proxy's page with 200":   {acceptance.Respond(http.StatusOK, html, "<html><title>Corporate login</title></html>"), []string{"HTML page", "Corporate login", "proxy"}},
			"a proxy's page with 502":   {acceptance.Respond(http.StatusBadGateway, html, "<html><h1>Bad Gateway</h1></html>"), []string{"502", "HTML page", "Bad Gateway"}},
			"a proxy's page with 404":   {acceptance.Respond(http.StatusNotFound, html, "<html><title>Not here</title></html>"), []string{"404", "HTML page", "Not here", "endpoint"}},
			"a broken body with 200":    {acceptance.Respond(http.StatusOK, json, `{"id": "`+id+`", "name": `), []string{"broken JSON"}},
			"an empty body with 200":    {acceptance.Respond(http.StatusOK, json, ""), []string{"no image"}},
			"another image with 200":    {acceptance.Respond(http.StatusOK, json, `{"id": "`+thisMonth+`"}`), []string{thisMonth, "another"}},
			"500":                       {acceptance.Respond(http.StatusInternalServerError, nil, ""), []string{"500", "run it again"}},
			"503 with a request id":     {acceptance.Respond(http.StatusServiceUnavailable, http.Header{"X-Openstack-Request-Id": {"req-4711"}}, ""), []string{"503", "req-4711", "busy"}},
			"403":                       {acceptance.Respond(http.StatusForbidden, json, `{"message": "You shall not pass"}`), []string{"403", "You shall not pass", "not allowed"}},
			"a connection that is torn": {acceptance.ResetConnection(), []string{"reset the connection"}},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				own := *s
				own.proxy = acceptance.NewProxy(t, s.cloud.Regions[acceptance.RegionOne])
				once := own.signIn(acceptance.UserDemo, acceptance.RegionOne)
				once["max_retries"] = 0 // Each answer comes once.
				p := configured(t, once)
				own.proxy.Before(acceptance.Match{Method: http.MethodGet, Nth: 1}, c.answer)
				_, diags := p.plan(instance{}, config)
				soleError(t, diags, "", append(c.texts, id)...)
				if writes := own.proxy.Writes(); len(writes) != 0 {
					t.Errorf("sent %v", writes)
				}
			})
		}
	})
}

func TestAccUnknownInputs(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		id := s.images.Create(acceptance.Attributes{"os_distro": "debian", "tags": []string{"foreign"}})
		w := s.workspace(t)
		configuration := func(distro string) {
			w.Write("main.tf", fmt.Sprintf(`
resource "terraform_data" "inputs" {
  input            = { image_id = %[1]q, distro = %[2]q, tag = "golden" }
  triggers_replace = %[2]q
}
resource "imageops_image_metadata" "this" {
  image_id   = terraform_data.inputs.output.image_id
  tags       = [terraform_data.inputs.output.tag]
  properties = { os_distro = terraform_data.inputs.output.distro, os_version = "24.04" }
}
`, id, distro))
		}
		configuration("ubuntu")
		w.PlanSaved("create.plan").MustSucceed(t)
		_, isUnknown := planned(t, w, "create.plan", this)
		for _, name := range []string{"planned_patch", "planned_changes", "restore_patch", "image_id"} {
			if isUnknown[name] != true {
				t.Errorf("%s is known in the plan: %v", name, isUnknown)
			}
		}
		w.ApplySaved("create.plan").MustSucceed(t)
		s.expect(t, id, map[string]any{"os_distro": "ubuntu", "os_version": "24.04", "tags": []string{"foreign", "golden"}})
		if got := fmt.Sprint(w.Attributes(this)["planned_changes"]); !strings.Contains(got, `replace /os_distro "debian" -> "ubuntu"`) {
			t.Errorf("planned_changes after apply is %s", got)
		}
		noop(t, w)

		// Known again only in apply: the same image, and another value.
		s.proxy.Reset()
		configuration("alma")
		w.Apply().MustSucceed(t)
		if patches := s.sent(); len(patches) != 1 {
			t.Errorf("an update sent %v", patches)
		}
		s.expect(t, id, map[string]any{"os_distro": "alma", "tags": []string{"foreign", "golden"}})
		noop(t, w)
		w.Destroy().MustSucceed(t)
		s.expect(t, id, map[string]any{"os_distro": "debian", "os_version": nil, "tags": []string{"foreign"}})
	})
}

func TestAccUnknownProviderArguments(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		id := s.images.Create(acceptance.Attributes{"os_distro": "debian"})
		w := s.workspace(t)
		configuration := func(trigger, distro string) {
			w.Write("provider.tf", fmt.Sprintf(`
terraform {
  required_providers {
    imageops = { source = "imageops/imageops" }
  }
}
resource "terraform_data" "endpoint" {
  input            = %q
  triggers_replace = %q
}
provider "imageops" {
  image_service = {
    endpoint     = terraform_data.endpoint.output
    verify_after = "50ms"
  }
}
`, s.proxy.URL(), trigger))
			metadata(w, id, fmt.Sprintf("  properties = { os_distro = %q }", distro))
		}
		configuration("1", "ubuntu")
		w.PlanSaved("create.plan").MustSucceed(t)
		if _, isUnknown := planned(t, w, "create.plan", this); isUnknown["planned_patch"] != true {
			t.Errorf("planned_patch is known without a server: %v", isUnknown)
		}
		if requests := s.proxy.Requests("", ""); len(requests) != 0 {
			t.Errorf("the plan requested %v", requests)
		}
		w.ApplySaved("create.plan").MustSucceed(t)
		s.expect(t, id, map[string]any{"os_distro": "ubuntu"})
		noop(t, w)

		configuration("2", "alma")
		r := w.Apply().MustSucceed(t)
		r.MustContain(t, "Warning: Image metadata was not read", "provider argument image_service.endpoint is not known yet", id)
		s.expect(t, id, map[string]any{"os_distro": "alma"})
		noop(t, w)
	})
}
