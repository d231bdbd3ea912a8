package transport_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/imageops/terraform-provider-imageops/internal/transport"
)

// waits records what a Client would have slept.
type waits struct {
	mu   sync.Mutex
	list []time.Duration
}

func (w *waits) sleep(ctx context.Context, d time.Duration) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.list = append(w.list, d)
	return ctx.Err()
}

// newClient makes a Client that does not wait for real, and whose jitter is a half unless the options say otherwise.
func newClient(t *testing.T, o transport.Options) (*transport.Client, *waits) {
	t.Helper()
	recorded := &waits{}
	if o.Sleep == nil {
		o.Sleep = recorded.sleep
	}
	if o.Jitter == nil {
		o.Jitter = func() float64 { return 0.5 }
	}
	client, err := transport.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.HTTPClient().CloseIdleConnections)
	return client, recorded
}

// seen is what a server got.
type seen struct {
	mu       sync.Mutex
	requests []*http.Request
	bodies   []string
}

func (s *seen) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.requests)
}

func (s *seen) add(r *http.Request) int {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, r)
	s.bodies = append(s.bodies, string(body))
	return len(s.requests)
}

// serve starts a server whose handler is told the number of the request, from 1.
func serve(t *testing.T, handler func(w http.ResponseWriter, r *http.Request, n int)) (*httptest.Server, *seen) {
	t.Helper()
	s := &seen{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler(w, r, s.add(r)) }))
	t.Cleanup(server.Close)
	return server, s
}

// rawServer gives each connection to one behaviour in turn, the last one again and again.
func rawServer(t *testing.T, behaviours ...func(net.Conn, *seen)) (string, *seen, net.Listener) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &seen{}
	var running sync.WaitGroup
	running.Go(func() {
		for i := 0; ; i++ {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			behaviour := behaviours[min(i, len(behaviours)-1)]
			running.Go(func() {
				defer func() { _ = conn.Close() }()
				behaviour(conn, s)
			})
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		running.Wait()
	})
	return "http://" + listener.Addr().String(), s, listener
}

func readRequest(conn net.Conn, s *seen) {
	r, err := http.ReadRequest(bufio.NewReader(conn))
	if err == nil {
		s.add(r)
	}
}

func resetAfterRequest(conn net.Conn, s *seen) {
	readRequest(conn, s)
	_ = conn.(*net.TCPConn).SetLinger(0)
}

func closeAfterRequest(conn net.Conn, s *seen) { readRequest(conn, s) }

func answerTruncated(conn net.Conn, s *seen) {
	readRequest(conn, s)
	_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this")
}

func answerTruncatedChunk(conn net.Conn, s *seen) {
	readRequest(conn, s)
	_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nonly this")
}

func answerWhole(conn net.Conn, s *seen) {
	readRequest(conn, s)
	_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nwhole")
}

// hang reads the request and stays silent until the client gives up.
func hang(conn net.Conn, s *seen) {
	readRequest(conn, s)
	_, _ = io.Copy(io.Discard, conn)
}

// refusedURL is an address on which nobody listens.
func refusedURL(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return "http://" + listener.Addr().String()
}

// authority issues certificates for tests.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	pem         string
	serial      int64
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{certificate: certificate, key: key, pem: block("CERTIFICATE", der), serial: 1}
}

func block(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// issue returns PEM texts of a certificate and its key.
func (a *authority) issue(t *testing.T, change func(*x509.Certificate)) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a.serial++
	template := &x509.Certificate{
		SerialNumber: big.NewInt(a.serial), Subject: pkix.Name{CommonName: fmt.Sprintf("leaf %d", a.serial)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if change != nil {
		change(template)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, &private.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return block("CERTIFICATE", der), block("PRIVATE KEY", keyDER)
}

// serveTLS starts a TLS server with a certificate of the authority.
func serveTLS(t *testing.T, a *authority, changeCertificate func(*x509.Certificate), change func(*tls.Config), handler http.Handler) *httptest.Server {
	t.Helper()
	cert, key := a.issue(t, changeCertificate)
	pair, err := tls.X509KeyPair([]byte(cert), []byte(key))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(handler)
	server.Config.ErrorLog = silent()
	server.EnableHTTP2 = true
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	if change != nil {
		change(server.TLS)
	}
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

// logged collects log lines as text, and the ones about repeats separately.
type logged struct {
	mu     sync.Mutex
	text   bytes.Buffer
	fields []map[string]any
}

func (l *logged) log(_ context.Context, message string, fields map[string]any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, _ = fmt.Fprintln(&l.text, message, fields)
	l.fields = append(l.fields, fields)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
