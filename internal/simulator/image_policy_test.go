package simulator

import (
	"strings"
	"testing"
)

func TestVisibilityAndOwnership(t *testing.T) {
	c := newTestCloud(t, Options{Empty: true})
	const add = `[{"op":"add","path":"/q","value":"1"}]`
	for _, tc := range []struct {
		visibility, user    string
		get, add            int
		message, tagMessage string
	}{
		{"private", "demo", 200, 200, "", ""},
		{"private", "reader", 200, 200, "", ""},
		{"private", "admin", 200, 200, "", ""},
		{"private", "other", 404, 404, "No image found with ID", "Image ID not found."},
		{"shared", "other", 404, 404, "No image found with ID", "Image ID not found."},
		{"community", "other", 200, 403, "You do not own this image", "Not allowed to update tags for image ID."},
		{"public", "other", 200, 403, "You do not own this image", "Not allowed to update tags for image ID."},
		{"public", "demo", 200, 200, "", ""},
	} {
		t.Run(tc.visibility+" "+tc.user, func(t *testing.T) {
			id := c.CreateImage(Image{Visibility: tc.visibility})
			expect(t, c.get(tc.user, id), tc.get, "")
			expect(t, c.patch(tc.user, id, add), tc.add, tc.message)
			tag := c.do(call{user: tc.user, method: "PUT", path: "/v2/images/" + id + "/tags/x"})
			if tc.add == 200 {
				expect(t, tag, 204, "")
			} else {
				expect(t, tag, tc.add, strings.ReplaceAll(tc.tagMessage, "ID", id))
			}
		})
	}
}

func TestOwnerChanges(t *testing.T) {
	c := newTestCloud(t, Options{Empty: true})
	const give = `[{"op":"add","path":"/owner","value":"someone"}]`
	t.Run("a member may not replace the owner", func(t *testing.T) {
		id := c.CreateImage(Image{Visibility: "public"})
		expect(t, c.patch("demo", id, `[{"op":"replace","path":"/owner","value":"x"}]`), 403, "Owner can't be updated by non admin.")
	})
	t.Run("a member may not lose sight of an image", func(t *testing.T) {
		id := c.CreateImage(Image{})
		expect(t, c.patch("demo", id, give), 403, "Forbidding request, image "+id+" not visible")
		expectValue(t, c.Document(id), "owner", c.projectID("demo"))
	})
	t.Run("a member may give a public image away", func(t *testing.T) {
		id := c.CreateImage(Image{Visibility: "public"})
		expect(t, c.patch("demo", id, give), 200, "")
		expect(t, c.patch("demo", id, `[{"op":"add","path":"/x","value":"1"}]`), 403, "You do not own this image")
	})
	t.Run("the next operation already sees the new owner", func(t *testing.T) {
		id := c.CreateImage(Image{Visibility: "public"})
		expect(t, c.patch("demo", id, `[{"op":"add","path":"/owner","value":"x"},{"op":"add","path":"/y","value":"1"}]`), 403, "You do not own this image")
	})
	t.Run("an image without an owner is everybody's to see and an administrator's to write", func(t *testing.T) {
		id := c.CreateImage(Image{})
		got := c.patch("admin", id, `[{"op":"replace","path":"/owner","value":""}]`)
		expectValue(t, got.value, "owner", "")
		if owner := c.Document(id)["owner"]; owner != nil {
			t.Errorf("owner is %v", owner)
		}
		expect(t, c.get("other", id), 200, "")
		expect(t, c.patch("demo", id, `[{"op":"add","path":"/x","value":"1"}]`), 403, "You do not own this image")
	})
}

func TestPublication(t *testing.T) {
	c := newTestCloud(t, Options{Empty: true})
	id := c.CreateImage(Image{Visibility: "public"})
	expect(t, c.patch("demo", id, `[{"op":"replace","path":"/visibility","value":"public"}]`), 403, "You are not authorized to complete publicize_image action.")
	expect(t, c.patch("demo", id, `[{"op":"replace","path":"/visibility","value":"community"}]`), 200, "")
	expect(t, c.patch("admin", id, `[{"op":"replace","path":"/visibility","value":"public"}]`), 200, "")
}

