// Command demo shows the provider on a simulated cloud: it starts the simulator,
// applies examples/golden-image with the terraform or tofu on PATH, lets a
// colleague write in between, keeps examples/image-catalogue for a month, destroys
// both, and leaves nothing behind.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// demo is a run of the demonstration.
type demo struct {
	terraform string
	folder    string
	example   string // whose folder below folder is worked in
	environ   []string
	cloud     cloud
	token     string
}

// cloud is the line that the simulator prints when it is ready.
type cloud struct {
	Identity       string `json:"identity"`
	Image          string `json:"image"`
	Username       string `json:"username"`
	Password       string `json:"password"`
	UserDomainName string `json:"user_domain_name"`
	ProjectName    string `json:"project_name"`
	Horizon        string `json:"horizon"`
	Domain         string `json:"domain"`
}

func run(ctx context.Context) (err error) {
	d := &demo{}
	for _, name := range []string{"terraform", "tofu"} {
		if d.terraform, err = exec.LookPath(name); err == nil {
			break
		}
	}
	if d.terraform == "" {
		return errors.New("neither terraform nor tofu is on PATH")
	}
	root, err := os.Getwd()
	if err != nil {
		return err
	}
	if d.folder, err = os.MkdirTemp("", "imageops-demo-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(d.folder)) }()

	end, err := d.start(ctx, filepath.Join(root, "bin", "imageops-simulator"))
	if err != nil {
		return err
	}
	defer end()
	if err := d.prepare(root); err != nil {
		return err
	}
	return d.show(ctx)
}

// start starts the simulator, and returns what ends it.
func (d *demo) start(ctx context.Context, program string) (end func(), err error) {
	command := exec.CommandContext(ctx, program, "-listen", "127.0.0.1:0")
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	command.WaitDelay = 5 * time.Second
	command.Stderr = os.Stderr
	output, err := command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := command.Start(); err != nil {
		return nil, fmt.Errorf("%w; make demo builds it", err)
	}
	end = func() {
		_ = command.Process.Signal(syscall.SIGTERM)
		_ = command.Wait()
	}
	line, err := bufio.NewReader(output).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &d.cloud)
	}
	if err != nil {
		end()
		return nil, fmt.Errorf("the simulator did not say that it is ready: %w", err)
	}
	return end, nil
}

// prepare copies the example and writes the settings of terraform.
func (d *demo) prepare(root string) error {
	settings := fmt.Sprintf("provider_installation {\n  dev_overrides {\n    \"imageops/imageops\" = %q\n  }\n  direct {}\n}\n", filepath.Join(root, "bin"))
	if err := os.WriteFile(filepath.Join(d.folder, "terraform.rc"), []byte(settings), 0o600); err != nil {
		return err
	}
	for _, name := range []string{goldenImage, imageCatalogue} {
		example, err := os.ReadFile(filepath.Join(root, "examples", name, "main.tf"))
		if err != nil {
			return err
		}
		if err := os.Mkdir(filepath.Join(d.folder, name), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(d.folder, name, "main.tf"), example, 0o600); err != nil {
			return err
		}
	}
	for _, variable := range os.Environ() {
		foreign := func(prefix string) bool { return strings.HasPrefix(variable, prefix) }
		if !slices.ContainsFunc([]string{"OS_", "TF_", "HORIZON_"}, foreign) {
			d.environ = append(d.environ, variable)
		}
	}
	d.environ = append(d.environ,
		"TF_CLI_CONFIG_FILE="+filepath.Join(d.folder, "terraform.rc"), "CHECKPOINT_DISABLE=1",
		"OS_AUTH_URL="+d.cloud.Identity, "OS_REGION_NAME=RegionOne", "OS_USERNAME="+d.cloud.Username, "OS_PASSWORD="+d.cloud.Password,
		"OS_USER_DOMAIN_NAME="+d.cloud.UserDomainName, "OS_PROJECT_NAME="+d.cloud.ProjectName, "OS_PROJECT_DOMAIN_NAME="+d.cloud.UserDomainName,
		"HORIZON_URL="+d.cloud.Horizon, "HORIZON_DOMAIN="+d.cloud.Domain, "HORIZON_USERNAME="+d.cloud.Username, "HORIZON_PASSWORD="+d.cloud.Password)
	return nil
}

