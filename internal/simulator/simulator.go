// Package simulator stands in for the services that the provider talks to:
// Keystone v3 and Glance v2 of OpenStack, the Image Management Service (IMS) of
// Huawei Cloud and Open Telekom Cloud, and the Server REST API of Omnissa
// Horizon. It is written from measurements of Keystone 22 and Glance 25.1 and
// from the vendors' API references, not from the provider's client, so that the
// two can disagree; where nothing was measured or
// documented, ASSUMPTIONS.md says what it does and why. It imports nothing of the
// provider.
package simulator

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Options configure a simulator. The zero value is the reference installation:
// Keystone 22 and Glance 25.1 with their defaults.
type Options struct {
	// Flavor is whose image service it is; empty means FlavorOpenStack. One that
	// ParseFlavor refuses makes New panic. Quotas, policies and protections are
	// Glance's; IMS has none of them.
	Flavor Flavor
	// Release is the release of Horizon; empty means the newest that is known. One
	// that ParseRelease refuses makes New panic.
	Release string
	// Clock is where time comes from; nil means the machine's clock.
	Clock func() time.Time
	// ClockRate is how many times as fast as Clock the simulator's clock runs; 0
	// means 1.
	ClockRate float64
	// Wait waits for the latency of a fault and returns early with an error when
	// the context ends; nil means really to wait.
	Wait func(context.Context, time.Duration) error
	// TokenLifetime is how long a token is valid; 0 means Keystone's hour, and
	// with IMS its day.
	TokenLifetime time.Duration
	// PropertyQuota and TagQuota limit the properties and the tags of an image;
	// 0 means Glance's 128, a negative number no limit.
	PropertyQuota int
	TagQuota      int
	// Policy is the set of rules of the image service; empty means PolicyLegacy.
	Policy Policy
	// RegionPolicies are the rules of single regions, where they differ.
	RegionPolicies map[string]Policy
	// Protections restrict single properties to roles; none means no
	// restriction. A pattern that is no regular expression makes New panic.
	Protections []PropertyProtection
	// Assumptions choose among behaviours that nothing settles, by name, see
	// ASSUMPTIONS.md. One that CheckAssumption refuses makes New panic.
	Assumptions map[string]string
	// Empty leaves out the images of the inventory, and the stream of Horizon's
	// catalogue.
	Empty bool
}

// Simulator is a cloud in memory, served over HTTP by ServeHTTP. It is safe for
// concurrent use.
type Simulator struct {
	options     Options
	clock       *clock
	identity    *identity
	stores      map[string]*imageStore
	imsStores   map[string]*imsStore
	quotas      quotas
	protections protections
	horizon     *horizon
	faults      faultTable
	recorder    recorder
}

// region is a region of the simulated cloud. images is the path of its image
// service, empty if it has none.
type region struct {
	name   string
	images string
}

// The regions of the simulated cloud.
const (
	// RegionOne holds the inventory.
	RegionOne = "RegionOne"
	// RegionTwo has an image service of its own without any image.
	RegionTwo = "RegionTwo"
	// RegionThree has no image service.
	RegionThree = "RegionThree"
)

var regions = []region{{RegionOne, "/image"}, {RegionTwo, "/RegionTwo/image"}, {RegionThree, ""}}

// imagePath is where an interface of a region's image service is: the internal
// and the admin one have addresses of their own, so that a test can tell which
// one a client took.
func imagePath(r region, kind string) string {
	if kind == "public" {
		return r.images
	}
	return "/" + kind + r.images
}

const defaultQuota = 128

// New makes a simulator. It panics on options that cannot work, see Options.
func New(options Options) *Simulator {
	for name, value := range options.Assumptions {
		if err := CheckAssumption(name, value); err != nil {
			panic("simulator: " + err.Error())
		}
	}
	if options.Clock == nil {
		options.Clock = time.Now
	}
	if options.ClockRate == 0 {
		options.ClockRate = 1
	}
	if options.Wait == nil {
		options.Wait = wait
	}
	flavor, err := ParseFlavor(string(options.Flavor))
	if err != nil {
		panic("simulator: " + err.Error())
	}
	options.Flavor = flavor
	release, err := ParseRelease(options.Release)
	if err != nil {
		panic("simulator: " + err.Error())
	}
	options.Release = release
	if options.TokenLifetime == 0 {
		options.TokenLifetime = time.Hour
		if flavor.ims() {
			options.TokenLifetime = 24 * time.Hour
		}
	}
	if options.Policy == "" {
		options.Policy = PolicyLegacy
	}
	options.Assumptions = maps.Clone(options.Assumptions)
	s := &Simulator{
		options:     options,
		clock:       newClock(options.Clock, options.ClockRate),
		identity:    newIdentity(),
		stores:      map[string]*imageStore{},
		imsStores:   map[string]*imsStore{},
		quotas:      quotas{properties: orDefault(options.PropertyQuota), tags: orDefault(options.TagQuota)},
		protections: compileProtections(options.Protections),
		horizon:     newHorizon(),
	}
	s.seedHorizon()
	for _, r := range regions {
		switch {
		case r.images == "":
		case flavor.ims():
			s.imsStores[r.name] = newIMSStore()
		default:
			s.stores[r.name] = newImageStore(r.name)
		}
	}
	switch {
	case options.Empty:
	case flavor.ims():
		s.seedIMSInventory()
	default:
		s.seedInventory()
	}
	return s
}

