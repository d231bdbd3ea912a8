//go:build linux

package main

import (
	"context"
	"crypto/rand"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/imageops/terraform-provider-imageops/internal/acceptance"
)

const (
	// regionOneWorkers is the number of processes of RegionOne's image service:
	// several, so that two of them can overwrite each other's property, as on
	// every real cloud.
	regionOneWorkers = 4
	// regionTwoWorkers makes Glance serve from its one main process.
	regionTwoWorkers = 0
	// tokenSeconds is the lifetime of an ordinary token.
	tokenSeconds = 3600
	// shortTokenSeconds is the lifetime of a token of the second Keystone: long
	// enough for a sign-in and a few requests on a busy machine, short enough to
	// wait for.
	shortTokenSeconds = 4
)

// sitecustomize makes Glance's SQLite transactions wait for each other.
//
//go:embed sitecustomize.py
var sitecustomize string

// cloud is a Keystone and Glance that run in one folder.
type cloud struct {
	dir      string
	services chan *service // started services; a channel, because they start in parallel
}

// maximumServices is how many services a cloud has.
const maximumServices = 4

func newCloud(dir string) *cloud {
	return &cloud{dir: dir, services: make(chan *service, maximumServices)}
}

func (c *cloud) path(elements ...string) string {
	return filepath.Join(append([]string{c.dir}, elements...)...)
}

// start starts everything and returns the path of the JSON file that describes
// the cloud. What does not depend on each other runs at the same time: most of
// the start is the import of Python modules.
func (c *cloud) start(ctx context.Context) (string, error) {
	ports, err := freePorts(maximumServices)
	if err != nil {
		return "", err
	}
	layout := layout{
		dir:                c.dir,
		keystone:           ports[0],
		shortLivedKeystone: ports[1],
		glance:             map[string]int{acceptance.RegionOne: ports[2], acceptance.RegionTwo: ports[3]},
	}
	if err := c.writeFiles(layout); err != nil {
		return "", err
	}

	description := layout.description()
	err = parallel(ctx,
		func(ctx context.Context) error { return c.startIdentity(ctx, layout, description) },
		func(ctx context.Context) error { return c.startImages(ctx, layout) },
	)
	if err != nil {
		return "", err
	}
	// The first authenticated request makes each image service fetch its own
	// token and load its code paths, which is part of the start and not of a test.
	if err := warm(ctx, description); err != nil {
		return "", err
	}
	if err := description.WriteCloudsYAML(description.CloudsYAML); err != nil {
		return "", err
	}
	content, err := json.MarshalIndent(description, "", "  ")
	if err != nil {
		return "", err
	}
	path := c.path("openstack.json")
	return path, os.WriteFile(path, append(content, '\n'), 0o600)
}

// startIdentity makes Keystone's database, starts both Keystones and fills in
// accounts and their ids.
func (c *cloud) startIdentity(ctx context.Context, l layout, description *acceptance.Cloud) error {
	configuration := c.path("keystone.conf")
	err := parallel(ctx,
		func(ctx context.Context) error {
			if err := execute(ctx, "keystone-manage", "--config-file", configuration, "db_sync"); err != nil {
				return err
			}
			if err := enableWAL(ctx, c.path("keystone.db")); err != nil {
				return err
			}
			return execute(ctx, "keystone-manage", "--config-file", configuration, "bootstrap",
				"--bootstrap-password", passwords[acceptance.UserAdmin])
		},
		func(ctx context.Context) error {
			return c.startKeystone(ctx, "keystone", configuration, l.keystone)
		},
		func(ctx context.Context) error {
			return c.startKeystone(ctx, "keystone-short", c.path("keystone-short.conf"), l.shortLivedKeystone)
		},
	)
	if err != nil {
		return err
	}
	return seed(ctx, description)
}

// enableWAL switches a database to SQLite's write-ahead log for good. Without
// it Keystone, which may hold a read transaction in one thread and write in
// another, waits for itself until the write fails with "database is locked".
func enableWAL(ctx context.Context, database string) error {
	return execute(ctx, "/usr/bin/python3", "-c",
		"import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute('PRAGMA journal_mode=WAL')", database)
}

// startKeystone serves Keystone's WSGI program with uWSGI, as Debian's own
// service does: the small server inside the program handles one request at a
// time and drops connections when tests come in parallel.
func (c *cloud) startKeystone(ctx context.Context, name, configuration string, port int) error {
	return c.startService(ctx, name, port, "/v3",
		[]string{"OS_KEYSTONE_CONFIG_FILES=" + configuration},
		"uwsgi", "--plugin", "python3", "--wsgi-file", "/usr/bin/keystone-wsgi-public",
		"--http-socket", address(port), "--master", "--no-orphans", "--die-on-term", "--need-app", "--lazy-apps",
		// Processes rather than threads: a SQLite connection belongs to the thread
		// that made it, and a request in another one ends without an answer.
		"--processes", "3",
		// uWSGI closes the connection after an answer; unless it says so, clients
		// send their next request into the closed one.
		"--add-header", "Connection: close",
		"--buffer-size", "65535", "--listen", "100", "--disable-logging")
}

