package image_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/imageops/terraform-provider-imageops/internal/imageservice/attribute"
	"github.com/imageops/terraform-provider-imageops/internal/simulator"
)

// shownAttribute is an attribute of a vendor's page as a service sends it, and as
// the data sources have to show it.
type shownAttribute struct {
	key  string
	sent any
	path string // "" when no service sends it
	want any
}

const (
	shownImage  = "0f5d2b7e-6a41-4c09-9b3d-7e1c5a8f4d20"
	shownParent = "7c9e6b1a-2d3f-4b58-8a6c-1f0e9d4c7b32"
	shownOwner  = "0b7c3d5e9f1a4c2d8e6b0a1f3d5c7e9b"
	shownTime   = "2026-03-04T05:06:07Z"
)

// sentNowhere stands for what is on a page and never in a document.
type sentNowhere struct{}

// shownAttributes are those of the two pages.
var shownAttributes = []shownAttribute{
	{"file", nil, "file", "/v2/images/" + shownImage + "/file"},
	{"owner", shownOwner, "owner", shownOwner},
	{"id", nil, "id", shownImage},
	{"size", 2, "size", 2},
	{"self", nil, "self", "/v2/images/" + shownImage},
	{"schema", nil, "schema", "/v2/schemas/image"},
	{"status", "active", "status", "active"},
	{"tags", []string{"env=prod", "linux"}, "tags", []any{"env=prod", "linux"}},
	{"visibility", "private", "visibility", "private"},
	{"name", "golden", "name", "golden"},
	{"checksum", "5d41402abc4b2a76b9719d911017c592", "checksum", "5d41402abc4b2a76b9719d911017c592"},
	{"deleted", sentNowhere{}, "", nil},
	{"protected", true, "protected", true},
	{"container_format", "bare", "container_format", "bare"},
	{"min_ram", 2048, "min_ram", 2048},
	{"max_ram", "65536", "ims.max_ram", 65536},
	{"update_at", sentNowhere{}, "", nil},
	{"updated_at", shownTime, "updated_at", shownTime},
	{"__os_bit", "64", "ims.os_bit", "64"},
	{"__os_version", "Ubuntu 24.04 server 64bit", "ims.os_version", "Ubuntu 24.04 server 64bit"},
	{"__description", "of main", "ims.description", "of main"},
	{"disk_format", "zvhd2", "disk_format", "zvhd2"},
	{"__isregistered", "true", "ims.isregistered", true},
	{"__platform", "Ubuntu", "ims.platform", "Ubuntu"},
	{"__os_type", "Linux", "ims.os_type", "Linux"},
	{"__system__cmkid", shownParent, "ims.system__cmkid", shownParent},
	{"min_disk", 40, "min_disk", 40},
	{"virtual_env_type", "FusionCompute", "ims.virtual_env_type", "FusionCompute"},
	{"__image_source_type", "uds", "ims.image_source_type", "uds"},
	{"__imagetype", "private", "ims.imagetype", "private"},
	{"__whole_image", true, "ims.whole_image", true},
	{"create_at", sentNowhere{}, "", nil},
	{"created_at", shownTime, "created_at", shownTime},
	{"virtual_size", 3, "virtual_size", 3},
	{"deleted_at", sentNowhere{}, "", nil},
	{"__originalimagename", shownParent, "ims.originalimagename", shownParent},
	{"__backup_id", "b-1", "ims.backup_id", "b-1"},
	{"__productcode", "OFFI0001", "ims.productcode", "OFFI0001"},
	{"__image_location", "192.0.2.7:images:golden", "ims.image_location", "192.0.2.7:images:golden"},
	{"__image_size", "2361393152", "ims.image_size", 2361393152},
	{"__data_origin", "file,images:golden.vhd", "ims.data_origin", "file,images:golden.vhd"},
	{"__root_origin", "file", "ims.root_origin", "file"},
	{"__lazyloading", "True", "ims.lazyloading", true},
	{"active_at", shownTime, "ims.active_at", shownTime},
	{"__os_feature_list", `["onekey_resource_monitor"]`, "ims.os_feature_list", `["onekey_resource_monitor"]`},
	{"__account_code", "charge-1", "ims.account_code", "charge-1"},
	{"__sequence_num", "0", "ims.sequence_num", "0"},
	{"hw_firmware_type", "uefi", "hw_firmware_type", "uefi"},
	{"hw_vif_multiqueue_enabled", "true", "hw_vif_multiqueue_enabled", true},
	{"__support_kvm", "true", "ims.support_kvm", true},
	{"__support_xen", "true", "ims.support_xen", true},
	{"__support_largememory", "true", "ims.support_largememory", true},
	{"__support_diskintensive", "true", "ims.support_diskintensive", true},
	{"__support_highperformance", "true", "ims.support_highperformance", true},
	{"__support_xen_gpu_type", "M60_vGPU", "ims.support_xen_gpu_type", "M60_vGPU"},
	{"__support_kvm_gpu_type", "P2V_V100", "ims.support_kvm_gpu_type", "P2V_V100"},
	{"__support_xen_hana", "true", "ims.support_xen_hana", true},
	{"__support_kvm_infiniband", "true", "ims.support_kvm_infiniband", true},
	{"enterprise_project_id", enterpriseOne, "ims.enterprise_project_id", enterpriseOne},
	{"__support_fc_inject", "false", "ims.support_fc_inject", false},
	{"__is_config_init", "true", "ims.is_config_init", true},
	{"__support_amd", "false", "ims.support_amd", false},
	{"__support_agent_list", "hss,ces", "ims.support_agent_list", []any{"ces", "hss"}},
}

