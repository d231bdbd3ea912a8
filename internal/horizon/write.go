package horizon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/imageops/terraform-provider-imageops/internal/patch"
	"github.com/imageops/terraform-provider-imageops/internal/transport"
)

// Effect is what is known about a write that ended in an error.
type Effect int

const (
	// Unknown says that the write may have taken effect: there was no whole
	// answer, or one of the server's own troubles (5xx).
	Unknown Effect = iota
	// Unsent says that the server has not taken the write: it was not sent, or
	// refused for its credentials (401) or for a limit (429).
	Unsent
	// Refused says that the server refuses the write (any other 4xx).
	Refused
)

// WriteError is a write that ended in an error.
type WriteError struct {
	Effect Effect
	// RetryAfter is how long to wait before the object is read and the write made
	// anew, for one that is Unsent; 0 if that is of no use.
	RetryAfter time.Duration
	// Err is one of the errors of Client.Read.
	Err error
}

func (e *WriteError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *WriteError) Unwrap() error { return e.Err }

func unsent(format string, args ...any) *WriteError {
	return &WriteError{Effect: Unsent, Err: fmt.Errorf(format, args...)}
}

// Patch writes the document that a patch makes of the current one, and returns
// it. The API has no write of a part and no condition: a PUT holds every member
// that can be changed at all, so that what others wrote since the document was
// read is written back to what it was. It says nothing about what was stored,
// and is read afterwards. Its errors are a *WriteError. An empty patch is one,
// and is not sent.
func (c *Client) Patch(ctx context.Context, ref Ref, current patch.Document, p patch.Patch) (patch.Document, error) {
	if err := checkID(ref.Kind.String(), ref.ID); err != nil {
		return nil, &WriteError{Effect: Unsent, Err: err}
	}
	body, err := ref.Kind.update(current, p)
	if err != nil {
		return nil, err
	}
	defer c.wrote(ref)
	// A repeat would write back what was read before the wait for it.
	ctx = transport.WithoutRepeats(ctx)
	r, resp, sendErr := c.send(ctx, transport.Request{Method: http.MethodPut, Body: body}, ref.Kind.path()+"/"+ref.ID)
	if sendErr != nil {
		failed := &WriteError{Effect: effectOfFailure(sendErr), Err: sendErr}
		var failure *transport.Error
		if failed.Effect == Unsent && errors.As(sendErr, &failure) {
			failed.RetryAfter = shortWait
		}
		return nil, failed
	}
	if resp.StatusCode == http.StatusNotFound {
		return nil, &WriteError{Effect: Refused, Err: c.missing(ctx, ref, r, resp)}
	}
	if resp.StatusCode == http.StatusTooManyRequests {
		return nil, &WriteError{Effect: Unsent, RetryAfter: c.patienceFor(resp), Err: c.refusal(r, resp, "")}
	}
	if resp.StatusCode >= http.StatusMultipleChoices {
		return nil, &WriteError{Effect: effectOfRefusal(resp.StatusCode), Err: c.refusal(r, resp, "GLOBAL_CONFIG_MANAGEMENT")}
	}
	if _, err := c.accepted(r, resp); err != nil {
		return nil, &WriteError{Effect: Unknown, Err: err}
	}
	return p.Apply(current), nil
}

// shortWait is the time before a write is made anew that the server did not get,
// or did not take without saying for how long.
const shortWait = time.Second

// patienceFor is how long to leave a server alone that has answered 429; 0 if that
// is too long to be waited for.
func (c *Client) patienceFor(resp *transport.Response) time.Duration {
	asked, said := transport.RetryAfter(resp.Header, c.now())
	switch {
	case !said:
		return shortWait
	case asked > transport.MaxRetryAfter:
		return 0
	}
	return max(asked, time.Millisecond)
}

// update is the body of the PUT.
func (k Kind) update(current patch.Document, p patch.Patch) ([]byte, *WriteError) {
	rules := catalogue[k]
	if len(p) == 0 {
		return nil, unsent("the patch is empty")
	}
	wanted := p.Apply(current)
	for _, o := range p {
		name, top := o.Path.Key()
		if _, detail := o.Path.MemberOf(AdditionalDetails); detail {
			continue
		}
		switch {
		case top && slices.Contains(rules.optional, name):
			if o.New == patch.Absent {
				// What a PUT does to a member that it leaves out is not documented.
				wanted[o.Path] = patch.StringValue("")
			}
		case top && slices.Contains(rules.required, name):
		default:
			return nil, unsent("%s of an %s cannot be changed", o.Path, k)
		}
	}
	body := members(wanted, slices.Concat(rules.required, rules.optional))
	for _, name := range rules.required {
		if _, there := body[name]; !there {
			return nil, unsent("the server does not show the %s of the %s, and every update has to repeat it", name, k)
		}
	}
	content, err := json.Marshal(body)
	if err != nil {
		return nil, unsent("writing the update: %w", err)
	}
	return content, nil
}

// members returns some members of a document, and all of additional_details:
// whether leaving that out keeps or clears it is not documented.
func members(d patch.Document, names []string) map[string]any {
	body := map[string]any{}
	for _, name := range names {
		if value := d[patch.NewPointer(name)]; value != patch.Absent {
			body[name] = value
		}
	}
	details := map[string]patch.Value{}
	for p, value := range d {
		if key, ok := p.MemberOf(AdditionalDetails); ok {
			details[key] = value
		}
	}
	body["additional_details"] = details
	return body
}

