// Package tools pins the programs that generate the documentation, in a module
// of its own so that users of the provider do not build them.
package tools

import (
	_ "github.com/hashicorp/terraform-plugin-docs/cmd/tfplugindocs" // Writes docs/.
)
