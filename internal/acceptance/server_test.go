package acceptance

import (
	"net"
	"testing"
)

func TestAServerHasAnAddressThatNoOtherHad(t *testing.T) {
	t.Parallel()
	first, err := listenAnew(func() (net.Listener, error) { return net.Listen("tcp", "127.0.0.1:0") })
	if err != nil {
		t.Fatal(err)
	}
	former := first.Addr().String()
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}

	// The system gives the port away again.
	next := []string{former, "127.0.0.1:0"}
	second, err := listenAnew(func() (net.Listener, error) {
		address := next[0]
		next = next[1:]
		return net.Listen("tcp", address)
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = second.Close() })
	if got := second.Addr().String(); got == former {
		t.Errorf("the address %s was given away twice", got)
	}
	if again, err := net.Listen("tcp", former); err != nil {
		t.Errorf("the former address is still held: %v", err)
	} else {
		_ = again.Close()
	}
}