// TestIMSDataSourcesShowEveryAttribute sends everything that the pages name at
// once, and without any.
func TestIMSDataSourcesShowEveryAttribute(t *testing.T) {
	t.Parallel()
	for _, service := range imsServices[:6] {
		if service.format == "v2.0" {
			continue // A form of patches.
		}
		t.Run(service.String(), func(t *testing.T) {
			t.Parallel()
			w := newIMSWorld(t, service, nil)
			w.sim.CreateImage(simulator.Image{ID: shownImage, Name: "golden"})
			project := w.document(t, shownImage)["owner"].(string)
			bare := w.sim.CreateImage(simulator.Image{Name: "bare"})
			changes := object{}
			for _, a := range shownAttributes {
				if _, nowhere := a.sent.(sentNowhere); nowhere || a.sent == nil {
					continue
				}
				changes[a.key] = a.sent
				if a.key == "created_at" || a.key == "updated_at" {
					changes[a.key] = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
				}
				if strings.HasPrefix(a.path, "ims.") || strings.HasPrefix(a.path, "hw_") {
					w.write(t, bare, a.key, nil)
				}
			}
			changes["owner"] = project
			if err := w.sim.WriteImage(shownImage, changes); err != nil {
				t.Fatal(err)
			}
			p := configured(t, w.provider(nil))
			for name, image := range both(t, p, shownImage) {
				for _, a := range shownAttributes {
					switch a.path {
					case "":
					case "owner":
						holds(t, name, image, a.path, project)
					default:
						holds(t, name, image, a.path, a.want)
					}
				}
				properties := textsOf(t, image, "properties")
				for _, want := range []string{"max_ram=65536", "__whole_image=true", "__lazyloading=True", "__support_agent_list=hss,ces", "hw_firmware_type=uefi", "active_at=" + shownTime} {
					if !slices.Contains(properties, want) {
						t.Errorf("%s: properties lack %s: %q", name, want, properties)
					}
				}
			}
			for name, image := range both(t, p, bare) {
				for _, a := range shownAttributes {
					if strings.HasPrefix(a.path, "ims.") || strings.HasPrefix(a.path, "hw_") {
						holds(t, name+" of a bare image", image, a.path, nil)
					}
				}
			}
		})
	}
}

// TestIMSDataSourcesShowNullsAndNumbersInOtherForms sends values in the forms
// that the examples of the vendors' pages have beside the usual ones.
func TestIMSDataSourcesShowNullsAndNumbersInOtherForms(t *testing.T) {
	t.Parallel()
	w := newIMSWorld(t, imsServices[0], nil)
	id := w.create(t, object{"__data_origin": "x", "max_ram": 4096, "__image_size": 7, "__whole_image": "true", "__support_kvm": "maybe", "__support_agent_list": "", "__os_bit": 64})
	if err := w.sim.WriteImage(id, object{"__data_origin": nil}); err != nil {
		t.Fatal(err)
	}
	for name, image := range both(t, configured(t, w.provider(nil)), id) {
		for path, want := range map[string]any{
			"ims.data_origin": nil, "ims.max_ram": 4096, "ims.image_size": 7, "ims.whole_image": true, "ims.support_kvm": nil, "ims.support_agent_list": []any{}, "ims.os_bit": "64",
		} {
			holds(t, name, image, path, want)
		}
	}
}

