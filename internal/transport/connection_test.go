package transport_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"github.com/imageops/terraform-provider-imageops/internal/transport"
)

func TestRedirectsOnTheSameServerAreFollowedWithTheCredentials(t *testing.T) {
	tests := map[string]struct {
		status      int
		method      string
		follows     bool
		wantInError string
	}{
		"301 GET":   {301, "GET", true, ""},
		"302 HEAD":  {302, "HEAD", true, ""},
		"303 GET":   {303, "GET", true, ""},
		"307 PATCH": {307, "PATCH", true, ""},
		"308 PUT":   {308, "PUT", true, ""},
		"301 PATCH": {301, "PATCH", false, "the server redirects (301 Moved Permanently) a PATCH"},
		"303 POST":  {303, "POST", false, "the server redirects (303 See Other) a POST"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			server, seen := serve(t, func(w http.ResponseWriter, r *http.Request, _ int) {
				if r.URL.Path == "/from" {
					w.Header().Set("Location", "/to")
					w.WriteHeader(test.status)
				}
			})
			client, _ := newClient(t, transport.Options{})
			request := transport.Request{Method: test.method, URL: server.URL + "/from", Header: http.Header{"X-Auth-Token": {"abcd"}}, Body: []byte("body")}
			answer, err := client.Do(t.Context(), request)
			if !test.follows {
				if failure := asError(t, err); !strings.Contains(err.Error(), test.wantInError) || !failure.MayHaveTakenEffect || seen.count() != 1 {
					t.Errorf("%v after %d requests", err, seen.count())
				}
				return
			}
			if err != nil || answer.StatusCode != 200 || answer.Attempts != 2 {
				t.Fatalf("answer %+v, error %v", answer, err)
			}
			last := seen.requests[1]
			if last.URL.Path != "/to" || last.Method != test.method || last.Header.Get("X-Auth-Token") != "abcd" || seen.bodies[1] != "body" {
				t.Errorf("the second request was %s %s %v %q", last.Method, last.URL, last.Header, seen.bodies[1])
			}
		})
	}
}

func TestRedirectsElsewhereGetNoRequest(t *testing.T) {
	other, seenByOther := serve(t, func(http.ResponseWriter, *http.Request, int) {})
	tests := map[string]struct{ location, want string }{
		"another port":       {other.URL + "/x?token=abcdefgh", other.URL},
		"another host":       {"https://login.example/sso?ticket=abcdefgh", "https://login.example:443"},
		"another scheme":     {"https://127.0.0.1/", "https://127.0.0.1:443"},
		"without a scheme":   {"//login.example/", "http://login.example:80"},
		"not valid":          {"http://%zz", "not valid"},
		"with another user":  {"http://user:pass@login.example/", "http://login.example:80"},
		"a scheme of no use": {"javascript:alert(1)", "javascript://:"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			server, seen := serve(t, func(w http.ResponseWriter, _ *http.Request, _ int) {
				w.Header().Set("Location", test.location)
				w.WriteHeader(302)
			})
			for how, do := range map[string]func(*transport.Client) error{
				"Do": func(c *transport.Client) error {
					_, err := c.Do(t.Context(), transport.Request{Method: "GET", URL: server.URL, Header: http.Header{"X-Auth-Token": {"abcd"}}})
					return err
				},
				"HTTPClient": func(c *transport.Client) error {
					_, err := get(t, c, server.URL)
					return err
				},
			} {
				client, _ := newClient(t, transport.Options{MaxRetries: 2})
				err := do(client)
				if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "pass") || strings.Contains(err.Error(), "abcdefgh") {
					t.Errorf("%s: %v", how, err)
				}
			}
			if seen.count() != 2 || seenByOther.count() != 0 {
				t.Errorf("%d requests, %d elsewhere", seen.count(), seenByOther.count())
			}
		})
	}
}

func get(t *testing.T, c *transport.Client, address string) (string, error) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := c.HTTPClient().Do(request)
	if err != nil {
		return "", err
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	return string(body), err
}

