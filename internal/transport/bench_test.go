package transport_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/imageops/terraform-provider-imageops/internal/transport"
)

// An image of 3 kB per request over kept connections, as a refresh of many resources reads them.
func BenchmarkDo(b *testing.B) {
	server, _ := newBenchServer(b)
	client, err := transport.New(transport.Options{UserAgent: "bench"})
	if err != nil {
		b.Fatal(err)
	}
	request := transport.Request{Method: http.MethodGet, URL: server, Header: http.Header{"X-Auth-Token": {"token"}}}
	b.ReportAllocs()
	b.SetParallelism(5)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := client.Do(b.Context(), request); err != nil {
				b.Error(err)
			}
		}
	})
}

// The same with net/http alone is the floor.
func BenchmarkNetHTTP(b *testing.B) {
	server, pool := newBenchServer(b)
	client := &http.Client{Transport: pool}
	b.ReportAllocs()
	b.SetParallelism(5)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			request, err := http.NewRequestWithContext(b.Context(), http.MethodGet, server, nil)
			if err != nil {
				b.Fatal(err)
			}
			answer, err := client.Do(request)
			if err != nil {
				b.Error(err)
				continue
			}
			_, _ = io.ReadAll(answer.Body)
			_ = answer.Body.Close()
		}
	})
}

func newBenchServer(b *testing.B) (string, *http.Transport) {
	b.Helper()
	body := strings.Repeat("0123456789", 300)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }))
	b.Cleanup(server.Close)
	return server.URL, &http.Transport{MaxIdleConnsPerHost: 64}
}

func BenchmarkNewAPIError(b *testing.B) {
	request := transport.Request{Method: http.MethodPatch, URL: "https://glance.example/v2/images/1", Header: http.Header{"X-Auth-Token": {"gAAAAABtoken"}}}
	answer := &transport.Response{StatusCode: 403, Body: []byte(`{"message": "Access was denied to this resource.<br /><br />\nProperty name may not be removed.\n\n", "code": "403 Forbidden", "title": "Forbidden"}`)}
	b.ReportAllocs()
	for b.Loop() {
		_ = transport.NewAPIError(request, answer)
	}
}

func BenchmarkCleanTextOfHostileMarkup(b *testing.B) {
	texts := map[string]string{"open tags": strings.Repeat("<b ", 1<<20), "open scripts": strings.Repeat("<script>", 1<<18), "closed": strings.Repeat("<b>x</b>", 1<<18)}
	for name, text := range texts {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				_ = transport.CleanText(text)
			}
		})
	}
}
