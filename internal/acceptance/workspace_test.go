package acceptance

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	tfjson "github.com/hashicorp/terraform-json"
)

// builtInWorkspace returns a workspace whose folder for the provider is empty:
// terraform_data is built into terraform.
func builtInWorkspace(t *testing.T, environment map[string]string) *Workspace {
	t.Helper()
	return NewWorkspace(t, Options{ProviderFolder: t.TempDir(), Environment: environment})
}

const dataResource = `
variable "value" { default = "v1" }
resource "terraform_data" "this" { input = var.value }
output "value" { value = terraform_data.this.output }
`

func TestWorkspaceGoesThroughALife(t *testing.T) {
	t.Parallel()
	w := builtInWorkspace(t, nil)
	w.Write("main.tf", dataResource)

	w.PlanSaved("first.tfplan").MustSucceed(t)
	changes := w.ShowPlan("first.tfplan").ResourceChanges
	if len(changes) != 1 || changes[0].Address != "terraform_data.this" || !changes[0].Change.Actions.Create() {
		t.Errorf("the plan has the changes %+v", changes)
	}
	result := w.ApplySaved("first.tfplan").MustSucceed(t).MustContain(t, "Apply complete! Resources: 1 added")
	if result.Duration <= 0 {
		t.Errorf("duration %v", result.Duration)
	}
	if value := w.State().Outputs["value"]; value != "v1" {
		t.Errorf("output %v, want v1", value)
	}
	if code := w.Plan("-detailed-exitcode").ExitCode; code != 0 {
		t.Errorf("exit code %d of a plan without changes", code)
	}
	w.SetEnvironment("TF_VAR_value", "v2")
	if code := w.Plan("-detailed-exitcode").ExitCode; code != 2 {
		t.Errorf("exit code %d of a plan with changes", code)
	}
	w.Apply().MustSucceed(t)
	w.Destroy().MustSucceed(t)
	if state := w.State(); len(state.Outputs)+len(state.Resources) > 0 {
		t.Errorf("after destroy the state holds %+v", state)
	}
}

func TestWorkspaceImports(t *testing.T) {
	t.Parallel()
	w := builtInWorkspace(t, nil)
	w.Write("main.tf", `resource "terraform_data" "this" {}`)
	w.Import("terraform_data.this", "an-id").MustSucceed(t)
	if id := w.Attributes("terraform_data.this")["id"]; id != "an-id" || len(w.State().Resources) != 1 {
		t.Errorf("state holds %+v", w.State())
	}
}

// TestWorkspaceReadsTheStateAsTerraformShowsIt holds what is read from the file against
// what terraform says of it.
func TestWorkspaceReadsTheStateAsTerraformShowsIt(t *testing.T) {
	t.Parallel()
	w := builtInWorkspace(t, nil)
	w.Write("main.tf", `
resource "terraform_data" "one" { input = { text = "x", list = [1, null], flag = true } }
resource "terraform_data" "counted" {
  count = 2
  input = count.index
}
resource "terraform_data" "each" {
  for_each = toset(["a b", "\"c\""])
  input    = each.key
}
output "value" { value = { one = terraform_data.one.output } }
`)
	w.Apply().MustSucceed(t)
	w.Run("taint", "terraform_data.counted[1]").MustSucceed(t)
	var shown tfjson.State
	if err := shown.UnmarshalJSON([]byte(w.Run("show", "-json").MustSucceed(t).Stdout)); err != nil {
		t.Fatal(err)
	}
	want := State{Outputs: map[string]any{}, Resources: map[string]*Instance{}}
	for name, output := range shown.Values.Outputs {
		want.Outputs[name] = output.Value
	}
	for _, r := range shown.Values.RootModule.Resources {
		want.Resources[r.Address] = &Instance{Attributes: r.AttributeValues, Tainted: r.Tainted}
	}
	// The file says of a value without a type of its own which type it has, too.
	got := w.State()
	for _, instance := range got.Resources {
		for name, value := range instance.Attributes {
			if typed, ok := value.(map[string]any); ok && typed["type"] != nil {
				instance.Attributes[name] = typed["value"]
			}
		}
	}
	if len(want.Resources) != 5 || !reflect.DeepEqual(got, want) {
		t.Errorf("read %s, shown %s", jsonOf(t, got), jsonOf(t, want))
	}
}

