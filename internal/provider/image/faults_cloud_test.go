package image_test

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"

	"github.com/imageops/terraform-provider-imageops/internal/acceptance"
	"github.com/imageops/terraform-provider-imageops/internal/acceptance/rules"
	"github.com/imageops/terraform-provider-imageops/internal/simulator"
)

const (
	faultyCloudImage = "/image/v2/cloudimages"
	faultyProjects   = "/identity/v3/projects"
)

// firstCloudConfig and nextCloudConfig are what firstConfig and nextConfig are, on
// Huawei Cloud: with tags, each of which is a request of its own.
func firstCloudConfig() object {
	return object{
		"image_id": faultyImage, "hw_firmware_type": "uefi", "min_ram": 512, "tags": []any{"golden", "owner=vdi"},
		"ims":        object{"description": "golden", "max_ram": 4096, "support_kvm": false, "support_kvm_gpu_type": "V100"},
		"properties": object{"pipeline": "7", "stale": nil},
	}
}

func nextCloudConfig() object {
	return object{
		"image_id": faultyImage, "hw_firmware_type": "uefi", "tags": []any{"golden", "owner=desk"},
		"ims":        object{"description": "more golden", "support_kvm": false, "support_kvm_gpu_type": "V100", "is_config_init": true},
		"properties": object{"pipeline": "8"},
	}
}

// newCloudWorld is a faultWorld on Huawei Cloud, with signed requests.
func newCloudWorld(t *testing.T) *faultWorld {
	t.Helper()
	withoutOwnCloud()
	cloud, sim := acceptance.Simulator(t, simulator.Options{Empty: true, Flavor: simulator.FlavorHuaweiCloud})
	sim.CreateImage(simulator.Image{
		ID: faultyImage, Name: "golden", MinRAM: 256, Tags: []string{"linux"},
		Attributes: map[string]any{"hw_firmware_type": "bios", "__support_kvm": "true", "stale": "yes", "build": "7", "owner_note": "do not touch"},
	})
	key := sim.AccessKey(acceptance.UserDemo)
	return &faultWorld{t: t, sim: sim, section: object{
		"flavor": "huaweicloud", "auth_url": cloud.AuthURL, "endpoint": cloud.Regions[acceptance.RegionOne], "region": acceptance.RegionOne,
		"access_key": key.ID, "secret_key": key.Secret, "project_name": cloud.Users[acceptance.UserDemo].Project, "verify_after": "0s",
	}}
}

var cloudOperations = []faultOperation{
	{
		name: "create", finish: firstCloudConfig(),
		run: func(w *faultWorld, arguments object) ([]*tfprotov6.Diagnostic, bool) {
			return w.apply(arguments, firstCloudConfig())
		},
	},
	{
		name: "update", setUp: firstCloudConfig(), finish: nextCloudConfig(),
		run: func(w *faultWorld, arguments object) ([]*tfprotov6.Diagnostic, bool) {
			return w.apply(arguments, nextCloudConfig())
		},
	},
	{
		name: "delete", setUp: firstCloudConfig(),
		run: func(w *faultWorld, arguments object) ([]*tfprotov6.Diagnostic, bool) {
			return w.apply(arguments, nil)
		},
	},
}

// cloudFaults are the ways to fail that the vendor's gateway and service have.
var cloudFaults = []struct {
	name   string
	fault  simulator.Fault
	writes bool // only writes
}{
	{"throttled by the gateway for ever", always(simulator.Fault{Effect: simulator.EffectStatus, Code: "APIG.0308", RetryAfter: "0"}), false},
	{"throttled by the service for ever", always(simulator.Fault{Effect: simulator.EffectStatus, Code: "IMG.0060", RetryAfter: "0"}), false},
	{"refused by the gateway for ever", always(simulator.Fault{Effect: simulator.EffectStatus, Code: "APIGW.0301"}), false},
	{"not allowed", simulator.Fault{Effect: simulator.EffectStatus, Code: "IMG.0026"}, false},
	{"in conflict", simulator.Fault{Effect: simulator.EffectStatus, Code: "IMG.0035"}, true},
	{"in conflict for ever", always(simulator.Fault{Effect: simulator.EffectStatus, Code: "IMG.0035"}), true},
	{"500", statusFault(http.StatusInternalServerError), false},
	{"503 for ever", always(statusFault(http.StatusServiceUnavailable)), false},
	{"reset before the effect", simulator.Fault{Effect: simulator.EffectResetBefore}, false},
	{"reset after the effect", simulator.Fault{Effect: simulator.EffectResetAfter}, false},
	{"truncated body", simulator.Fault{Effect: simulator.EffectTruncatedBody}, false},
	{"malformed JSON", simulator.Fault{Effect: simulator.EffectMalformedBody}, false},
	{"an HTML page with 200", simulator.Fault{Effect: simulator.EffectHTMLPage, Status: http.StatusOK}, false},
	{"a silent drop", simulator.Fault{Effect: simulator.EffectSilentDrop}, true},
	{"a lost write", simulator.Fault{Effect: simulator.EffectLostWrite}, true},
}