func TestRedirectsEnd(t *testing.T) {
	server, seen := serve(t, func(w http.ResponseWriter, _ *http.Request, n int) {
		w.Header().Set("Location", fmt.Sprintf("/%d", n))
		w.WriteHeader(307)
	})
	client, _ := newClient(t, transport.Options{})
	_, err := client.Do(t.Context(), transport.Request{Method: "GET", URL: server.URL})
	if err == nil || !strings.Contains(err.Error(), "more than 5 redirects") || seen.count() != 6 {
		t.Errorf("%v after %d requests", err, seen.count())
	}
}

func TestARedirectWithoutAnAddressIsAnAnswer(t *testing.T) {
	server, _ := serve(t, func(w http.ResponseWriter, _ *http.Request, _ int) { w.WriteHeader(302) })
	client, _ := newClient(t, transport.Options{})
	answer, err := client.Do(t.Context(), transport.Request{Method: "GET", URL: server.URL})
	if err != nil || answer.StatusCode != 302 {
		t.Errorf("%v, %v", answer, err)
	}
}

func TestSizeLimit(t *testing.T) {
	const limit = 1000
	body := strings.Repeat("x", limit)
	bodies := map[string]struct {
		write func(http.ResponseWriter)
		fits  bool
	}{
		"just fits":            {func(w http.ResponseWriter) { _, _ = io.WriteString(w, body) }, true},
		"one too many":         {func(w http.ResponseWriter) { _, _ = io.WriteString(w, body+"x") }, false},
		"streamed, fits":       {func(w http.ResponseWriter) { w.(http.Flusher).Flush(); _, _ = io.WriteString(w, body) }, true},
		"streamed, too long":   {func(w http.ResponseWriter) { w.(http.Flusher).Flush(); _, _ = io.WriteString(w, body+"x") }, false},
		"compressed, fits":     {func(w http.ResponseWriter) { compress(w, body) }, true},
		"compressed, too long": {func(w http.ResponseWriter) { compress(w, strings.Repeat(body, 1000)) }, false},
	}
	for name, test := range bodies {
		t.Run(name, func(t *testing.T) {
			server, seen := serve(t, func(w http.ResponseWriter, _ *http.Request, _ int) { test.write(w) })
			client, _ := newClient(t, transport.Options{MaxResponseBytes: limit, MaxRetries: 3})
			answer, err := client.Do(t.Context(), transport.Request{Method: "PATCH", URL: server.URL})
			if test.fits {
				if err != nil || string(answer.Body) != body {
					t.Errorf("%v", err)
				}
				return
			}
			if failure := asError(t, err); !failure.MayHaveTakenEffect || !strings.Contains(err.Error(), "longer than the limit of 1000 bytes") || seen.count() != 1 {
				t.Errorf("%v after %d requests", err, seen.count())
			}
		})
	}
}

func compress(w http.ResponseWriter, body string) {
	w.Header().Set("Content-Encoding", "gzip")
	writer := gzip.NewWriter(w)
	_, _ = io.WriteString(writer, body)
	_ = writer.Close()
}

func TestACompressedAnswerThatIsNoneIsAnError(t *testing.T) {
	server, _ := serve(t, func(w http.ResponseWriter, _ *http.Request, _ int) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = io.WriteString(w, "this is not compressed at all")
	})
	client, _ := newClient(t, transport.Options{})
	_, err := client.Do(t.Context(), transport.Request{Method: "PATCH", URL: server.URL})
	if failure := asError(t, err); !failure.MayHaveTakenEffect || !strings.Contains(err.Error(), "the answer (200 OK) broke off after 0 bytes: gzip: invalid header") {
		t.Errorf("%v", err)
	}
}

func TestTheAnswerToHeadMayNameAnyLength(t *testing.T) {
	server, _ := serve(t, func(w http.ResponseWriter, _ *http.Request, _ int) { w.Header().Set("Content-Length", "123456") })
	client, _ := newClient(t, transport.Options{MaxResponseBytes: 10})
	answer, err := client.Do(t.Context(), transport.Request{Method: "HEAD", URL: server.URL})
	if err != nil || answer.Header.Get("Content-Length") != "123456" {
		t.Errorf("%v, %v", answer, err)
	}
}

