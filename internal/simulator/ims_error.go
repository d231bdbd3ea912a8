package simulator

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
)

// refusal is an answer that is not a success, in the form of whoever gives it:
// IMS, the gateway before it, or the Glance inside it.
type refusal interface {
	write(w http.ResponseWriter, r *http.Request)
}

// vendorError is a refusal in the form of IMS or of the gateway.
type vendorError struct {
	status int
	body   any
}

func (e *vendorError) write(w http.ResponseWriter, r *http.Request) {
	writeJSON(w, r, e.status, e.body)
}

// The codes of IMS that the simulator answers or that a fault can program, with
// the vendor's messages (API references of both clouds, "Error Codes").
const (
	imsMalformed        = "IMG.0001"
	imsNameTooLong      = "IMG.0002"
	imsNameCharacters   = "IMG.0003"
	imsDescriptionLong  = "IMG.0004"
	imsEmptyBody        = "IMG.0007"
	imsNameTaken        = "IMG.0009"
	imsNameMissing      = "IMG.0013"
	imsForbidden        = "IMG.0026"
	imsIDUnknown        = "IMG.0027"
	imsProtected        = "IMG.0028"
	imsWrongProject     = "IMG.0030"
	imsConflict         = "IMG.0035"
	imsUnavailable      = "IMG.0046"
	imsDescriptionForm  = "IMG.0054"
	imsSizeInvalid      = "IMG.0055"
	imsNameInvalid      = "IMG.0062"
	imsFormatInvalid    = "IMG.0072"
	imsPublicImage      = "IMG.0083"
	imsUnsupported      = "IMG.0105"
	imsTagInvalid       = "IMG.0115"
	imsTagQuota         = "IMG.0116"
	imsObjectUnknown    = "IMG.0121"
	imsFirmwareInvalid  = "IMG.0141"
	imsImageUnknown     = "IMG.0144"
	imsEnterpriseDenied = "IMG.0155"
	imsFlavorUnknown    = "IMG.0192"
	imsArchitecture     = "IMG.0212"
)

var imsMessages = map[string]string{
	imsMalformed:        "The request message format is invalid.",
	imsNameTooLong:      "The image name contains more than 128 characters.",
	imsNameCharacters:   "The image name format is invalid.",
	imsDescriptionLong:  "The description contains more than 1024 characters.",
	imsEmptyBody:        "The request body is empty.",
	imsNameTaken:        "The image name already exists.",
	imsNameMissing:      "The image name is not specified.",
	imsForbidden:        "The role is invalid. You need to apply for the required permissions or pass the real-name authentication.",
	imsIDUnknown:        "The image ID in the request does not exist.",
	imsProtected:        "The image in the request is protected.",
	imsWrongProject:     "The project ID and token in the request are invalid.",
	imsConflict:         "An attribute conflict occurred during the modification.",
	imsUnavailable:      "The image is unavailable.",
	"IMG.0047":          "This operation can be performed only by the image owner.",
	imsDescriptionForm:  "The image description format is invalid.",
	imsSizeInvalid:      "The memory or disk size is invalid.",
	"IMG.0060":          "The number of tasks exceeds the flow control limit.",
	"IMG.0061":          "Unknown system error.",
	imsNameInvalid:      "The image name is incorrect.",
	imsFormatInvalid:    "The specified image format is not supported.",
	imsPublicImage:      "The image is a public image.",
	"IMG.0086":          "No image was found.",
	imsUnsupported:      "The operation is not supported.",
	"IMG.0106":          "The image owner is another tenant.",
	imsTagInvalid:       "The image tag is invalid.",
	imsTagQuota:         "The number of image tags exceeds the quota.",
	imsObjectUnknown:    "The object cannot be found.",
	imsFirmwareInvalid:  "The value of hw_firmware_type is not uefi or bios.",
	imsImageUnknown:     "The image does not exist.",
	"IMG.0154":          "Failed to communicate with Enterprise Project Management Service (EPS).",
	imsEnterpriseDenied: "Failed to check the enterprise project ID validity.",
	"IMG.0156":          "Failed to associate the image with the enterprise project ID.",
	imsFlavorUnknown:    "The flavor used to query images is invalid.",
	imsArchitecture:     "The value of architecture is not x86 or arm.",
}

// imsError is the refusal with a code of IMS: 400 for everything except a
// missing permission.
func imsError(code string) *vendorError {
	status := http.StatusBadRequest
	if code == imsForbidden {
		status = http.StatusForbidden
	}
	return imsErrorWith(status, code)
}

func imsErrorWith(status int, code string) *vendorError {
	return &vendorError{status, map[string]any{"error": map[string]any{"message": imsMessages[code], "code": code}}}
}

// The gateway's errors, by the digits of their codes.
const (
	gatewayUnknownAPI = "0101"
	gatewayAuth       = "0301"
	gatewayThrottled  = "0308"
)

type gatewayMessage struct {
	status int
	text   string
}

var gatewayMessages = map[string]gatewayMessage{
	gatewayUnknownAPI: {http.StatusNotFound, "The API does not exist or has not been published in the environment"},
	gatewayAuth:       {http.StatusUnauthorized, "Incorrect IAM authentication information: verify aksk signature fail"},
	gatewayThrottled: {http.StatusTooManyRequests,
		"The throttling threshold has been reached: policy user over ratelimit,limit:60,time:1 minute"},
}

// gatewayError is a refusal of the gateway. An empty text means the usual one.
func gatewayError(family, digits, text string) *vendorError {
	usual := gatewayMessages[digits]
	if text == "" {
		text = usual.text
	}
	return &vendorError{usual.status, map[string]any{
		"error_msg": text, "error_code": family + "." + digits, "request_id": randomHex(),
	}}
}

// gateway is a refusal of the gateway, whose codes are of the assumed family.
func (s *Simulator) gateway(digits, text string) *vendorError {
	return gatewayError(s.assumption(assumeGatewayCodes), digits, text)
}

// unauthenticated is the gateway's 401.
func (s *Simulator) unauthenticated(why string) *vendorError {
	return s.gateway(gatewayAuth, "Incorrect IAM authentication information: "+why)
}

// errorOfCode is the refusal that a code stands for, in the form of the one
// whose code it is. Any other code is an error.
func errorOfCode(code string) (*vendorError, error) {
	if _, ok := imsMessages[code]; ok {
		return imsError(code), nil
	}
	family, digits, _ := strings.Cut(code, ".")
	if _, ok := gatewayMessages[digits]; ok && (family == "APIG" || family == "APIGW") {
		return gatewayError(family, digits, ""), nil
	}
	return nil, fmt.Errorf("unknown error code %q", code)
}

// randomHex is an id as the gateway gives to each request.
func randomHex() string {
	var b [16]byte
	// crypto/rand never fails on a supported system.
	_, _ = rand.Read(b[:])
	return hex.EncodeToString(b[:])
}