func TestSecureRBAC(t *testing.T) {
	c := newTestCloud(t, Options{Empty: true, Policy: PolicySecureRBAC})
	for _, tc := range []struct {
		name, user, visibility, body string
		status                       int
		message                      string
	}{
		{"member writes", "demo", "private", `[{"op":"add","path":"/q","value":"1"}]`, 200, ""},
		{"reader does not", "reader", "private", `[{"op":"add","path":"/q","value":"1"}]`, 403, "You are not authorized to complete modify_image action."},
		{"reader may send an empty patch", "reader", "private", `[]`, 200, ""},
		{"reader may not make it a community image", "reader", "private", `[{"op":"replace","path":"/visibility","value":"community"}]`, 403,
			"You are not authorized to complete communitize_image action."},
		{"reader and locations", "reader", "private", `[{"op":"replace","path":"/locations","value":[{"url":"x","metadata":{}}]}]`, 403,
			"You are not authorized to complete set_image_location action."},
		{"stranger does not see it", "other", "private", `[]`, 404, "No image found with ID"},
		{"stranger sees but may not", "other", "community", `[{"op":"add","path":"/q","value":"1"}]`, 403, "You are not authorized to complete modify_image action."},
		{"who gave a private image away no longer finds it", "demo", "private", `[{"op":"add","path":"/owner","value":"x"},{"op":"add","path":"/q","value":"1"}]`, 404,
			"The resource could not be found."},
		{"who gave a community image away may not write it", "demo", "community", `[{"op":"add","path":"/owner","value":"x"},{"op":"add","path":"/q","value":"1"}]`, 403,
			"You are not authorized to complete modify_image action."},
	} {
		t.Run(tc.name, func(t *testing.T) {
			expect(t, c.patch(tc.user, c.CreateImage(Image{Visibility: tc.visibility}), tc.body), tc.status, tc.message)
		})
	}
	expect(t, c.post("reader", "/v2/images", `{}`), 403, "You are not authorized to complete add_image action.")
	id := c.CreateImage(Image{})
	expect(t, c.do(call{user: "reader", method: "DELETE", path: "/v2/images/" + id}), 403, "You are not authorized to complete delete_image action.")
	expect(t, c.do(call{user: "reader", method: "PUT", path: "/v2/images/" + id + "/tags/x"}), 403, "You are not authorized to complete modify_image action.")
}

// protectionRules are the ones that the agreement test runs with.
func TestPropertyProtections(t *testing.T) {
	c := newTestCloud(t, Options{Empty: true, Protections: agreementProtections})
	image := Image{Properties: map[string]string{"secret_a": "s", "once_a": "1", "never": "n", "free": "f"}}
	reserved := func(name string) string { return "Attribute '" + name + "' is reserved." }
	for _, tc := range []struct {
		name, body string
		status     int
		message    string
	}{
		{"replace of an unreadable property", `[{"op":"replace","path":"/secret_a","value":"x"}]`, 409, "Property secret_a does not exist."},
		{"remove of an unreadable property", `[{"op":"remove","path":"/secret_a"}]`, 409, "Property secret_a does not exist."},
		{"add of an unreadable property", `[{"op":"add","path":"/secret_a","value":"x"}]`, 403, reserved("secret_a")},
		{"create where allowed", `[{"op":"add","path":"/once_b","value":"x"}]`, 200, ""},
		{"update of a create-only property", `[{"op":"replace","path":"/once_a","value":"x"}]`, 403, reserved("once_a")},
		{"removal of a create-only property", `[{"op":"remove","path":"/once_a"}]`, 403, reserved("once_a")},
		{"a second operation on what the first created", `[{"op":"add","path":"/once_b","value":"x"},{"op":"add","path":"/once_b","value":"y"}]`, 403, reserved("once_b")},
		{"a property closed to all", `[{"op":"replace","path":"/never","value":"x"}]`, 403, reserved("never")},
		{"a property that is writable but not readable", `[{"op":"add","path":"/blind","value":"x"}]`, 500, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			id := c.CreateImage(image)
			expect(t, c.patch("demo", id, tc.body), tc.status, tc.message)
			if tc.status != 200 {
				expectValue(t, c.Document(id), "secret_a", "s")
			}
		})
	}
	id := c.CreateImage(image)
	expectValue(t, c.get("demo", id).value, "secret_a", nil)
	expectValue(t, c.get("admin", id).value, "secret_a", "s")
	expect(t, c.post("demo", "/v2/images", `{"secret_a":"x"}`), 403, reserved("secret_a"))
	expect(t, c.post("demo", "/v2/images", `{"blind":"x"}`), 201, "")
}

func TestWriteDeletesWhatTheWriterMayNotRead(t *testing.T) {
	c := newTestCloud(t, Options{Empty: true, Protections: agreementProtections})
	for name, write := range map[string]func(id string) answer{
		"patch": func(id string) answer { return c.patch("demo", id, `[{"op":"add","path":"/x","value":"1"}]`) },
		"tag": func(id string) answer {
			return c.do(call{user: "demo", method: "PUT", path: "/v2/images/" + id + "/tags/x"})
		},
	} {
		id := c.CreateImage(Image{Properties: map[string]string{"secret_a": "s", "free": "f"}})
		if got := write(id); got.status >= 300 {
			t.Fatalf("%s: %d", name, got.status)
		}
		expectValue(t, c.Document(id), "secret_a", nil)
		expectValue(t, c.Document(id), "free", "f")
	}
}

func TestPropertyThatIsNullCannotBeSetUnderProtections(t *testing.T) {
	c := newTestCloud(t, Options{Empty: true, Protections: agreementProtections})
	id := c.CreateImage(Image{})
	expect(t, c.patch("demo", id, `[{"op":"add","path":"/kernel_id","value":null}]`), 200, "")
	expect(t, c.patch("demo", id, `[{"op":"replace","path":"/kernel_id","value":"12345678-1234-1234-1234-123456789012"}]`), 200, "")
	if value := c.Document(id)["kernel_id"]; value != nil {
		t.Errorf("kernel_id is %v", value)
	}
}
