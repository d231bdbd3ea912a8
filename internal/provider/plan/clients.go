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
	"github.com/imageops/terraform-provider-imageops/internal/imageservice"
)

// Clients is what a configured provider gives to its resources.
type Clients struct {
	// Memory is what this configured provider remembers of the objects.
	Memory *change.Memory
	Settings

	number       string
	imageService *imageservice.Client
	imageProblem diag.Diagnostic
	unknown      []string
}

// Settings are what resources do otherwise than by default.
type Settings struct {
	// VerifyAfter is how long after a write an image is read again.
	VerifyAfter time.Duration
	// AllowUndocumented sends also what no page of the vendor of an Image Management
	// Service lists among what can be changed.
	AllowUndocumented bool
}

// NewClients returns the clients of a provider that was configured just now.
// The image service may be nil; problem then says why.
func NewClients(imageService *imageservice.Client, problem diag.Diagnostic, unknown []string, settings Settings) *Clients {
	return &Clients{
		Memory: change.NewMemory(), Settings: settings,
		number: rand.Text(), imageService: imageService, imageProblem: problem, unknown: unknown,
	}
}

// Unknown returns the provider arguments that are not known yet in this plan.
func (c *Clients) Unknown() []string { return c.unknown }

// UnknownText names them in a sentence.
func (c *Clients) UnknownText() string {
	if len(c.unknown) == 1 {
		return fmt.Sprintf("The provider argument %s is not known yet", c.unknown[0])
	}
	return fmt.Sprintf("The provider arguments %s are not known yet", strings.Join(c.unknown, ", "))
}

// ImageService returns the client of the image service, or the one diagnostic
// that says what its configuration lacks.
func (c *Clients) ImageService() (*imageservice.Client, diag.Diagnostics) {
	if c.imageService == nil {
		return nil, diag.Diagnostics{c.imageProblem}
	}
	return c.imageService, nil
}
