package acceptance

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/imageops/terraform-provider-imageops/internal/acceptance/contract"
	"github.com/imageops/terraform-provider-imageops/internal/simulator"
)

// Pod is a simulated Horizon pod.
type Pod struct {
	*simulator.Simulator
	// URL is the address of its Connection Server.
	URL string
	// Domain, Username and Password sign an administrator in.
	Domain, Username, Password string

	server *httptest.Server
}

// HorizonPod starts a simulated pod in this process, which ends with the test.
// Every request and answer is held against the vendor's document of its release,
// where the documents are at hand: see contract.GuardAnswers.
func HorizonPod(t testing.TB, options simulator.Options) *Pod {
	t.Helper()
	if contract.Documents() != nil {
		return UnguardedPod(t, options)
	}
	release, err := simulator.ParseRelease(options.Release)
	if err != nil {
		t.Fatal(err)
	}
	return startPod(t, options, func(s http.Handler) http.Handler { return contract.GuardAnswers(t, release, s) })
}

// UnguardedPod is HorizonPod for tests in which answers are broken on purpose.
func UnguardedPod(t testing.TB, options simulator.Options) *Pod {
	t.Helper()
	return startPod(t, options, func(s http.Handler) http.Handler { return s })
}

func startPod(t testing.TB, options simulator.Options, guard func(http.Handler) http.Handler) *Pod {
	t.Helper()
	s := simulator.New(options)
	server := NewServer(t, guard(s))
	d := s.Describe(server.URL)
	return &Pod{Simulator: s, URL: d.Horizon, Domain: d.Domain, Username: d.Username, Password: d.Password, server: server}
}

// Environment returns the HORIZON_* variables that sign the administrator in.
func (p *Pod) Environment() map[string]string {
	return map[string]string{
		"HORIZON_URL": p.URL, "HORIZON_DOMAIN": p.Domain, "HORIZON_USERNAME": p.Username, "HORIZON_PASSWORD": p.Password,
	}
}

// Count returns how many requests with a method (any if empty) went to a route
// of the REST API, such as "config/v1/im-assets", or below it.
func (p *Pod) Count(method, route string) int {
	requests := slices.DeleteFunc(p.Requests(), func(r simulator.Request) bool {
		_, rest, _ := strings.Cut(r.Path, "/rest/")
		within := rest == route || strings.HasPrefix(rest, route+"/")
		return !within || (method != "" && r.Method != method)
	})
	return len(requests)
}