// The examples that are shown, by their folders.
const (
	goldenImage    = "golden-image"
	imageCatalogue = "image-catalogue"
)

func (d *demo) show(ctx context.Context) error {
	if err := d.showImage(ctx); err != nil {
		return err
	}
	if err := d.showCatalogue(ctx); err != nil {
		return err
	}
	fmt.Println("\nThe simulator ends, and nothing is left behind.")
	return nil
}

// showCatalogue keeps an image catalogue of Horizon for a month.
func (d *demo) showCatalogue(ctx context.Context) error {
	d.example = imageCatalogue
	heading("The Horizon image catalogue: a stream, two versions with their VM and snapshot, and the tag that pools follow")
	if err := d.runBriefly(ctx, "apply", "-auto-approve"); err != nil {
		return err
	}
	heading("Next month: the tag moves to the second version, and the first is disabled")
	const next = `production = "2026-11"
versions = {
  "2026-10" = { snapshot = "v1", status = "DISABLED" }
  "2026-11" = { snapshot = "v2" }
}
`
	if err := os.WriteFile(filepath.Join(d.folder, imageCatalogue, "next.auto.tfvars"), []byte(next), 0o600); err != nil {
		return err
	}
	if err := d.run(ctx, 0, "apply", "-auto-approve"); err != nil {
		return err
	}
	heading("Destroy takes it all away, in the right order")
	return d.runBriefly(ctx, "destroy", "-auto-approve")
}

// showImage changes the metadata of an image, with a conflict.
func (d *demo) showImage(ctx context.Context) error {
	d.example = goldenImage
	if err := d.signIn(ctx); err != nil {
		return err
	}
	id, err := d.imageID(ctx, "windows-11")
	if err != nil {
		return err
	}
	d.environ = append(d.environ, "TF_VAR_image_id="+id)
	before, err := d.image(ctx, id)
	if err != nil {
		return err
	}

	heading("The plan shows the JSON Patch that will be sent")
	if err := d.run(ctx, 0, "plan", "-out=golden.plan"); err != nil {
		return err
	}
	heading("Apply")
	if err := d.run(ctx, 0, "apply", "golden.plan"); err != nil {
		return err
	}

	heading("Next month: more memory is planned, and a colleague writes the same key before the apply")
	if err := d.run(ctx, 0, "plan", "-var=min_ram=8192", "-out=next.plan"); err != nil {
		return err
	}
	if err := d.patch(ctx, id, `[{"op":"replace","path":"/min_ram","value":2048}]`); err != nil {
		return err
	}
	fmt.Println("\n(a colleague sets min_ram to 2048)")
	if err := d.run(ctx, 1, "apply", "next.plan"); err != nil {
		return err
	}
	heading("Nothing was sent. Planned and applied again, knowing of it")
	if err := d.run(ctx, 0, "apply", "-auto-approve", "-var=min_ram=8192"); err != nil {
		return err
	}

	heading("Destroy puts back what was found")
	if err := d.run(ctx, 0, "destroy", "-auto-approve"); err != nil {
		return err
	}
	after, err := d.image(ctx, id)
	if err != nil {
		return err
	}
	if !maps.EqualFunc(before, after, func(a, b json.RawMessage) bool { return bytes.Equal(a, b) }) {
		return fmt.Errorf("the image is not what it was: %s, before %s", after, before)
	}
	fmt.Println("\nThe image is what it was before.")
	return nil
}

func heading(text string) { fmt.Printf("\n=== %s ===\n\n", text) }

// run runs a terraform command that is expected to end with an exit code.
func (d *demo) run(ctx context.Context, want int, args ...string) error {
	return d.runShowing(ctx, withoutBanner, want, args...)
}

// progress is what of the output tells how an apply goes on, without its plan.
var progress = regexp.MustCompile(`(?m)^(imageops_|Plan:|Apply complete!|Destroy complete!).*$`)