func TestCertificates(t *testing.T) {
	ours, theirs := newAuthority(t, "Our CA"), newAuthority(t, "Their CA")
	clientCert, clientKey := ours.issue(t, nil)
	foreignCert, foreignKey := theirs.issue(t, nil)
	directory := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(directory, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	clientPool := x509.NewCertPool()
	clientPool.AddCert(ours.certificate)
	wantsClient := func(c *tls.Config) { c.ClientAuth, c.ClientCAs = tls.RequireAndVerifyClientCert, clientPool }
	wantsClient12 := func(c *tls.Config) { wantsClient(c); c.MaxVersion = tls.VersionTLS12 }
	old := func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }
	expired := func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }
	clientOnly := func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }
	misnamed := func(c *x509.Certificate) { c.IPAddresses, c.DNSNames = nil, []string{"glance.example"} }

	tests := map[string]struct {
		options transport.Options
		leaf    func(*x509.Certificate)
		server  func(*tls.Config)
		want    string // In the error; empty means that it works.

		// In TLS 1.3 the server's alert races with the reset of the connection, after which nothing can be known.
		alertMayBeLost bool
	}{
		"the CA as PEM":                    {options: transport.Options{CACert: ours.pem}},
		"the CA as a path":                 {options: transport.Options{CACert: file("ca.pem", ours.pem)}},
		"several CAs":                      {options: transport.Options{CACert: theirs.pem + ours.pem}},
		"no CA":                            {want: `is not trusted: it was issued by "CN=Our CA", which no known CA vouches for; give the CA with cacert`},
		"the wrong CA":                     {options: transport.Options{CACert: theirs.pem}, want: "give the CA with cacert"},
		"insecure":                         {options: transport.Options{Insecure: true}},
		"expired":                          {options: transport.Options{CACert: ours.pem}, leaf: expired, want: "has expired or is not valid yet"},
		"another name":                     {options: transport.Options{CACert: ours.pem}, leaf: misnamed, want: "is for another name"},
		"a certificate for clients":        {options: transport.Options{CACert: ours.pem}, leaf: clientOnly, want: "cannot be accepted: "},
		"TLS 1.1":                          {options: transport.Options{CACert: ours.pem}, server: old, want: "tls: "},
		"client certificate":               {options: transport.Options{CACert: ours.pem, ClientCert: clientCert, ClientKey: clientKey}, server: wantsClient},
		"client certificate as paths":      {options: transport.Options{CACert: ours.pem, ClientCert: file("c.pem", clientCert), ClientKey: file("k.pem", clientKey)}, server: wantsClient},
		"certificate and key in one":       {options: transport.Options{CACert: ours.pem, ClientCert: file("both.pem", clientCert+clientKey)}, server: wantsClient},
		"no client certificate":            {options: transport.Options{CACert: ours.pem}, server: wantsClient, want: "it may ask for a client certificate", alertMayBeLost: true},
		"no client certificate in TLS 1.2": {options: transport.Options{CACert: ours.pem}, server: wantsClient12, want: "it may ask for a client certificate"},
		"a foreign client certificate":     {options: transport.Options{CACert: ours.pem, ClientCert: foreignCert, ClientKey: foreignKey}, server: wantsClient12, want: "it may ask for a client certificate"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var handled atomic.Int32
			server := serveTLS(t, ours, test.leaf, test.server, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				handled.Add(1)
				_, _ = io.WriteString(w, r.Proto)
			}))
			test.options.MaxRetries = 2
			client, waits := newClient(t, test.options)
			answer, err := client.Do(t.Context(), transport.Request{Method: "POST", URL: server.URL})
			if test.want == "" {
				if err != nil || string(answer.Body) != "HTTP/2.0" {
					t.Fatalf("%v, %v", answer, err)
				}
				return
			}
			failure := asError(t, err)
			if handled.Load() != 0 {
				t.Error("the server handled a request")
			}
			if test.alertMayBeLost {
				return
			}
			if !strings.Contains(err.Error(), test.want) || failure.MayHaveTakenEffect {
				t.Errorf("got %v, want %s and no effect", err, test.want)
			}
			if len(waits.list) != 0 || failure.Attempts != 1 {
				t.Errorf("a handshake that fails is not repeated: %v", failure)
			}
		})
	}
}

func TestPlainHTTPOnATLSPort(t *testing.T) {
	server, _ := serve(t, func(http.ResponseWriter, *http.Request, int) {})
	server.Config.ErrorLog = silent()
	client, waits := newClient(t, transport.Options{MaxRetries: 2})
	_, err := client.Do(t.Context(), transport.Request{Method: "GET", URL: strings.Replace(server.URL, "http:", "https:", 1)})
	if err == nil || !strings.Contains(err.Error(), "does not speak TLS on this port") || len(waits.list) != 0 {
		t.Errorf("%v", err)
	}
}