// both reads an image through both data sources.
func both(t *testing.T, p *protocol, id string) map[string]tftypes.Value {
	t.Helper()
	list, diags := p.dataSource("imageops_images", object{})
	quiet(t, diags)
	var images []tftypes.Value
	if err := memberOf(t, list, "images").As(&images); err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(images, func(image tftypes.Value) bool { return textOf(t, image, "id") == id })
	if at < 0 {
		t.Fatalf("imageops_images does not list %s", id)
	}
	return map[string]tftypes.Value{"imageops_image": p.shown(id), "imageops_images": images[at]}
}

// pagesVariable names the folder that has the texts of the vendors' two pages in
// its folder "seeds".
const pagesVariable = "IMAGEOPS_SHARED"

var (
	pageName = regexp.MustCompile(`^[a-z_][a-z0-9_]*$`)
	pageType = regexp.MustCompile(`^(String|Long|Boolean|Integer|Array of strings)$`)
)

// pageAttributes reads the names of attributes out of the text of a page: a name,
// and the next line with a text is its type. What comes before from is skipped.
func pageAttributes(t *testing.T, pattern, from string) []string {
	t.Helper()
	root := os.Getenv(pagesVariable)
	if root == "" {
		root = filepath.Join("..", "..", "..", "..", "shared")
	}
	files, err := filepath.Glob(filepath.Join(root, "seeds", pattern))
	if err != nil || len(files) == 0 {
		t.Skipf("the vendors' pages are not here: %s names no folder with seeds/%s", pagesVariable, pattern)
	}
	text, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(text), from)
	if !found {
		t.Fatalf("%s has no %q", files[0], from)
	}
	var names []string
	before := ""
	for line := range strings.Lines(table) {
		line = strings.TrimSpace(line)
		if line == "" || line == "|" {
			continue
		}
		if pageType.MatchString(line) && pageName.MatchString(before) {
			names = append(names, before)
		}
		before = line
	}
	return names
}

func TestIMSPagesNameNothingThatIsMissing(t *testing.T) {
	t.Parallel()
	attributes := pageAttributes(t, "002_*", "Image Attributes")
	update := pageAttributes(t, "003_*", "Response parameters")
	if len(attributes) != 47 || len(update) != 57 {
		t.Errorf("the pages have %d and %d attributes, want 47 and 57:\n%q\n%q", len(attributes), len(update), attributes, update)
	}
	all := slices.Compact(slices.Sorted(slices.Values(append(attributes, update...))))
	if len(all) != 63 {
		t.Errorf("the pages have %d attributes, want 63", len(all))
	}
	p := newProtocol(t)
	data := p.schema.DataSourceSchemas["imageops_image"].ValueType().(tftypes.Object)
	shown := map[string]shownAttribute{}
	for _, a := range shownAttributes {
		shown[a.key] = a
	}
	for _, key := range all {
		at := slices.IndexFunc(attribute.Table, func(a attribute.Attribute) bool { return a.Key == key })
		if at < 0 {
			t.Errorf("the table lacks %s", key)
			continue
		}
		a, tested := shown[key]
		if !tested {
			t.Errorf("no test shows %s", key)
			continue
		}
		delete(shown, key)
		_, nowhere := a.sent.(sentNowhere)
		if never := attribute.Table[at].Section == attribute.Never; never != nowhere {
			t.Errorf("%s: the table says never sent %t, the test %t", key, never, nowhere)
		}
		if nowhere {
			continue
		}
		name, nested := strings.CutPrefix(a.path, "ims.")
		members := data.AttributeTypes
		if nested {
			members = data.AttributeTypes["ims"].(tftypes.Object).AttributeTypes
		}
		if members[name] == nil {
			t.Errorf("the data sources have no %s", a.path)
		}
	}
	for key := range shown {
		t.Errorf("%s is on none of the pages", key)
	}
}
