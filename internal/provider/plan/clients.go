// Package plan holds what the resources of every family share: the configured
// clients, the planned_* attributes, documents in private state. It is the one
// place that knows what Terraform does with what a provider answers.
package plan

import (
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/diag"

	"github.com/imageops/terraform-provider-imageops/internal/change"
	"github.com/imageops/terraform-provider-imageops/internal/horizon"
	"github.com/imageops/terraform-provider-imageops/internal/imageservice"
)

// Clients is what a configured provider gives to its resources.
type Clients struct {
	// Memory is what this configured provider remembers of the objects.
	Memory *change.Memory
	Settings

	// Images is the image service, Horizon the Horizon pod.
	Images  Service[*imageservice.Client]
	Horizon Service[*horizon.Client]

	number string
}

// Settings are what resources do otherwise than by default.
type Settings struct {
	// VerifyAfter is how long after a write an image is read again.
	VerifyAfter time.Duration
	// AllowUndocumented sends also what no page of the vendor of an Image Management
	// Service lists among what can be changed.
	AllowUndocumented bool
	// PollInterval is the time between two looks at an object of Horizon that is
	// waited for.
	PollInterval time.Duration
	// Governor keeps the pushes to desktop pools apart.
	Governor *horizon.Governor
}

// NewClients returns the clients of a provider that was configured just now.
func NewClients(images Service[*imageservice.Client], pod Service[*horizon.Client], settings Settings) *Clients {
	return &Clients{Memory: change.NewMemory(), Settings: settings, Images: images, Horizon: pod, number: rand.Text()}
}

// Service is one section of the provider's configuration: a client, or why there
// is none.
type Service[C any] struct {
	client  C
	problem diag.Diagnostic
	unknown []string
}

// Connected is a section with a client.
func Connected[C any](client C) Service[C] { return Service[C]{client: client} }

// Misconfigured is a section that makes no client; the problem is an error only
// for those who need it.
func Misconfigured[C any](problem diag.Diagnostic) Service[C] { return Service[C]{problem: problem} }

// NotKnownYet is a section with arguments that are not known in this plan.
func NotKnownYet[C any](arguments []string) Service[C] { return Service[C]{unknown: arguments} }

// Client returns the client, or the one diagnostic that says what its
// configuration lacks.
func (s Service[C]) Client() (C, diag.Diagnostics) {
	if s.problem != nil {
		return s.client, diag.Diagnostics{s.problem}
	}
	return s.client, nil
}

// ClientNow is Client for callers who cannot go on without one, also when the
// configuration is not known yet. The summary says what they wanted.
func (s Service[C]) ClientNow(summary string) (C, diag.Diagnostics) {
	if s.Unknown() {
		return s.client, diag.Diagnostics{diag.NewErrorDiagnostic(summary+": the provider is not configured yet",
			s.UnknownText()+", so nothing can be read. Give values that are known when planning, or first apply what they come from with -target.")}
	}
	return s.Client()
}

// Unknown says that arguments of the section are not known yet in this plan.
func (s Service[C]) Unknown() bool { return len(s.unknown) > 0 }

// UnknownText names them in a sentence.
func (s Service[C]) UnknownText() string {
	if len(s.unknown) == 1 {
		return fmt.Sprintf("The provider argument %s is not known yet", s.unknown[0])
	}
	return fmt.Sprintf("The provider arguments %s are not known yet", strings.Join(s.unknown, ", "))
}
