package acceptance

import (
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

// addresses are those that servers of this process have had.
var addresses sync.Map

// NewServer starts a server on loopback that ends with the test. No other one of this
// process had its address: what clients keep about a server for the life of a process,
// they keep by its address, and the system gives ports of servers that have ended away again.
func NewServer(t testing.TB, handler http.Handler) *httptest.Server {
	t.Helper()
	listener, err := listenAnew(func() (net.Listener, error) { return net.Listen("tcp", "127.0.0.1:0") })
	if err != nil {
		t.Fatal(err)
	}
	server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: handler}}
	server.Start()
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return server
}

// listenAnew listens until the address is one that it has not returned before.
func listenAnew(listen func() (net.Listener, error)) (net.Listener, error) {
	for {
		listener, err := listen()
		if err != nil {
			return nil, err
		}
		if _, used := addresses.LoadOrStore(listener.Addr().String(), true); !used {
			return listener, nil
		}
		// Held until there is another one, it cannot be that one.
		defer func() { _ = listener.Close() }()
	}
}