// TestEveryRequestToHuaweiCloudFailed fails each request of a create, an update
// and a delete, the writes of single tags among them, and plays Terraform on to
// the end: whatever the command says, nothing is forgotten, the next apply
// completes it, and a destruction leaves the image as it was at first.
func TestEveryRequestToHuaweiCloudFailed(t *testing.T) {
	t.Parallel()
	references := map[string]*faultReference{}
	for i := range cloudOperations {
		o := &cloudOperations[i]
		references[o.name] = referenceIn(newCloudWorld(t), o)
		o.requests = references[o.name].requests
	}
	w := newCloudWorld(t)
	tags := "POST /image/v2/" + w.sim.Describe("").Accounts[acceptance.UserDemo].ProjectID + "/images/" + faultyImage + "/tags/action"
	equalJSON(t, "the requests of a create", references["create"].requests, []string{
		"GET " + faultyProjects, "GET " + faultyCloudImage,
		"GET " + faultyProjects, "GET " + faultyCloudImage, "GET " + faultyCloudImage,
		"PATCH " + faultyCloudImage + "/" + faultyImage, tags, tags, "GET " + faultyCloudImage, "GET " + faultyCloudImage,
	})
	if t.Failed() {
		return
	}
	tried := map[string]int{}
	var workers sync.WaitGroup
	turns := make(chan struct{}, faultWorkers)
	for i := range cloudOperations {
		o := &cloudOperations[i]
		for request := range o.requests {
			for f := range cloudFaults {
				kind := faultKind{name: cloudFaults[f].name, fault: cloudFaults[f].fault}
				c := &faultCombination{operation: o, kind: &kind, request: request}
				if cloudFaults[f].writes && c.method() == http.MethodGet {
					continue
				}
				tried[o.name]++
				workers.Go(func() {
					turns <- struct{}{}
					defer func() { <-turns }()
					t.Run(fmt.Sprintf("%s, request %d (%s), %s", o.name, request, c.method(), kind.name), func(t *testing.T) {
						c.tryOnCloud(t, references[o.name])
					})
				})
			}
		}
	}
	workers.Wait()
	equalJSON(t, "the size of the product", tried, map[string]int{"create": 122, "update": 111, "delete": 111})
}

// tryOnCloud runs one combination.
func (c *faultCombination) tryOnCloud(t *testing.T, r *faultReference) {
	w := newCloudWorld(t)
	o := c.operation
	w.setUp(o)
	w.sim.ResetRequests()
	w.arm(c)
	said, ok := o.run(w, w.arguments(0, longRequest))
	w.sim.ClearFaults()
	requests, lines, patches := w.tried()
	t.Logf("success is %t, after %v:%s", ok, lines, rules.Printed(said))
	if hit := slices.IndexFunc(requests, func(q simulator.Request) bool { return q.Fault != "" }); hit != c.request {
		t.Fatalf("the fault met request %d of %v, want request %d of %v", hit, lines, c.request, o.requests)
	}
	if ok == faulty(said) || patches > mostPatches {
		t.Errorf("success is %t, after %d patches: %v%s", ok, patches, lines, rules.Printed(said))
	}
	w.clear(c, said)
	w.remembers(r.original)
	if ok && o.finish != nil {
		equalJSON(t, "the image after the command", w.image(), r.finished)
	}
	w.finish(o)
	equalJSON(t, "the image after the next apply", w.image(), r.finished)
	equalJSON(t, "what is to be restored after the next apply", w.record(), r.record)
	w.settles(o)
	w.destroy(r.original)
}
