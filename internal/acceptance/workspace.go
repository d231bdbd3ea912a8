package acceptance

import (
	"archive/zip"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	tfjson "github.com/hashicorp/terraform-json"
)

// Options are the choices for a Workspace.
type Options struct {
	// Environment is added to the commands' otherwise nearly empty environment.
	// TF_LOG = "TRACE" fills the file LogPath.
	Environment map[string]string
	// ProviderFolder holds the provider binary; empty is the one built from this
	// module, or named by IMAGEOPS_PROVIDER_BINARY.
	ProviderFolder string
	// CommandLimit bounds one command; 0 means five minutes.
	CommandLimit time.Duration
	// Measured says that commands run as those of users, without what makes tests faster.
	Measured bool
}

// Workspace is a folder with a configuration in which the real terraform, or
// tofu, runs with the real provider, without init and without a registry.
type Workspace struct {
	t           testing.TB
	binary      string
	folder      string
	home        string
	environment map[string]string
	limit       time.Duration
	written     map[string]bool // names of the configuration files
}

// NewWorkspace returns an empty workspace, which is deleted with the test.
func NewWorkspace(t testing.TB, options Options) *Workspace {
	t.Helper()
	root := t.TempDir()
	w := &Workspace{
		t:       t,
		binary:  terraformBinary(t),
		folder:  filepath.Join(root, "work"),
		home:    filepath.Join(root, "home"),
		limit:   cmp.Or(options.CommandLimit, commandLimit),
		written: map[string]bool{},
	}
	for _, folder := range []string{w.folder, w.home} {
		if err := os.Mkdir(folder, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	provider := options.ProviderFolder
	if provider == "" {
		provider = providerFolder(t)
	}
	settings := filepath.Join(root, "terraform.rc")
	content := fmt.Sprintf("provider_installation {\n  dev_overrides {\n    %q = %q\n  }\n  direct {}\n}\n", ProviderSource, provider)
	if err := os.WriteFile(settings, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	w.environment = map[string]string{
		"PATH":               os.Getenv("PATH"),
		"HOME":               w.home,
		"TMPDIR":             w.home,
		"TF_CLI_CONFIG_FILE": settings,
		"TF_LOG_PATH":        w.LogPath(),
		"TF_INPUT":           "0",
		"CHECKPOINT_DISABLE": "1",
	}
	if !options.Measured {
		// Of a short command, half of the time is for the keys of the connection between
		// terraform and provider.
		w.environment["TF_DISABLE_PLUGIN_TLS"] = "1"
		// What the tests themselves run with.
		for _, name := range []string{"GOGC", "GOMEMLIMIT"} {
			if value := os.Getenv(name); value != "" {
				w.environment[name] = value
			}
		}
	}
	maps.Copy(w.environment, options.Environment)
	return w
}

// Folder returns the working directory of the commands.
func (w *Workspace) Folder() string {
	return w.folder
}

// LogPath returns the file that the log of terraform and of the provider goes
// to, when TF_LOG asks for one.
func (w *Workspace) LogPath() string {
	return filepath.Join(w.home, "terraform.log")
}

// SetEnvironment changes one variable for the commands that follow.
func (w *Workspace) SetEnvironment(name, value string) {
	w.environment[name] = value
}

// Write writes a file of the configuration.
func (w *Workspace) Write(name, content string) {
	w.t.Helper()
	if err := os.WriteFile(filepath.Join(w.folder, name), []byte(content), 0o600); err != nil {
		w.t.Fatal(err)
	}
	w.written[name] = true
}

// Start starts a terraform command.
func (w *Workspace) Start(args ...string) *Process {
	w.t.Helper()
	command := exec.Command(w.binary, args...)
	command.Dir = w.folder
	for name, value := range w.environment {
		command.Env = append(command.Env, name+"="+value)
	}
	return startProcess(w.t, command, w.limit)
}

// Run runs a terraform command to its end.
func (w *Workspace) Run(args ...string) Result {
	w.t.Helper()
	return w.Start(args...).Wait()
}

// Plan runs `terraform plan`. With the argument -detailed-exitcode an exit code
// of 2 says that there are changes.
func (w *Workspace) Plan(args ...string) Result {
	w.t.Helper()
	return w.Run(append([]string{"plan", "-no-color"}, args...)...)
}

// PlanSaved runs `terraform plan -out=file`.
func (w *Workspace) PlanSaved(file string, args ...string) Result {
	w.t.Helper()
	return w.Plan(append([]string{"-out=" + file}, args...)...)
}

// Apply runs `terraform apply -auto-approve`.
func (w *Workspace) Apply(args ...string) Result {
	w.t.Helper()
	return w.Run(append([]string{"apply", "-no-color", "-auto-approve"}, args...)...)
}

// ApplySaved applies the plan in file.
func (w *Workspace) ApplySaved(file string) Result {
	w.t.Helper()
	return w.Run("apply", "-no-color", file)
}

// Destroy runs `terraform destroy -auto-approve`.
func (w *Workspace) Destroy(args ...string) Result {
	w.t.Helper()
	return w.Run(append([]string{"destroy", "-no-color", "-auto-approve"}, args...)...)
}

// Import runs `terraform import`.
func (w *Workspace) Import(address, id string) Result {
	w.t.Helper()
	return w.Run("import", "-no-color", address, id)
}

// ShowPlan returns the plan in file.
func (w *Workspace) ShowPlan(file string) *tfjson.Plan {
	w.t.Helper()
	var plan tfjson.Plan
	output := w.Run("show", "-json", file).MustSucceed(w.t).Stdout
	if err := plan.UnmarshalJSON([]byte(output)); err != nil {
		w.t.Fatalf("decoding the plan: %v\n%s", err, output)
	}
	return &plan
}

// State is what a state file holds of the root module.
type State struct {
	Outputs map[string]any
	// Resources stand by address; that of a data source begins with "data.".
	Resources map[string]*Instance
}

// Instance is an instance of a resource in the state.
type Instance struct {
	Attributes map[string]any
	Tainted    bool
}

// State reads the state file, which is quicker than `terraform show`. It is empty without a
// file, and with the empty one that stands from when the first terraform locks it. Deposed
// objects are left out.
func (w *Workspace) State() State {
	w.t.Helper()
	state := State{Outputs: map[string]any{}, Resources: map[string]*Instance{}}
	content, err := os.ReadFile(filepath.Join(w.folder, "terraform.tfstate"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		w.t.Fatal(err)
	}
	if len(content) == 0 {
		return state
	}
	var file struct {
		Version int
		Outputs map[string]struct{ Value any }
		// One entry for each block, with an instance for each key of for_each.
		Resources []struct {
			Mode, Type, Name string
			Instances        []struct {
				IndexKey   any `json:"index_key"`
				Deposed    string
				Status     string
				Attributes map[string]any
			}
		}
	}
	if err := json.Unmarshal(content, &file); err != nil || file.Version != 4 {
		w.t.Fatalf("the state is of version %d, want 4: %v\n%s", file.Version, err, content)
	}
	for name, output := range file.Outputs {
		state.Outputs[name] = output.Value
	}
	for _, r := range file.Resources {
		address := r.Type + "." + r.Name
		if r.Mode == "data" {
			address = "data." + address
		}
		for _, instance := range r.Instances {
			if instance.Deposed != "" {
				continue
			}
			at := address
			switch key := instance.IndexKey.(type) {
			case string:
				at = fmt.Sprintf("%s[%q]", address, key)
			case float64:
				at = fmt.Sprintf("%s[%.0f]", address, key)
			}
			state.Resources[at] = &Instance{Attributes: instance.Attributes, Tainted: instance.Status == "tainted"}
		}
	}
	return state
}

// Attributes returns the attributes of a resource in the state, and fails the test when
// it is not there.
func (w *Workspace) Attributes(address string) map[string]any {
	w.t.Helper()
	instance := w.State().Resources[address]
	if instance == nil {
		w.t.Fatalf("no %s in the state", address)
	}
	return instance.Attributes
}

// Files returns the content of everything that the commands have left behind:
// state, backups, plans, logs, crash reports. Names are relative to the
// workspace; an entry of a zip archive, as which a plan is saved, stands as
// FILE!ENTRY. The configuration is left out, and so are its copies in plans.
func (w *Workspace) Files() map[string]string {
	w.t.Helper()
	files := map[string]string{}
	for _, root := range []string{w.folder, w.home} {
		err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || !entry.Type().IsRegular() {
				return err
			}
			name, err := filepath.Rel(filepath.Dir(root), path)
			if err != nil {
				return err
			}
			if root == w.folder && w.written[entry.Name()] {
				return nil
			}
			return readFile(files, path, name)
		})
		if err != nil {
			w.t.Fatal(err)
		}
	}
	return files
}

// readFile adds the file at path, or the entries if it is an archive, to files.
func readFile(files map[string]string, path, name string) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	files[name] = string(content)
	archive, err := zip.OpenReader(path)
	if err != nil {
		// Most files are no archives.
		return nil
	}
	defer func() { _ = archive.Close() }()
	for _, entry := range archive.File {
		if strings.HasPrefix(entry.Name, "tfconfig/") {
			continue
		}
		reader, err := entry.Open()
		if err != nil {
			return err
		}
		content, err := io.ReadAll(reader)
		_ = reader.Close()
		if err != nil {
			return err
		}
		files[name+"!"+entry.Name] = string(content)
	}
	return nil
}

// FilesContaining returns the names of those Files in which text stands, as it
// is, escaped for a URL, or in base64.
func (w *Workspace) FilesContaining(text string) []string {
	w.t.Helper()
	forms := []string{text, url.QueryEscape(text), url.PathEscape(text), base64.StdEncoding.EncodeToString([]byte(text))}
	var names []string
	for name, content := range w.Files() {
		if slices.ContainsFunc(forms, func(form string) bool { return strings.Contains(content, form) }) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
