package simulator

import (
	"fmt"
	"maps"
	"strings"
	"testing"
)

// imsFlavors are the flavors that most rules hold for.
var imsFlavors = []Flavor{FlavorHuaweiCloud, FlavorOpenTelekomCloud}

// newIMSCloud starts an empty cloud of a vendor with the given assumptions, each
// NAME=VALUE.
func newIMSCloud(t *testing.T, flavor Flavor, assumed ...string) *testCloud {
	t.Helper()
	assumptions := map[string]string{}
	for _, text := range assumed {
		name, value, _ := strings.Cut(text, "=")
		assumptions[name] = value
	}
	return newTestCloud(t, Options{Flavor: flavor, Empty: true, Assumptions: assumptions})
}

// The two ways to send a patch in the newer dialect.
const (
	patchNative = "/v2/images/"
	patchVendor = "/v2/cloudimages/"
)

func (c *testCloud) patchIMS(user, path, id, body string) answer {
	c.t.Helper()
	contentType := mediaTypeV21
	if path == patchVendor {
		contentType = "application/json"
	}
	return c.do(call{user: user, method: "PATCH", path: path + id, contentType: contentType, body: body})
}

// codeOf is the code of an error of IMS or of the gateway.
func codeOf(a answer) string {
	if fault, ok := a.value["error"].(map[string]any); ok {
		return fmt.Sprint(fault["code"])
	}
	code, _ := a.value["error_code"].(string)
	return code
}

func expectCode(t *testing.T, got answer, status int, code string) {
	t.Helper()
	if got.status != status || codeOf(got) != code {
		t.Errorf("answered %d %q, want %d %q: %s", got.status, codeOf(got), status, code, got.text)
	}
}

// with copies attributes and adds some, given as name and value in turn.
func with(attributes map[string]any, more ...any) map[string]any {
	out := maps.Clone(attributes)
	if out == nil {
		out = map[string]any{}
	}
	for i := 0; i < len(more); i += 2 {
		out[more[i].(string)] = more[i+1]
	}
	return out
}