func TestUnusableCertificatesAreNamed(t *testing.T) {
	ca := newAuthority(t, "CA")
	cert, key := ca.issue(t, nil)
	_, otherKey := ca.issue(t, nil)
	encrypted := strings.ReplaceAll(key, "PRIVATE KEY", "ENCRYPTED PRIVATE KEY")
	missing := filepath.Join(t.TempDir(), "missing.pem")
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	decoded, _ := pem.Decode([]byte(key))
	frameless := strings.ReplaceAll(strings.TrimSpace(strings.NewReplacer("-----BEGIN PRIVATE KEY-----", "", "-----END PRIVATE KEY-----", "").Replace(key)), "\n", "")
	tests := map[string]struct {
		options transport.Options
		want    string
	}{
		"CA file missing":            {transport.Options{CACert: missing}, `CA certificate (cacert): the file "` + missing + `" does not exist`},
		"CA is a directory":          {transport.Options{CACert: filepath.Dir(missing)}, "CA certificate (cacert): the file cannot be read"},
		"CA file empty":              {transport.Options{CACert: empty}, "has no PEM block"},
		"CA is a key":                {transport.Options{CACert: key}, "no valid certificate"},
		"CA cut off":                 {transport.Options{CACert: ca.pem[:60]}, "the text has no PEM block"},
		"key without certificate":    {transport.Options{ClientKey: key}, "client key (key): there is no client certificate (cert)"},
		"certificate without key":    {transport.Options{ClientCert: cert}, "client certificate (cert): there is no client key (key)"},
		"certificate missing":        {transport.Options{ClientCert: missing, ClientKey: key}, "client certificate (cert): the file"},
		"certificate is a key":       {transport.Options{ClientCert: key, ClientKey: key}, "client certificate (cert): there is PEM text, but no certificate"},
		"key missing":                {transport.Options{ClientCert: cert, ClientKey: missing}, "client key (key): the file"},
		"key is a certificate":       {transport.Options{ClientCert: cert, ClientKey: cert}, "client key (key): there is PEM text, but no private key"},
		"key is encrypted":           {transport.Options{ClientCert: cert, ClientKey: encrypted}, "the key is encrypted"},
		"key of another certificate": {transport.Options{ClientCert: cert, ClientKey: otherKey}, "do not go together"},
		"key without its PEM frame":  {transport.Options{ClientCert: cert, ClientKey: frameless}, "neither a path nor PEM text"},
		"key of lost lines":          {transport.Options{ClientCert: cert, ClientKey: "a\n" + frameless}, "neither a path nor PEM text"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := transport.New(test.options)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("got %v, want %q", err, test.want)
			}
			if strings.Contains(err.Error(), frameless[:20]) || bytes.Contains([]byte(err.Error()), decoded.Bytes[:8]) {
				t.Errorf("the error shows the key: %v", err)
			}
		})
	}
}

func TestHomeDirectoryInPaths(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("USERPROFILE", home)
	if err := os.WriteFile(filepath.Join(home, "ca.pem"), []byte(newAuthority(t, "CA").pem), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := transport.New(transport.Options{CACert: "~/ca.pem"}); err != nil {
		t.Error(err)
	}
}

// proxyServer forwards plain requests and tunnels CONNECT.
func proxyServer(t *testing.T, connectStatus int) (*httptest.Server, *atomic.Int32) {
	t.Helper()
	var used atomic.Int32
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		used.Add(1)
		if r.Method != http.MethodConnect {
			_, _ = io.WriteString(w, "through the proxy to "+r.URL.Host)
			return
		}
		if connectStatus != http.StatusOK {
			w.WriteHeader(connectStatus)
			return
		}
		upstream, err := net.Dial("tcp", r.Host)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		w.WriteHeader(http.StatusOK)
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		go func() {
			_, _ = io.Copy(upstream, conn)
			_ = upstream.Close()
		}()
		_, _ = io.Copy(conn, upstream)
		_ = conn.Close()
	}))
	t.Cleanup(proxy.Close)
	return proxy, &used
}