func orDefault(quota int) int {
	if quota == 0 {
		return defaultQuota
	}
	return quota
}

// baseURL is the address at which the client reached the simulator.
func baseURL(r *http.Request) string {
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	return scheme + "://" + r.Host
}

// maxRequestBody is more than any test uploads.
const maxRequestBody = 64 << 20

// ServeHTTP answers a request to any of the services or to the control
// addresses, which are /_requests, /_faults and /_clock.
func (s *Simulator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequestBody))
	if err != nil {
		http.Error(w, "reading the request: "+err.Error(), http.StatusBadRequest)
		return
	}
	if strings.HasPrefix(r.URL.Path, "/_") {
		s.serveControl(w, r, body)
		return
	}
	// Clients compare it with their own clock when a signature is refused.
	w.Header().Set("Date", s.clock.now().UTC().Format(http.TimeFormat))
	entry := s.recorder.begin(r, body, s.clock.now())
	fault := s.faults.match(r.Method, r.URL.Path)
	if fault == nil {
		answer := statusWriter{ResponseWriter: w}
		s.serveService(&answer, r, body, nil)
		s.recorder.finish(entry, answer.status, "")
		return
	}
	s.serveFault(w, r, body, fault, entry)
}

// statusWriter remembers the status that passes through it.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// serveService hands a request to the service that its path belongs to.
func (s *Simulator) serveService(w http.ResponseWriter, r *http.Request, body []byte, fault *Fault) {
	path := r.URL.EscapedPath()
	if rest, ok := under(path, "/identity"); ok {
		s.serveIdentity(w, r, rest, body)
		return
	}
	if rest, ok := under(path, horizonPath); ok {
		rq := &horizonRequest{
			writeCourse: s.course(fault), sim: s, horizon: s.horizon, release: s.options.Release, base: baseURL(r) + horizonPath + "/rest",
			r: r, query: r.URL.Query(), body: body,
		}
		rq.serveHorizon(w, rest)
		return
	}
	for _, region := range regions {
		if region.images == "" {
			continue
		}
		for _, kind := range []string{"public", "internal", "admin"} {
			prefix := imagePath(region, kind)
			rest, ok := under(path, prefix)
			if !ok {
				continue
			}
			base := baseURL(r) + prefix
			if s.options.Flavor.ims() {
				rq := &imsRequest{
					writeCourse: s.course(fault), sim: s, store: s.imsStores[region.name], base: base, w: w, r: r, body: body,
				}
				rq.serveIMS(rest)
				return
			}
			rq := &imageRequest{
				writeCourse: s.course(fault), sim: s, store: s.stores[region.name], base: base, w: w, r: r, body: body,
				chunked: slices.Contains(r.TransferEncoding, "chunked"),
			}
			s.serveImage(rq, rest)
			return
		}
	}
	http.NotFound(w, r)
}

// under tells whether a path is a prefix or below it, and what follows.
func under(path, prefix string) (string, bool) {
	rest, ok := strings.CutPrefix(path, prefix)
	return rest, ok && (rest == "" || rest[0] == '/')
}

// course lets a fault decide over the fate of a write.
func (s *Simulator) course(fault *Fault) writeCourse {
	var c writeCourse
	if fault == nil {
		return c
	}
	switch fault.Effect {
	case EffectLostWrite:
		c.write = writeLost
	case EffectSilentDrop:
		c.write = writeDropped
	case EffectLateCommit:
		c.commit = func(ctx context.Context) error { return s.options.Wait(ctx, fault.Latency) }
	}
	return c
}

