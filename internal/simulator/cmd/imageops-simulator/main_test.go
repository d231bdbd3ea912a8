package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/imageops/terraform-provider-imageops/internal/simulator"
)

// describe reads the one line that the program prints.
func describe(t *testing.T, output io.Reader) (simulator.Description, *json.Decoder) {
	t.Helper()
	decoder := json.NewDecoder(output)
	var d simulator.Description
	if err := decoder.Decode(&d); err != nil {
		t.Fatal(err)
	}
	return d, decoder
}

func TestServesUntilToldToEnd(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	output, input := io.Pipe()
	done := make(chan error, 1)
	go func() {
		done <- run(ctx, []string{"-listen", "127.0.0.1:0", "-assume", "database=mysql"}, input, io.Discard)
		_ = input.Close()
	}()
	d, decoder := describe(t, output)
	response, err := http.Get(d.Image + "/")
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusMultipleChoices || d.Username != "demo" || d.ProjectName != "demo" || d.UserDomainName != "Default" {
		t.Errorf("status %d, description %+v", response.StatusCode, d)
	}
	response, err = http.Get(strings.TrimSuffix(d.Image, "/image") + "/_requests")
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Errorf("the control addresses answer %d", response.StatusCode)
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("ended with %v", err)
	}
	var more any
	if err := decoder.Decode(&more); err != io.EOF {
		t.Errorf("printed more than one line: %v, %v", more, err)
	}
}

func TestServesARelease(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	output, input := io.Pipe()
	done := make(chan error, 1)
	go func() {
		done <- run(ctx, []string{"-release", "2206"}, input, io.Discard)
		_ = input.Close()
	}()
	d, _ := describe(t, output)
	for path, want := range map[string]int{"/rest/external/v2/base-snapshots": 401, "/rest/external/v2/base-vms": 404} {
		response, err := http.Get(d.Horizon + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != want || d.Domain != "DEMO" {
			t.Errorf("%s is answered with %d, description %+v", path, response.StatusCode, d)
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("ended with %v", err)
	}
}

func TestServesAFlavor(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	output, input := io.Pipe()
	done := make(chan error, 1)
	go func() {
		done <- run(ctx, []string{"-flavor", "opentelekomcloud", "-assume", "gateway-codes=APIG"}, input, io.Discard)
		_ = input.Close()
	}()
	d, _ := describe(t, output)
	response, err := http.Get(d.Image + "/v2/cloudimages")
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	if err != nil || response.StatusCode != http.StatusUnauthorized || !strings.Contains(string(body), `"APIG.0301"`) || d.AccessKey == "" || d.SecretKey == "" {
		t.Errorf("status %d %s, %v, description %+v", response.StatusCode, body, err, d)
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("ended with %v", err)
	}
}

func TestRefusesWhatItCannotServe(t *testing.T) {
	for arguments, want := range map[string]string{
		"-listen 0.0.0.0:0":       "not a loopback address",
		"-listen nonsense":        "reading -listen",
		"-assume database":        "not of the form NAME=VALUE",
		"-assume database=db2":    "only one of: sqlite, mysql",
		"-assume nothing=at-all":  "unknown assumption",
		"-policy open":            "unknown policy",
		"-flavor aws":             "unknown flavor",
		"-release 2209":           "unknown release",
		"-clock-rate 0":           "not more than 0",
		"-listen 127.0.0.1:0 now": "unexpected argument",
	} {
		err := run(t.Context(), strings.Fields(arguments), io.Discard, io.Discard)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s ends with %v, want %q", arguments, err, want)
		}
	}
}

func TestOptionsOfTheCommandLine(t *testing.T) {
	c, err := parse(strings.Fields("-flavor huaweicloud -release 2306 -clock-rate 60 -token-lifetime 5m -property-quota 8 -tag-quota -1 -policy secure-rbac"), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	o := c.options
	if o.Flavor != simulator.FlavorHuaweiCloud || o.Release != "2306" || o.ClockRate != 60 || o.TokenLifetime != 5*time.Minute || o.PropertyQuota != 8 || o.TagQuota != -1 || o.Policy != simulator.PolicySecureRBAC {
		t.Errorf("options are %+v", o)
	}
}

// TestMain lets the test binary stand in for the program.
func TestMain(m *testing.M) {
	if os.Getenv("IMAGEOPS_SIMULATOR_MAIN") == "1" {
		main()
		return
	}
	os.Exit(m.Run())
}

func TestEndsOnSIGTERM(t *testing.T) {
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), executable)
	command.Env = append(os.Environ(), "IMAGEOPS_SIMULATOR_MAIN=1")
	var stderr bytes.Buffer
	command.Stderr = &stderr
	output, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	describe(t, output)
	if err := command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := command.Wait(); err != nil || stderr.Len() > 0 {
		t.Errorf("ended with %v, %s", err, stderr.String())
	}
}
