// Command imageops-simulator serves a simulated cloud on a loopback address. It
// prints one line of JSON that describes the cloud when it is ready, and ends on
// SIGTERM or an interrupt.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/imageops/terraform-provider-imageops/internal/simulator"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return
		}
		fmt.Fprintln(os.Stderr, "imageops-simulator:", err)
		os.Exit(1)
	}
}

// configuration is what the command line says.
type configuration struct {
	listen  string
	options simulator.Options
}

func parse(arguments []string, stderr io.Writer) (configuration, error) {
	c := configuration{options: simulator.Options{Assumptions: map[string]string{}}}
	flags := flag.NewFlagSet("imageops-simulator", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&c.listen, "listen", "127.0.0.1:0", "loopback `address` to listen on; port 0 picks a free one")
	flags.Float64Var(&c.options.ClockRate, "clock-rate", 1, "let the clock run `N` times as fast")
	flags.Func("flavor", "whose image service: openstack (default), huaweicloud or opentelekomcloud", func(name string) error {
		flavor, err := simulator.ParseFlavor(name)
		c.options.Flavor = flavor
		return err
	})
	flags.Func("release", "release of Horizon, such as 2312; the newest is the default", func(name string) error {
		release, err := simulator.ParseRelease(name)
		c.options.Release = release
		return err
	})
	flags.DurationVar(&c.options.TokenLifetime, "token-lifetime", 0, "how long a token is valid; 0 means 1h, or 24h with the vendors' flavors")
	flags.IntVar(&c.options.PropertyQuota, "property-quota", 0, "most properties of an image of Glance; 0 means 128, negative no limit")
	flags.IntVar(&c.options.TagQuota, "tag-quota", 0, "most tags of an image of Glance; 0 means 128, negative no limit")
	flags.Func("policy", "rules of Glance: legacy (default) or secure-rbac", func(value string) error {
		c.options.Policy = simulator.Policy(value)
		if c.options.Policy != simulator.PolicyLegacy && c.options.Policy != simulator.PolicySecureRBAC {
			return fmt.Errorf("unknown policy %q", value)
		}
		return nil
	})
	flags.Func("assume", "`NAME=VALUE` of an assumption, see ASSUMPTIONS.md; may come several times", func(text string) error {
		name, value, found := strings.Cut(text, "=")
		if !found {
			return errors.New("not of the form NAME=VALUE")
		}
		c.options.Assumptions[name] = value
		return simulator.CheckAssumption(name, value)
	})
	if err := flags.Parse(arguments); err != nil {
		return c, err
	}
	if flags.NArg() > 0 {
		return c, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if c.options.ClockRate <= 0 {
		return c, fmt.Errorf("-clock-rate is %v, not more than 0", c.options.ClockRate)
	}
	return c, nil
}

// run serves until the context ends.
func run(ctx context.Context, arguments []string, stdout, stderr io.Writer) error {
	c, err := parse(arguments, stderr)
	if err != nil {
		return err
	}
	address, err := net.ResolveTCPAddr("tcp", c.listen)
	if err != nil {
		return fmt.Errorf("reading -listen: %w", err)
	}
	if !address.IP.IsLoopback() {
		return fmt.Errorf("-listen is %s, not a loopback address", c.listen)
	}
	listener, err := net.ListenTCP("tcp", address)
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	s := simulator.New(c.options)
	server := &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	if err := json.NewEncoder(stdout).Encode(s.Describe("http://" + listener.Addr().String())); err != nil {
		return fmt.Errorf("printing the description: %w", err)
	}
	select {
	case err := <-failed:
		return fmt.Errorf("serving: %w", err)
	case <-ctx.Done():
		// Nobody waits for a simulator's answers once it is told to end.
		return server.Close()
	}
}