// runBriefly is run for a command whose plan would be long and tell little.
func (d *demo) runBriefly(ctx context.Context, args ...string) error {
	brief := func(output string) string { return strings.Join(progress.FindAllString(output, -1), "\n") }
	return d.runShowing(ctx, brief, 0, args...)
}

func (d *demo) runShowing(ctx context.Context, shown func(output string) string, want int, args ...string) error {
	fmt.Printf("$ terraform %s\n", strings.Join(args, " "))
	command := exec.CommandContext(ctx, d.terraform, append(args[:1:1], append([]string{"-no-color"}, args[1:]...)...)...)
	command.Dir, command.Env = filepath.Join(d.folder, d.example), d.environ
	var output bytes.Buffer
	command.Stdout, command.Stderr = &output, &output
	err := command.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return err
	}
	got := command.ProcessState.ExitCode()
	if got != want {
		shown = withoutBanner
	}
	fmt.Println(strings.TrimSpace(shown(output.String())))
	if got != want {
		return fmt.Errorf("terraform %s ended with %d, want %d", args[0], got, want)
	}
	return nil
}

// banner is the warning that the provider comes from a folder, with the frame
// that some versions draw around it.
var banner = regexp.MustCompile(`(?s)(╷\n)?[│ ]*\n?[│ ]*Warning: Provider development overrides.*?releases\.\n(╵\n)?`)

// withoutBanner leaves the banner out: it would come with every command.
func withoutBanner(output string) string { return banner.ReplaceAllString(output, "") }

func (d *demo) signIn(ctx context.Context) error {
	body, err := json.Marshal(map[string]any{"auth": map[string]any{
		"identity": map[string]any{"methods": []string{"password"}, "password": map[string]any{"user": map[string]any{
			"name": d.cloud.Username, "password": d.cloud.Password, "domain": map[string]any{"name": d.cloud.UserDomainName},
		}}},
		"scope": map[string]any{"project": map[string]any{"name": d.cloud.ProjectName, "domain": map[string]any{"name": d.cloud.UserDomainName}}},
	}})
	if err != nil {
		return err
	}
	header, _, err := d.call(ctx, http.MethodPost, d.cloud.Identity+"/auth/tokens", "application/json", string(body))
	d.token = header.Get("X-Subject-Token")
	return err
}

func (d *demo) imageID(ctx context.Context, name string) (string, error) {
	_, body, err := d.call(ctx, http.MethodGet, d.cloud.Image+"/v2/images?name="+name, "", "")
	if err != nil {
		return "", err
	}
	var list struct {
		Images []struct {
			ID string `json:"id"`
		} `json:"images"`
	}
	if err := json.Unmarshal(body, &list); err != nil || len(list.Images) != 1 {
		return "", fmt.Errorf("%d images are called %s: %w", len(list.Images), name, err)
	}
	return list.Images[0].ID, nil
}

// image returns the image without what changes with every write.
func (d *demo) image(ctx context.Context, id string) (map[string]json.RawMessage, error) {
	_, body, err := d.call(ctx, http.MethodGet, d.cloud.Image+"/v2/images/"+id, "", "")
	if err != nil {
		return nil, err
	}
	var image map[string]json.RawMessage
	err = json.Unmarshal(body, &image)
	delete(image, "updated_at")
	return image, err
}

func (d *demo) patch(ctx context.Context, id, body string) error {
	_, _, err := d.call(ctx, http.MethodPatch, d.cloud.Image+"/v2/images/"+id, "application/openstack-images-v2.1-json-patch", body)
	return err
}

// call sends one request with a client of its own: the colleague.
func (d *demo) call(ctx context.Context, method, url, contentType, body string) (http.Header, []byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	request.Header.Set("Content-Type", contentType)
	request.Header.Set("X-Auth-Token", d.token)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode >= http.StatusMultipleChoices {
		err = fmt.Errorf("%s %s: %s", method, url, response.Status)
	}
	return response.Header, content, err
}
