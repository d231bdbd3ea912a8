package imageservice

import (
	"errors"
	"net/http"
	"strings"

	"github.com/imageops/terraform-provider-imageops/internal/imageservice/attribute"
	"github.com/imageops/terraform-provider-imageops/internal/patch"
	"github.com/imageops/terraform-provider-imageops/internal/transport"
)

// AdvisedError is a refusal whose code says what to do about it.
type AdvisedError struct {
	// Advice is what to do, a clause without a full stop.
	Advice string
	// Err is the refusal, a *transport.APIError.
	Err error
}

func (e *AdvisedError) Error() string { return e.Err.Error() + "; " + e.Advice }

// Unwrap returns the refusal.
func (e *AdvisedError) Unwrap() error { return e.Err }

const (
	adviceName       = "a name has 1 to 128 letters, digits, blanks and - . _, and no blank at either end"
	adviceForeign    = "only the project that owns a private image can write it: sign in to that project, or make a private copy and manage that"
	adviceEnterprise = "check that the enterprise project in enterprise_project_id exists and is enabled, and that these credentials may use it"
	adviceThrottled  = "the service limits how many requests it takes per minute; run it again later, or with a smaller -parallelism"
)

// advices say what to do about the codes of the Image Management Service and of
// the gateway before it. Source: Open Telekom Cloud and Huawei Cloud, "Error
// Codes" of IMS; the limits are those of the pages about images and tags.
var advices = map[string]string{
	"IMG.0002":    adviceName,
	"IMG.0003":    adviceName,
	"IMG.0062":    adviceName,
	"IMG.0009":    "another image has this name; choose another name",
	"IMG.0004":    "a description has at most 1024 characters",
	"IMG.0054":    "a description has no line breaks and neither < nor >; where that is not enough, leave out blanks as well",
	"IMG.0026":    "the role of these credentials does not allow it; ask who administers the account for a role with ims:images:update and ims:images:get",
	"IMG.0030":    "the project is none of these credentials; check project_id",
	"IMG.0028":    "the image is protected; take the protection off first",
	"IMG.0035":    "the image does not hold what the patch was made for, or would hold attributes that exclude each other, such as __support_kvm and __support_kvm_gpu_type",
	"IMG.0046":    "the image is not available now; wait until its status is active",
	"IMG.0047":    adviceForeign,
	"IMG.0083":    adviceForeign,
	"IMG.0106":    adviceForeign,
	"IMG.0055":    "min_disk is from 1 to 1024 GB, and at least 10 for Linux and 20 for Windows",
	codeThrottled: adviceThrottled,
	"APIG.0308":   adviceThrottled,
	"APIGW.0308":  adviceThrottled,
	"IMG.0105":    "the service does not change this attribute, or not of this image; leave it out",
	"IMG.0115":    "a tag has a key of at most 36 and a value of at most 43 characters: letters, digits, _ and -, in the value also a full stop",
	"IMG.0116":    "an image has at most 10 tags, those of others included; remove some",
	"IMG.0141":    "hw_firmware_type is bios or uefi",
	"IMG.0154":    adviceEnterprise,
	"IMG.0155":    adviceEnterprise,
	"IMG.0156":    adviceEnterprise,
}

// codeThrottled is the task flow control of IMS, which refuses with 400 what it
// would take a moment later.
const codeThrottled = "IMG.0060"

// advised puts what to do beside a refusal, where its code says so.
func advised(refusal *transport.APIError) error {
	advice := advices[refusal.Code]
	if advice == "" {
		return refusal
	}
	return &AdvisedError{Advice: advice, Err: refusal}
}

// goneCodes say, mostly with status 400, that there is no such image.
var goneCodes = map[string]bool{"IMG.0027": true, "IMG.0086": true, "IMG.0144": true}

// conflictCode refuses a patch because the image is not what it was made for,
// which Glance answers with 409, or because attributes would exclude each other.
const conflictCode = "IMG.0035"

