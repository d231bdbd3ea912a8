package contract

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// firstWithKeys is the first release whose errors have keys.
const firstWithKeys = "2206"

// The bodies of refusals. No document has a schema of them (each 4xx is an empty
// object), so these are ours, of what was published: an answer to a user without
// rights of about release 2012, the vendor's guide on throttling, and the older form
// that stays beside the newer.
var (
	olderRefusal = refusalSchema(`{
		"type": "object", "additionalProperties": false, "required": ["status", "timestamp"],
		"properties": {
			"status": {"type": "string", "pattern": "^[A-Z_]+$"}, "timestamp": {"type": "integer", "minimum": 1000000000000},
			"error_message": {"type": "string", "minLength": 1},
			"error_messages": {"type": "array", "minItems": 1, "items": {"type": "string", "minLength": 1}}
		},
		"oneOf": [{"required": ["error_message"]}, {"required": ["error_messages"]}]
	}`)
	newerRefusal = refusalSchema(`{
		"type": "object", "additionalProperties": false, "required": ["status", "timestamp", "errors"],
		"properties": {
			"status": {"type": "string", "pattern": "^[A-Z_]+$"}, "timestamp": {"type": "integer", "minimum": 1000000000000},
			"errors": {"type": "array", "minItems": 1, "items": {
				"type": "object", "additionalProperties": false, "required": ["error_key", "error_message"],
				"properties": {"error_key": {"type": "string", "pattern": "^[a-z0-9._-]+$"}, "error_message": {"type": "string", "minLength": 1}}
			}},
			"error_messages": {"type": "array", "minItems": 1, "items": {"type": "string", "minLength": 1}}
		}
	}`)
)

func refusalSchema(text string) *openapi3.Schema {
	schema := openapi3.NewSchema()
	if err := schema.UnmarshalJSON([]byte(text)); err != nil {
		panic(fmt.Sprintf("contract: a schema of refusals is broken: %v", err)) // The schemas stand above.
	}
	return schema
}

// checkRefusal returns an error for a refusal that has not the form of the
// release. What stands before the server may have any.
func (c *Contract) checkRefusal(status int, body []byte) error {
	if status < http.StatusBadRequest {
		return nil
	}
	var refusal any
	if err := json.Unmarshal(body, &refusal); err != nil {
		return fmt.Errorf("the refusal is no JSON: %w", err)
	}
	schema := newerRefusal
	if c.release < firstWithKeys {
		schema = olderRefusal
	}
	var violation *openapi3.SchemaError
	if err := schema.VisitJSON(refusal); errors.As(err, &violation) {
		return fmt.Errorf("the refusal has not the form of release %s: /%s: %s", c.release, strings.Join(violation.JSONPointer(), "/"), violation.Reason)
	} else if err != nil {
		return err
	}
	return nil
}