func through(address string) func(*http.Request) (*url.URL, error) {
	return func(*http.Request) (*url.URL, error) { return url.Parse(address) }
}

func TestProxy(t *testing.T) {
	ca := newAuthority(t, "CA")
	server := serveTLS(t, ca, nil, nil, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "from the server") }))
	request := transport.Request{Method: "POST", URL: server.URL}

	t.Run("plain requests go through it", func(t *testing.T) {
		proxy, _ := proxyServer(t, 200)
		client, _ := newClient(t, transport.Options{Proxy: through(proxy.URL)})
		answer, err := client.Do(t.Context(), transport.Request{Method: "GET", URL: "http://glance.example/v2"})
		if err != nil || string(answer.Body) != "through the proxy to glance.example" {
			t.Errorf("%v, %v", answer, err)
		}
	})
	t.Run("TLS is tunnelled", func(t *testing.T) {
		proxy, used := proxyServer(t, 200)
		client, _ := newClient(t, transport.Options{Proxy: through(proxy.URL), CACert: ca.pem})
		answer, err := client.Do(t.Context(), request)
		if err != nil || string(answer.Body) != "from the server" || used.Load() != 1 {
			t.Errorf("%v, %v", answer, err)
		}
	})
	t.Run("a refusal is not repeated and has no effect", func(t *testing.T) {
		proxy, used := proxyServer(t, 407)
		client, _ := newClient(t, transport.Options{Proxy: through(strings.Replace(proxy.URL, "//", "//user:proxypass@", 1)), CACert: ca.pem, MaxRetries: 2})
		_, err := client.Do(t.Context(), request)
		if failure := asError(t, err); failure.MayHaveTakenEffect || used.Load() != 1 ||
			!strings.Contains(err.Error(), "refused the connection: 407 Proxy Authentication Required") || strings.Contains(err.Error(), "proxypass") {
			t.Errorf("%v", err)
		}
	})
	t.Run("a gateway's trouble is repeated for every method", func(t *testing.T) {
		proxy, used := proxyServer(t, 503)
		client, _ := newClient(t, transport.Options{Proxy: through(proxy.URL), CACert: ca.pem, MaxRetries: 2})
		_, err := client.Do(t.Context(), request)
		if failure := asError(t, err); failure.MayHaveTakenEffect || used.Load() != 3 {
			t.Errorf("%v after %d requests", err, used.Load())
		}
	})
	t.Run("a proxy that is not there is named as such", func(t *testing.T) {
		client, _ := newClient(t, transport.Options{Proxy: through(strings.Replace(refusedURL(t), "//", "//user:proxypass@", 1)), CACert: ca.pem})
		_, err := client.Do(t.Context(), request)
		if failure := asError(t, err); failure.MayHaveTakenEffect || !strings.Contains(err.Error(), "the proxy (HTTP_PROXY, HTTPS_PROXY) refuses connections") || strings.Contains(err.Error(), "proxypass") {
			t.Errorf("%v", err)
		}
	})
	t.Run("an invalid address is not quoted", func(t *testing.T) {
		client, _ := newClient(t, transport.Options{Proxy: func(*http.Request) (*url.URL, error) {
			return nil, errors.New(`invalid proxy address "http://user:proxypass@:x"`)
		}})
		_, err := client.Do(t.Context(), request)
		if err == nil || !strings.Contains(err.Error(), "the address of the proxy is not valid") {
			t.Errorf("%v", err)
		}
		for ; err != nil; err = errors.Unwrap(err) {
			if strings.Contains(err.Error(), "proxypass") {
				t.Errorf("%v", err)
			}
		}
	})
}

func TestConnectionsAreKept(t *testing.T) {
	const workers, requests = 20, 400
	ca := newAuthority(t, "CA")
	for name, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			var opened atomic.Int32
			server := serveTLS(t, ca, nil, func(c *tls.Config) {
				if !http2 {
					c.NextProtos = []string{"http/1.1"}
				}
				c.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
					opened.Add(1)
					return nil, nil
				}
			}, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, strings.Repeat("x", 100_000)) }))
			client, _ := newClient(t, transport.Options{CACert: ca.pem})
			parallel(workers, requests, func() {
				if _, err := client.Do(t.Context(), transport.Request{Method: "GET", URL: server.URL}); err != nil {
					t.Error(err)
				}
			})
			// net/http dials ahead while a worker waits for a connection, so that the number varies with the machine's load.
			if n := opened.Load(); n == 0 || n > requests/4 {
				t.Errorf("%d connections for %d workers", n, workers)
			}
		})
	}
}