// startImages makes the database once, copies it for the second region, and
// starts both image services.
func (c *cloud) startImages(ctx context.Context, l layout) error {
	if err := execute(ctx, "glance-manage", "--config-file", c.path(l.glanceConfiguration(acceptance.RegionOne)), "db_sync"); err != nil {
		return err
	}
	database, err := os.ReadFile(c.path(acceptance.RegionOne + ".db"))
	if err != nil {
		return err
	}
	if err := os.WriteFile(c.path(acceptance.RegionTwo+".db"), database, 0o600); err != nil {
		return err
	}
	var steps []func(context.Context) error
	for region, port := range l.glance {
		steps = append(steps, func(ctx context.Context) error {
			return c.startService(ctx, "glance-"+region, port, "/versions",
				[]string{"PYTHONPATH=" + c.path("python")},
				"glance-api", "--config-file", c.path(l.glanceConfiguration(region)))
		})
	}
	return parallel(ctx, steps...)
}

// startService starts a server, remembers it for stop, and waits until it
// answers on path.
func (c *cloud) startService(ctx context.Context, name string, port int, path string, environment []string, arguments ...string) error {
	started, err := startService(name, c.path("logs", name+".out"), environment, arguments...)
	if err != nil {
		return err
	}
	c.services <- started
	return started.waitReady(ctx, "http://"+address(port)+path)
}

// stop ends all services at the same time.
func (c *cloud) stop() {
	close(c.services)
	var steps []func(context.Context) error
	for s := range c.services {
		steps = append(steps, func(context.Context) error {
			s.stop()
			return nil
		})
	}
	_ = parallel(context.Background(), steps...)
}

// printLogs writes the end of every log to w.
func (c *cloud) printLogs(w io.Writer) {
	logs, err := filepath.Glob(c.path("logs", "*"))
	if err != nil {
		return
	}
	for _, path := range logs {
		content, err := os.ReadFile(path)
		if err != nil || len(content) == 0 {
			continue
		}
		_, _ = fmt.Fprintf(w, "--- %s\n%s\n", filepath.Base(path), tail(content, 20))
	}
}

// writeFiles writes what the services read.
func (c *cloud) writeFiles(l layout) error {
	for _, dir := range []string{"logs", "fernet", "credential", "python", acceptance.RegionOne, acceptance.RegionTwo} {
		if err := os.Mkdir(c.path(dir), 0o700); err != nil {
			return err
		}
	}
	files := map[string]string{
		"keystone.conf":       l.keystoneConfiguration("keystone", tokenSeconds),
		"keystone-short.conf": l.keystoneConfiguration("keystone-short", shortTokenSeconds),
		"catalog":             l.catalogue(),
		filepath.Join("python", "sitecustomize.py"): sitecustomize,
		l.glanceConfiguration(acceptance.RegionOne): l.glanceSettings(acceptance.RegionOne, regionOneWorkers),
		l.glanceConfiguration(acceptance.RegionTwo): l.glanceSettings(acceptance.RegionTwo, regionTwoWorkers),
	}
	// Two fernet keys: 0 is the next one, 1 signs. keystone-manage fernet_setup
	// and credential_setup write the same in two seconds each.
	for _, repository := range []string{"fernet", "credential"} {
		for _, name := range []string{"0", "1"} {
			key := make([]byte, 32)
			if _, err := rand.Read(key); err != nil {
				return err
			}
			files[filepath.Join(repository, name)] = base64.URLEncoding.EncodeToString(key)
		}
	}
	for name, content := range files {
		if err := os.WriteFile(c.path(name), []byte(content), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// address returns the loopback address with port.
func address(port int) string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
}

// freePorts returns count ports of 127.0.0.1 that were free a moment ago.
func freePorts(count int) ([]int, error) {
	ports := make([]int, 0, count)
	for range count {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		// All listeners stay open until the last port is known, lest one comes twice.
		defer func() { _ = listener.Close() }()
		tcp, ok := listener.Addr().(*net.TCPAddr)
		if !ok {
			return nil, fmt.Errorf("listener has no TCP address: %v", listener.Addr())
		}
		ports = append(ports, tcp.Port)
	}
	return ports, nil
}

// lines joins lines to the text of a file.
func lines(all ...string) string {
	return strings.Join(all, "\n") + "\n"
}
