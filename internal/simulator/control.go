package simulator

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"
)

// serveControl answers the addresses by which a test steers the simulator. They
// are open to the same machine only.
func (s *Simulator) serveControl(w http.ResponseWriter, r *http.Request, body []byte) {
	if !fromLoopback(r.RemoteAddr) {
		http.Error(w, "the control addresses are open to this machine only", http.StatusForbidden)
		return
	}
	switch r.URL.Path {
	case "/_requests":
		s.controlRequests(w, r)
	case "/_faults":
		s.controlFaults(w, r, body)
	case "/_clock":
		s.controlClock(w, r, body)
	default:
		http.NotFound(w, r)
	}
}

func fromLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(strings.Split(host, "%")[0])
	return ip != nil && ip.IsLoopback()
}

func methodRefused(w http.ResponseWriter, allowed string) {
	w.Header().Set("Allow", allowed)
	http.Error(w, "only "+allowed, http.StatusMethodNotAllowed)
}

func (s *Simulator) controlRequests(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		methodRefused(w, "GET")
		return
	}
	writeJSON(w, r, http.StatusOK, map[string]any{"requests": s.Requests()})
	if r.URL.Query().Get("reset") == "1" {
		s.ResetRequests()
	}
}

// controlFaults takes one fault or a list on POST, shows what is left on GET and
// forgets all on DELETE.
func (s *Simulator) controlFaults(w http.ResponseWriter, r *http.Request, body []byte) {
	switch r.Method {
	case http.MethodGet:
	case http.MethodDelete:
		s.ClearFaults()
	case http.MethodPost:
		if err := s.addFaults(body); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
	default:
		methodRefused(w, "GET, POST, DELETE")
		return
	}
	writeJSON(w, r, http.StatusOK, map[string]any{"faults": s.faults.remaining()})
}

func (s *Simulator) addFaults(body []byte) error {
	faults := make([]Fault, 1)
	var into any = &faults[0]
	if bytes.HasPrefix(bytes.TrimSpace(body), []byte{'['}) {
		into = &faults
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("reading faults: %w", err)
	}
	for _, f := range faults {
		if err := s.AddFault(f); err != nil {
			return err
		}
	}
	return nil
}

// controlClock moves the clock on POST {"advance": "1h"}, and shows it.
func (s *Simulator) controlClock(w http.ResponseWriter, r *http.Request, body []byte) {
	switch r.Method {
	case http.MethodGet:
	case http.MethodPost:
		var in struct {
			Advance string `json:"advance"`
		}
		if err := json.Unmarshal(body, &in); err != nil {
			http.Error(w, "reading the move of the clock: "+err.Error(), http.StatusBadRequest)
			return
		}
		d, err := time.ParseDuration(in.Advance)
		if err != nil || d < 0 {
			http.Error(w, fmt.Sprintf("advance is %q, not a duration of at least 0", in.Advance), http.StatusBadRequest)
			return
		}
		s.Advance(d)
	default:
		methodRefused(w, "GET, POST")
		return
	}
	writeJSON(w, r, http.StatusOK, map[string]any{"now": s.Now().UTC().Format(time.RFC3339Nano)})
}

// Advance moves the simulator's clock forward, so that tokens age.
func (s *Simulator) Advance(d time.Duration) { s.clock.advance(d) }

// Now is the simulator's time.
func (s *Simulator) Now() time.Time { return s.clock.now() }