func parallel(workers, requests int, do func()) {
	work := make(chan struct{})
	var running sync.WaitGroup
	for range workers {
		running.Go(func() {
			for range work {
				do()
			}
		})
	}
	for range requests {
		work <- struct{}{}
	}
	close(work)
	running.Wait()
}

func TestHTTPClientIsTheSameCore(t *testing.T) {
	server, seen := serve(t, func(w http.ResponseWriter, r *http.Request, n int) {
		if n < 3 {
			w.WriteHeader(503)
			return
		}
		w.(http.Flusher).Flush() // Without a Content-Length.
		_, _ = io.WriteString(w, "done")
	})
	lines := &logged{}
	client, _ := newClient(t, transport.Options{UserAgent: "imageops/1", MaxRetries: 3, Log: lines.log})
	// A reader that net/http cannot rewind by itself.
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPut, server.URL, io.MultiReader(strings.NewReader("bo"), strings.NewReader("dy")))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := client.HTTPClient().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err != nil || string(body) != "done" || answer.ContentLength != 4 || seen.count() != 3 || seen.bodies[2] != "body" {
		t.Errorf("%q, %v, %d requests, %q", body, err, seen.count(), seen.bodies)
	}
	if agent := seen.requests[0].UserAgent(); agent != "imageops/1" {
		t.Errorf("User-Agent %q", agent)
	}
	if len(lines.fields) != 5 {
		t.Errorf("3 attempts and 2 waits are 5 lines, got\n%s", lines)
	}
}

func TestHTTPClientSendsNothingOfABodyThatCannotBeRead(t *testing.T) {
	server, seen := serve(t, func(http.ResponseWriter, *http.Request, int) {})
	client, _ := newClient(t, transport.Options{})
	broken := errors.New("broken")
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, iotest.ErrReader(broken))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := client.HTTPClient().Do(request)
	if err == nil {
		_ = answer.Body.Close()
	}
	if failure := asError(t, err); !errors.Is(err, broken) || failure.MayHaveTakenEffect || seen.count() != 0 {
		t.Errorf("%v after %d requests", err, seen.count())
	}
}

func TestHTTPClientKeepsWhatTheLibrarySets(t *testing.T) {
	server, seen := serve(t, func(http.ResponseWriter, *http.Request, int) {})
	client, _ := newClient(t, transport.Options{UserAgent: "imageops/1"})
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, strings.Replace(server.URL, "//", "//user:pass@", 1), nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("User-Agent", "library/2")
	answer, err := client.HTTPClient().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if user, password, _ := seen.requests[0].BasicAuth(); seen.requests[0].UserAgent() != "library/2" || user != "user" || password != "pass" {
		t.Errorf("%v", seen.requests[0].Header)
	}
}

func TestHTTPClientHonoursTheMarkOfRepeatableRequests(t *testing.T) {
	server, seen := serve(t, func(w http.ResponseWriter, _ *http.Request, n int) {
		if n == 1 {
			w.WriteHeader(502)
		}
	})
	client, _ := newClient(t, transport.Options{MaxRetries: 1})
	request, err := http.NewRequestWithContext(transport.WithRepeatable(t.Context()), http.MethodPost, server.URL, strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := client.HTTPClient().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode != 200 || seen.count() != 2 {
		t.Errorf("status %d after %d requests", answer.StatusCode, seen.count())
	}
}

func TestURLUserIsSentAsBasicAuthentication(t *testing.T) {
	server, seen := serve(t, func(http.ResponseWriter, *http.Request, int) {})
	client, _ := newClient(t, transport.Options{})
	if _, err := client.Do(context.Background(), transport.Request{Method: "GET", URL: strings.Replace(server.URL, "//", "//user:pass@", 1)}); err != nil {
		t.Fatal(err)
	}
	if user, password, _ := seen.requests[0].BasicAuth(); user != "user" || password != "pass" {
		t.Errorf("%v", seen.requests[0].Header)
	}
}