// serveFault answers a request on which a fault acts. What happened is recorded
// before the client can see it.
func (s *Simulator) serveFault(w http.ResponseWriter, r *http.Request, body []byte, fault *Fault, entry *Request) {
	recorded := func(status int) { s.recorder.finish(entry, status, fault.Effect) }
	if fault.Latency > 0 && fault.Effect != EffectLateCommit {
		if err := s.options.Wait(r.Context(), fault.Latency); err != nil {
			recorded(0)
			breakConnection(w)
		}
	}
	switch fault.Effect {
	case EffectStatus, EffectHTMLPage:
		recorded(fault.Status)
		s.writeFault(w, r, fault)
		return
	case EffectResetBefore:
		recorded(0)
		breakConnection(w)
	case EffectHang:
		recorded(0)
		<-r.Context().Done()
		breakConnection(w)
	case EffectExpireToken:
		s.identity.revoke(r.Header.Get("X-Auth-Token"))
		s.horizon.revoke(r, body)
	}
	answer := &bufferedAnswer{header: http.Header{}}
	s.serveService(answer, r, body, fault)
	switch fault.Effect {
	case EffectResetAfter:
		recorded(0)
		breakConnection(w)
	case EffectTruncatedBody:
		recorded(answer.status)
		answer.sendHalf(w)
	case EffectMalformedBody:
		recorded(answer.status)
		answer.body.Truncate(answer.body.Len() / 2)
		answer.header.Set("Content-Length", fmt.Sprint(answer.body.Len()))
		answer.send(w)
	default:
		recorded(answer.status)
		answer.send(w)
	}
}

// writeFault sends the answer that a fault brings along.
func (s *Simulator) writeFault(w http.ResponseWriter, r *http.Request, fault *Fault) {
	if fault.RetryAfter != "" {
		w.Header().Set(retryHeader(r.URL.Path, fault.Status), fault.RetryAfter)
	}
	body, contentType := fault.Body, fault.ContentType
	if body == "" && fault.Effect == EffectHTMLPage {
		title := fmt.Sprintf("%d %s", fault.Status, http.StatusText(fault.Status))
		body = "<html>\n<head><title>" + title + "</title></head>\n<body>\n<center><h1>" + title + "</h1></center>\n</body>\n</html>\n"
		contentType = "text/html"
	}
	if body == "" {
		s.usualError(r.URL.Path, fault).write(w, r)
		return
	}
	if contentType == "" {
		contentType = "application/json"
	}
	w.Header().Set("Content-Type", contentType)
	writeBody(w, r, fault.Status, []byte(body))
}

// usualError is the answer with a fault's code, or else with its status: in
// front of IMS the gateway gives those of authentication and of throttling.
func (s *Simulator) usualError(path string, fault *Fault) refusal {
	if _, ok := under(path, horizonPath); ok {
		return s.horizonUsualError(fault.Status)
	}
	if fault.Code != "" {
		// AddFault has let in known codes only.
		refused, _ := errorOfCode(fault.Code)
		refused.status = fault.Status
		return refused
	}
	if s.options.Flavor.ims() {
		for digits, message := range gatewayMessages {
			if message.status == fault.Status && digits != gatewayUnknownAPI {
				return s.gateway(digits, "")
			}
		}
	}
	return bare(fault.Status)
}

// bufferedAnswer holds an answer back.
type bufferedAnswer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (b *bufferedAnswer) Header() http.Header { return b.header }

func (b *bufferedAnswer) WriteHeader(status int) { b.status = status }

func (b *bufferedAnswer) Write(p []byte) (int, error) {
	if b.status == 0 {
		b.status = http.StatusOK
	}
	return b.body.Write(p)
}

func (b *bufferedAnswer) send(w http.ResponseWriter) {
	maps.Copy(w.Header(), b.header)
	w.WriteHeader(b.status)
	// A failed write means that the client has gone, which nobody needs to hear.
	_, _ = w.Write(b.body.Bytes())
}

// sendHalf announces the whole body, sends half of it and breaks the connection.
func (b *bufferedAnswer) sendHalf(w http.ResponseWriter) {
	maps.Copy(w.Header(), b.header)
	w.WriteHeader(b.status)
	_, _ = w.Write(b.body.Bytes()[:b.body.Len()/2])
	// Without a flush the server would drop what it has buffered.
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

// breakConnection ends a connection without an answer. It resets it where the
// server lets go of it (HTTP/1.1), else the stream is aborted. It does not
// return.
func breakConnection(w http.ResponseWriter) {
	connection, _, err := http.NewResponseController(w).Hijack()
	if err == nil {
		if tcp, ok := connection.(interface{ SetLinger(int) error }); ok {
			// Closing with zero linger sends a reset instead of an orderly end.
			_ = tcp.SetLinger(0)
		}
		_ = connection.Close()
	}
	panic(http.ErrAbortHandler)
}
