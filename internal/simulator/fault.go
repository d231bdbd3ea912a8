package simulator

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"sync"
	"time"
)

// Effect is what a programmed fault does to a request.
type Effect string

const (
	// EffectDelay answers as usual after the fault's latency.
	EffectDelay Effect = "delay"
	// EffectStatus answers with the fault's status, body and Retry-After instead
	// of carrying the request out.
	EffectStatus Effect = "status"
	// EffectHTMLPage answers with a gateway's HTML page, status 502 unless the
	// fault has another, instead of carrying the request out.
	EffectHTMLPage Effect = "html-page"
	// EffectResetBefore breaks the connection without carrying the request out.
	EffectResetBefore Effect = "reset-before"
	// EffectResetAfter carries the request out and breaks the connection before
	// a byte of the answer is sent.
	EffectResetAfter Effect = "reset-after"
	// EffectTruncatedBody carries the request out and breaks the connection in
	// the middle of the answer's body.
	EffectTruncatedBody Effect = "truncated-body"
	// EffectMalformedBody carries the request out and sends half of the answer's
	// body as if it were all of it.
	EffectMalformedBody Effect = "malformed-body"
	// EffectHang neither carries the request out nor answers until the client
	// has gone.
	EffectHang Effect = "hang"
	// EffectExpireToken revokes the token of the request before carrying it out:
	// of a refresh of a session of Horizon, the refresh token.
	EffectExpireToken Effect = "expire-token"
	// EffectSilentDrop answers a write with success and the unchanged document,
	// and stores nothing.
	EffectSilentDrop Effect = "silent-drop"
	// EffectLostWrite answers a write with success and the new document, and
	// stores nothing: later reads show the old one.
	EffectLostWrite Effect = "lost-write"
	// EffectLateCommit holds a write for the fault's latency between its read
	// and its save. What others write meanwhile is lost, as in a real race.
	EffectLateCommit Effect = "late-commit"
)

var effects = map[Effect]bool{
	EffectDelay: true, EffectStatus: true, EffectHTMLPage: true, EffectResetBefore: true, EffectResetAfter: true,
	EffectTruncatedBody: true, EffectMalformedBody: true, EffectHang: true, EffectExpireToken: true,
	EffectSilentDrop: true, EffectLostWrite: true, EffectLateCommit: true,
}

// Forever is the Count of a fault that never wears out.
const Forever = -1

// Fault is a programmed misbehaviour. Of the faults that match a request, the
// one that was added first and is not worn out acts.
type Fault struct {
	// Method is the method that a request must have; empty matches all.
	Method string `json:"method,omitempty"`
	// Path is a regular expression that must match within the URL's decoded
	// path; empty matches all.
	Path string `json:"path,omitempty"`
	// Skip is how many matching requests pass untouched first.
	Skip int `json:"skip,omitempty"`
	// Count is on how many requests the fault acts after that: 0 means once,
	// Forever without end.
	Count int `json:"count,omitempty"`
	// Effect is what the fault does.
	Effect Effect `json:"effect"`
	// Latency is waited before the request is carried out, or with
	// EffectLateCommit in the middle of it.
	Latency time.Duration `json:"-"`
	// Code makes the answer of EffectStatus the one that Huawei Cloud and Open
	// Telekom Cloud document for an error code: IMG.0060 of IMS, or APIG.0308 and
	// APIGW.0301 of the gateway, and so on. Status then may be left out.
	Code string `json:"code,omitempty"`
	// Status, Body, ContentType and RetryAfter form the answer of EffectStatus
	// and EffectHTMLPage. Without a body and a code the answer is that of the
	// flavor, or of Horizon, for the status. RetryAfter goes into the header that
	// the service has for it, with 429 of Horizon X-Rate-Limit-Retry-After-Seconds.
	Status      int    `json:"status,omitempty"`
	Body        string `json:"body,omitempty"`
	ContentType string `json:"content_type,omitempty"`
	RetryAfter  string `json:"retry_after,omitempty"`
}

// faultJSON carries the latency as text, such as "250ms".
type faultJSON struct {
	plainFault
	Latency string `json:"latency,omitempty"`
}

type plainFault Fault

// MarshalJSON writes the latency as text.
func (f Fault) MarshalJSON() ([]byte, error) {
	out := faultJSON{plainFault: plainFault(f)}
	if f.Latency > 0 {
		out.Latency = f.Latency.String()
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads the latency from text; an unreadable one is an error.
func (f *Fault) UnmarshalJSON(data []byte) error {
	var in faultJSON
	if err := json.Unmarshal(data, &in); err != nil {
		return fmt.Errorf("reading a fault: %w", err)
	}
	*f = Fault(in.plainFault)
	if in.Latency == "" {
		return nil
	}
	latency, err := time.ParseDuration(in.Latency)
	if err != nil {
		return fmt.Errorf("reading the latency of a fault: %w", err)
	}
	f.Latency = latency
	return nil
}

// programmedFault is a fault with what is left of it.
type programmedFault struct {
	Fault
	pattern *regexp.Regexp
	skip    int
	left    int
}

type faultTable struct {
	mu     sync.Mutex
	faults []*programmedFault
}

// AddFault programs a fault. It returns an error for an effect that does not
// exist, a path that is no regular expression, a status outside 100 to 599, or a
// code that the simulator does not know or that goes with another effect.
func (s *Simulator) AddFault(f Fault) error {
	if !effects[f.Effect] {
		return fmt.Errorf("adding a fault: unknown effect %q", f.Effect)
	}
	pattern, err := regexp.Compile(f.Path)
	if err != nil {
		return fmt.Errorf("adding a fault: %w", err)
	}
	if f.Effect == EffectHTMLPage && f.Status == 0 {
		f.Status = 502
	}
	if f.Code != "" {
		refused, err := errorOfCode(f.Code)
		if err != nil {
			return fmt.Errorf("adding a fault: %w", err)
		}
		if f.Effect != EffectStatus {
			return fmt.Errorf("adding a fault: a code goes with the effect %q, not with %q", EffectStatus, f.Effect)
		}
		if f.Status == 0 {
			f.Status = refused.status
		}
	}
	if (f.Effect == EffectStatus || f.Effect == EffectHTMLPage) && (f.Status < 100 || f.Status > 599) {
		return fmt.Errorf("adding a fault: %d is not a status", f.Status)
	}
	left := f.Count
	if left == 0 {
		left = 1
	}
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.faults = append(s.faults.faults, &programmedFault{Fault: f, pattern: pattern, skip: f.Skip, left: left})
	return nil
}

// ClearFaults forgets every programmed fault.
func (s *Simulator) ClearFaults() {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.faults = nil
}

// remaining lists the faults that are not worn out.
func (t *faultTable) remaining() []Fault {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := []Fault{}
	for _, p := range t.faults {
		if p.left != 0 {
			f := p.Fault
			f.Skip, f.Count = p.skip, p.left
			out = append(out, f)
		}
	}
	return out
}

// match takes the fault that acts on a request. A fault that still skips lets
// the later ones have the request.
func (t *faultTable) match(method, path string) *Fault {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, p := range t.faults {
		if p.left == 0 || p.Method != "" && p.Method != method || !p.pattern.MatchString(path) {
			continue
		}
		if p.skip > 0 {
			p.skip--
			continue
		}
		if p.left > 0 {
			p.left--
		}
		f := p.Fault
		return &f
	}
	return nil
}

// wait is the simulator's own sleep, which ends early with an error when the
// context does.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