func effectOfFailure(err error) Effect {
	var (
		signIn  *SignInError
		failure *transport.Error
	)
	if !errors.As(err, &signIn) && errors.As(err, &failure) && failure.MayHaveTakenEffect {
		return Unknown
	}
	return Unsent
}

func effectOfRefusal(status int) Effect {
	switch {
	case status == http.StatusUnauthorized, status == http.StatusTooManyRequests:
		return Unsent
	case status >= 300 && status < 500:
		return Refused
	}
	return Unknown
}

// InUseError says that the server does not delete an object, in the way in which
// it refuses one that is in use. That its refusal of other deletes looks the same
// cannot be ruled out: neither a code nor a status for it is documented, and the
// View API has the fault EntityInUse. The server's own words are in Err.
type InUseError struct {
	Ref Ref
	// Pools are the desktop pools that follow the object's stream, or, of a tag,
	// the tag.
	Pools []*Pool
	// PoolsErr says why Pools are not known.
	PoolsErr error
	Err      *transport.APIError
}

func (e *InUseError) Error() string {
	text := fmt.Sprintf("the %s %s is not deleted, it seems to be in use", e.Ref.Kind, e.Ref.ID)
	switch {
	case e.PoolsErr != nil:
		text += fmt.Sprintf(" (the desktop pools could not be listed: %v)", e.PoolsErr)
	case len(e.Pools) > 0:
		names := make([]string, len(e.Pools))
		for i, p := range e.Pools {
			names[i] = p.Name
		}
		text += " by the desktop pools " + candidates(names)
	case e.Ref.Kind == Asset || e.Ref.Kind == Tag:
		text += ", though no desktop pool that the user may see follows it"
	}
	return text + ": " + e.Err.Error()
}

// Unwrap returns the refusal.
func (e *InUseError) Unwrap() error { return e.Err }

// Delete deletes an object, and looks whether it is gone; that it is gone already is
// success. Its errors are a *WriteError, around an *InUseError when the server
// refuses it as it refuses an object in use, and around a *StillThereError.
func (c *Client) Delete(ctx context.Context, ref Ref) error {
	if err := checkID(ref.Kind.String(), ref.ID); err != nil {
		return &WriteError{Effect: Unsent, Err: err}
	}
	defer c.wrote(ref)
	r, resp, err := c.send(ctx, transport.Request{Method: http.MethodDelete}, ref.Kind.path()+"/"+ref.ID)
	if err != nil {
		return &WriteError{Effect: effectOfFailure(err), Err: err}
	}
	switch status := resp.StatusCode; {
	case status == http.StatusNotFound:
		if err := c.missing(ctx, ref, r, resp); !errors.Is(err, ErrNotFound) {
			return &WriteError{Effect: Unknown, Err: err}
		}
		return nil
	case status == http.StatusBadRequest, status == http.StatusConflict:
		return &WriteError{Effect: Refused, Err: c.inUse(ctx, ref, transport.NewAPIError(r, resp))}
	case status >= http.StatusMultipleChoices:
		return &WriteError{Effect: effectOfRefusal(status), Err: c.refusal(r, resp, "GLOBAL_CONFIG_MANAGEMENT")}
	}
	if _, err := c.accepted(r, resp); err != nil {
		return &WriteError{Effect: Unknown, Err: err}
	}
	return c.checkGone(ctx, ref)
}

// StillThereError says that the server acknowledged a deletion and shows the
// object all the same.
type StillThereError struct{ Ref Ref }

func (e *StillThereError) Error() string {
	return fmt.Sprintf("the Connection Server has acknowledged the deletion of the %s %s, and shows it all the same", e.Ref.Kind, e.Ref.ID)
}

// checkGone looks for an object that the server says it has deleted. Where nobody
// can look, the server's word holds.
func (c *Client) checkGone(ctx context.Context, ref Ref) error {
	finish, release := withGrace(ctx)
	defer release()
	for look := range looks {
		if look > 0 {
			// A wait that the caller ends early is followed by the look at once.
			_ = c.sleep(ctx, lookAgain)
		}
		switch _, err := c.Read(finish, ref); {
		case errors.Is(err, ErrNotFound):
			return nil
		case err != nil:
			c.note(ctx, "what was deleted could not be looked for", map[string]any{"kind": ref.Kind.String(), "id": ref.ID, "error": err.Error()})
			return nil
		}
	}
	return &WriteError{Effect: Unknown, Err: &StillThereError{ref}}
}

// inUse finds out who uses an object.
func (c *Client) inUse(ctx context.Context, ref Ref, refusal *transport.APIError) *InUseError {
	e := &InUseError{Ref: ref, Err: refusal}
	streamID := ref.ID
	if ref.Kind != Stream {
		o, err := c.read(ctx, ref)
		if err != nil {
			e.PoolsErr = err
			return e
		}
		streamID = o.Text("im_stream_id")
	}
	e.Pools, e.PoolsErr = c.PoolsFollowing(ctx, streamID)
	if ref.Kind == Tag {
		e.Pools = slices.DeleteFunc(e.Pools, func(p *Pool) bool {
			return !strings.EqualFold(p.Current.TagID, ref.ID) && !strings.EqualFold(p.Pending.TagID, ref.ID)
		})
	}
	return e
}