// splitTag splits a tag of IMS into its key and its value. The service writes
// them as "key=value" in its images and takes "key.value" when it makes some;
// keys hold neither of the two characters.
func splitTag(tag string) (key, value string) {
	at := strings.IndexAny(tag, ".=")
	if at < 0 {
		return tag, ""
	}
	return tag[:at], tag[at+1:]
}

// joinTag is the one form that documents of IMS have a tag in.
func joinTag(key, value string) string {
	if value == "" {
		return key
	}
	return key + "=" + value
}

// decode reads an image, with its tags in one form.
func (c *Client) decode(body []byte) (*Image, error) {
	image, err := decodeImage(body)
	if err != nil || !c.cloud.IMS() {
		return image, err
	}
	for _, tag := range image.document.Members(attribute.Tags) {
		delete(image.document, attribute.Tags.Member(tag))
		tag = joinTag(splitTag(tag))
		image.document[attribute.Tags.Member(tag)] = patch.StringValue(tag)
	}
	return image, nil
}

// NotReadyError says that an image cannot be written in the status that it has.
type NotReadyError struct{ ID, Status string }

func (e *NotReadyError) Error() string {
	text := "the image " + e.ID + " has the status \"" + transport.CleanText(e.Status) + "\", and can be written only while it is active"
	if e.Waitable() {
		return text + "; wait until it is"
	}
	return text + "; it will not become so by itself: use another image"
}

// Waitable says whether the image is on its way to be active.
func (e *NotReadyError) Waitable() bool { return e.Status == "queued" || e.Status == "saving" }

// NotPrivateError says that an image cannot be written because it is not a
// private image of the project.
type NotPrivateError struct {
	ID string
	// Kind is what it is instead, such as "public" or "shared".
	Kind string
}

func (e *NotPrivateError) Error() string {
	text := "the image " + e.ID + " is not a private image of this project but \"" + transport.CleanText(e.Kind) + "\", and the service lets only private images be written: "
	if e.Kind == "shared" {
		return text + "sign in to the project that shares it, or make a private copy and manage that"
	}
	return text + "make a private copy and manage that"
}

// kinds are the values of __imagetype in the words of visibility.
var kinds = map[string]string{"gold": "public"}

// CheckWritable returns the *NotReadyError or *NotPrivateError that Patch would
// return for any patch of an image with this current document, and nil where it
// would send one. The API cloudimages writes active private images only (vendors'
// pages "Updating Image Information"); of an image of the path images nothing is
// asked. A private image keeps its type while its owner shares it.
func (c *Client) CheckWritable(id string, current patch.Document) error {
	if c.path != cloudImagesPath {
		return nil
	}
	kind, typed := current["/__imagetype"].AsString()
	if !typed {
		kind, typed = current["/visibility"].AsString()
	}
	if typed && kind != "private" {
		if word := kinds[kind]; word != "" {
			kind = word
		}
		return &NotPrivateError{ID: id, Kind: kind}
	}
	if status, known := current["/status"].AsString(); known && status != "active" {
		return &NotReadyError{ID: id, Status: status}
	}
	return nil
}

// isGone says that the service itself answered that there is no such image. A
// gateway has a code of its own, and what only repeats the address knows nothing
// about the image.
func isGone(refusal *transport.APIError, id string) bool {
	switch refusal.StatusCode {
	case http.StatusNotFound:
		message, id := strings.ToLower(refusal.Message), strings.ToLower(id)
		return goneCodes[refusal.Code] || (refusal.Code == "" && strings.Contains(message, id) && !strings.Contains(message, "/"+id))
	case http.StatusBadRequest:
		return goneCodes[refusal.Code]
	}
	return false
}

// codeOf returns the service's own code in an error, empty for none.
func codeOf(err error) string {
	var refusal *transport.APIError
	if errors.As(err, &refusal) {
		return refusal.Code
	}
	return ""
}
