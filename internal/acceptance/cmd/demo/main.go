// Command demo shows the provider on a simulated cloud: it starts the simulator
// with a clock that runs fast, and lives through a month of examples/golden-image
// with the terraform or tofu on PATH: metadata, catalogue, a canary on a desktop
// pool, a colleague who gets in between, the release, and the way back. It leaves
// nothing behind.
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
	// An image is published in ten minutes of its clock. Tokens must outlive the demonstration.
	command := exec.CommandContext(ctx, program, "-listen", "127.0.0.1:0", "-clock-rate", "600", "-token-lifetime", "1000h")
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

// pace makes the provider look at a pool as often as the clock runs fast.
const pace = `provider "imageops" {
  horizon = { poll_interval = "250ms" }
}
`

// prepare copies the example and writes the settings of terraform.
func (d *demo) prepare(root string) error {
	example, err := os.ReadFile(filepath.Join(root, "examples", "golden-image", "main.tf"))
	if err != nil {
		return err
	}
	for name, content := range map[string]string{
		"terraform.rc":     fmt.Sprintf("provider_installation {\n  dev_overrides {\n    \"imageops/imageops\" = %q\n  }\n  direct {}\n}\n", filepath.Join(root, "bin")),
		"main.tf":          string(example),
		"pace_override.tf": pace,
	} {
		if err := os.WriteFile(filepath.Join(d.folder, name), []byte(content), 0o600); err != nil {
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

// month is a line of the example's variable versions.
type month struct {
	ImageID  string `json:"image_id"`
	Snapshot string `json:"snapshot"`
}

// set writes the variables of the example, as a commit of a month would.
func (d *demo) set(versions map[string]month, production, approved string) error {
	variables, err := json.MarshalIndent(map[string]any{
		"versions": versions, "production": production, "approved": approved,
		// This is a pool of tests: destroying brings it back to what it ran.
		"on_destroy": "rollback",
	}, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(d.folder, "month.auto.tfvars.json"), variables, 0o600)
}

func (d *demo) show(ctx context.Context) error {
	if err := d.signIn(ctx); err != nil {
		return err
	}
	october, err := d.imageID(ctx, "windows-11")
	if err != nil {
		return err
	}
	november, err := d.build(ctx, "windows-11-2026-11")
	if err != nil {
		return err
	}
	before := map[string]map[string]json.RawMessage{}
	for _, id := range []string{october, november} {
		if before[id], err = d.image(ctx, id); err != nil {
			return err
		}
	}
	pool, err := d.pool(ctx)
	if err != nil {
		return err
	}
	versions := map[string]month{"2026-10": {october, "v1"}}
	for _, step := range []struct {
		heading              string
		builds               map[string]month
		production, approved string
		run                  func(ctx context.Context) error
	}{
		{"The first month: the image's metadata, its version in the catalogue, and the pool, which runs that image already", nil, "2026-10", "2026-10", d.planAndApply},
		{"November is built: one more line, which no pool notices", map[string]month{"2026-11": {november, "v2"}}, "2026-10", "2026-10", d.apply},
		{"The tag moves, and two machines are to get the image. Before the apply, a colleague schedules another one", nil, "2026-11", "2026-10", func(ctx context.Context) error { return d.conflict(ctx, pool) }},
		{"The colleague takes it back, and the plan is made again", nil, "2026-11", "2026-10", func(ctx context.Context) error { return d.afterwards(ctx, pool) }},
		{"The canary does well, and the image is released to the whole pool", nil, "2026-11", "2026-11", d.planAndApply},
		{"Nothing is left to do", nil, "2026-11", "2026-11", func(ctx context.Context) error { return d.run(ctx, 0, "plan") }},
		{"Destroy: the pool goes back to what it ran, the catalogue is emptied, and the metadata is put back", nil, "2026-11", "2026-11", func(ctx context.Context) error { return d.run(ctx, 0, "destroy", "-auto-approve") }},
	} {
		heading(step.heading)
		maps.Copy(versions, step.builds)
		if err := d.set(versions, step.production, step.approved); err != nil {
			return err
		}
		if err := step.run(ctx); err != nil {
			return err
		}
	}
	for id, was := range before {
		after, err := d.image(ctx, id)
		if err != nil {
			return err
		}
		if !maps.EqualFunc(was, after, func(a, b json.RawMessage) bool { return bytes.Equal(a, b) }) {
			return fmt.Errorf("the image %s is not what it was: %s, before %s", id, after, was)
		}
	}
	after, err := d.pool(ctx)
	if err != nil {
		return err
	}
	if after.Settings.SnapshotID != pool.Settings.SnapshotID {
		return fmt.Errorf("the pool runs %s, before %s", after.Settings.SnapshotID, pool.Settings.SnapshotID)
	}
	fmt.Println("\nThe images and the pool are what they were before. The simulator ends, and nothing is left behind.")
	return nil
}

func (d *demo) apply(ctx context.Context) error { return d.run(ctx, 0, "apply", "-auto-approve") }

const savedPlan = "month.plan"

func (d *demo) planAndApply(ctx context.Context) error {
	if err := d.run(ctx, 0, "plan", "-out="+savedPlan); err != nil {
		return err
	}
	return d.run(ctx, 0, "apply", savedPlan)
}

// conflict lets a colleague schedule an image between plan and apply.
func (d *demo) conflict(ctx context.Context, p *desktopPool) error {
	if err := d.run(ctx, 0, "plan", "-out="+savedPlan); err != nil {
		return err
	}
	if err := d.schedule(ctx, p); err != nil {
		return err
	}
	fmt.Println("\n(a colleague schedules v3 for the same pool, in Horizon Console)")
	return d.run(ctx, 1, "apply", savedPlan)
}

// afterwards is the way on from conflict.
func (d *demo) afterwards(ctx context.Context, p *desktopPool) error {
	if err := d.cancel(ctx, p); err != nil {
		return err
	}
	return d.planAndApply(ctx)
}

func heading(text string) { fmt.Printf("\n=== %s ===\n\n", text) }

// run runs a terraform command that is expected to end with an exit code, and shows
// of its output what tells how it goes on.
func (d *demo) run(ctx context.Context, want int, args ...string) error {
	fmt.Printf("$ terraform %s\n", strings.Join(args, " "))
	command := exec.CommandContext(ctx, d.terraform, append(args[:1:1], append([]string{"-no-color"}, args[1:]...)...)...)
	command.Dir, command.Env = d.folder, d.environ
	var output bytes.Buffer
	command.Stdout, command.Stderr = &output, &output
	err := command.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return err
	}
	got, text := command.ProcessState.ExitCode(), withoutBanner(output.String())
	if got != want {
		fmt.Println(strings.TrimSpace(text))
		return fmt.Errorf("terraform %s ended with %d, want %d", args[0], got, want)
	}
	fmt.Println(strings.Trim(abridge(text), "\n"))
	return nil
}

var (
	// told are the lines of terraform that say how it goes on.
	told = regexp.MustCompile(`^(  # |Plan:|No changes|Apply complete!|Destroy complete!|imageops_.*(complete|Still ))`)
	// listed begins the lists of a plan that say what is going to be sent, message an
	// error or a warning, which goes on to the next line that is told.
	listed  = regexp.MustCompile(`^\s+[~+] planned_(changes|calls) += \[$`)
	message = regexp.MustCompile(`^(╷|Error:|Warning:)`)
)

// abridge leaves out of terraform's output what is long and tells little.
func abridge(output string) string {
	var lines []string
	inList, inMessage := false, false
	for line := range strings.Lines(output) {
		line = strings.TrimRight(line, "\n")
		switch {
		case inList:
			inList = strings.TrimSpace(line) != "]"
		case listed.MatchString(line):
			inList = true
		case message.MatchString(line):
			inMessage = true
		case told.MatchString(line):
			inMessage = false
		case !inMessage:
			continue
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
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

// build makes an image without data, as a pipeline would begin one.
func (d *demo) build(ctx context.Context, name string) (id string, err error) {
	body := fmt.Sprintf(`{"name": %q, "disk_format": "raw", "container_format": "bare", "hw_firmware_type": "bios", "pipeline": "4711"}`, name)
	_, answer, err := d.call(ctx, http.MethodPost, d.cloud.Image+"/v2/images", "application/json", body)
	if err != nil {
		return "", err
	}
	var image struct {
		ID string `json:"id"`
	}
	err = json.Unmarshal(answer, &image)
	return image.ID, err
}

// call sends one request to the cloud with a client of its own.
func (d *demo) call(ctx context.Context, method, url, contentType, body string) (http.Header, []byte, error) {
	return send(ctx, method, url, body, map[string]string{"Content-Type": contentType, "X-Auth-Token": d.token})
}

func send(ctx context.Context, method, url, body string, header map[string]string) (http.Header, []byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	for name, value := range header {
		request.Header.Set(name, value)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode >= http.StatusMultipleChoices {
		err = fmt.Errorf("%s %s: %s: %s", method, url, response.Status, content)
	}
	return response.Header, content, err
}