func jsonOf(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestWorkspaceFailsWithTheMessageAsOneSentence(t *testing.T) {
	t.Parallel()
	w := builtInWorkspace(t, nil)
	const message = "The image 4b7c2f0e-89f3-4a53-8b1e-1f2d3c4b5a69 is not visible from project P1; it was managed from project P0 until now."
	w.Write("main.tf", fmt.Sprintf(`
variable "value" { default = "v1" }
resource "terraform_data" "this" {
  lifecycle {
    precondition {
      condition     = var.value == "v2"
      error_message = %q
    }
  }
}`, message))
	result := w.Apply().MustFail(t, message)
	if strings.Contains(result.Stdout+result.Stderr, message) {
		t.Error("terraform no longer wraps its messages: this test shows nothing")
	}
}

func TestWorkspaceIgnoresTheCallersEnvironment(t *testing.T) {
	t.Setenv("TF_VAR_value", "from outside")
	w := builtInWorkspace(t, nil)
	w.Write("main.tf", dataResource)
	w.Apply().MustSucceed(t)
	if value := w.State().Outputs["value"]; value != "v1" {
		t.Errorf("output %v, want v1", value)
	}
}

func TestWorkspaceFindsATextInEveryFileLeftBehind(t *testing.T) {
	t.Parallel()
	const sentinel = "sentinel-7d1c/ü"
	w := builtInWorkspace(t, map[string]string{"TF_LOG": "TRACE", "TF_VAR_value": sentinel})
	w.Write("main.tf", dataResource+"# "+sentinel+"\n")
	w.PlanSaved("secret.tfplan").MustSucceed(t)
	if names := w.FilesContaining(sentinel); !slices.Equal(names, []string{"work/secret.tfplan!tfplan"}) {
		t.Errorf("after the plan %q stands in %q", sentinel, names)
	}
	if names := w.FilesContaining("[TRACE]"); !slices.Equal(names, []string{"home/terraform.log"}) {
		t.Errorf("the log is in %q, want in %s alone", names, w.LogPath())
	}
	w.ApplySaved("secret.tfplan").MustSucceed(t)
	if names := w.FilesContaining(sentinel); !slices.Contains(names, "work/terraform.tfstate") {
		t.Errorf("after the apply %q stands in %q", sentinel, names)
	}
	w.SetEnvironment("TF_VAR_value", "other")
	w.Apply().MustSucceed(t)
	if names := w.FilesContaining(sentinel); !slices.Contains(names, "work/terraform.tfstate.backup") {
		t.Errorf("after the second apply %q stands in %q", sentinel, names)
	}
	if names := w.FilesContaining("nowhere-7d1c"); len(names) != 0 {
		t.Errorf("a text that nobody wrote stands in %q", names)
	}
}

func TestWorkspaceRunsTheProviderOfThisModule(t *testing.T) {
	t.Parallel()
	w := NewWorkspace(t, Options{})
	w.Write("main.tf", fmt.Sprintf("terraform {\n  required_providers {\n    imageops = { source = %q }\n  }\n}\n", ProviderSource))
	output := w.Run("providers", "schema", "-json").MustSucceed(t).Stdout
	var schemas tfjson.ProviderSchemas
	if err := schemas.UnmarshalJSON([]byte(output)); err != nil {
		t.Fatal(err)
	}
	for address := range schemas.Schemas {
		// The host is that of terraform's or of tofu's registry.
		if strings.HasSuffix(address, "/"+ProviderSource) {
			return
		}
	}
	t.Errorf("no schema of %s in %s", ProviderSource, output)
}

// blocking is a resource whose creation prints "started" from a process named
// like a provider, which then waits for a line that nobody writes.
func blocking(t *testing.T) string {
	t.Helper()
	shell, err := exec.LookPath("sh")
	if err != nil {
		// The process that is to be killed is a copy of the shell.
		t.Skip("no sh on PATH")
	}
	content, err := os.ReadFile(shell)
	if err != nil {
		t.Fatal(err)
	}
	fake := filepath.Join(t.TempDir(), "terraform-provider-fake")
	if err := os.WriteFile(fake, content, 0o700); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf(`
resource "terraform_data" "this" {
  provisioner "local-exec" {
    interpreter = [%q, "-c"]
    command     = "mkfifo blocked && echo started && read line < blocked"
  }
}`, fake)
}

func TestProcessIsInterrupted(t *testing.T) {
	t.Parallel()
	w := builtInWorkspace(t, nil)
	w.Write("main.tf", blocking(t))
	process := w.Start("apply", "-no-color", "-auto-approve")
	process.WaitFor("(local-exec): started")
	process.Interrupt()
	process.Wait().MustFail(t, "Gracefully shutting down", "execution halted")
}

func TestProcessIsKilled(t *testing.T) {
	t.Parallel()
	w := builtInWorkspace(t, nil)
	w.Write("main.tf", blocking(t))
	process := w.Start("apply", "-no-color", "-auto-approve")
	process.WaitFor("(local-exec): started")
	process.Kill()
	if code := process.Wait().ExitCode; code != -1 {
		t.Errorf("exit code %d, want -1", code)
	}
}

func TestProcessLosesItsProvider(t *testing.T) {
	t.Parallel()
	w := builtInWorkspace(t, nil)
	w.Write("main.tf", blocking(t))
	process := w.Start("apply", "-no-color", "-auto-approve")
	process.WaitFor("(local-exec): started")
	process.KillProvider()
	process.Wait().MustFail(t, "local-exec provisioner error", "signal: killed")
}
