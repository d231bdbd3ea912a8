package transport_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/imageops/terraform-provider-imageops/internal/transport"
)

// sentinels makes texts that must not be seen again.
type sentinels []string

func (s *sentinels) add(name string) string {
	text := "SENTINEL-" + name + "-5f3a<&>é"
	*s = append(*s, text)
	return text
}

func (s *sentinels) header(name string) string {
	text := "SENTINEL-" + name + "-5f3a"
	*s = append(*s, text)
	return text
}

// Every credential that a request can carry, each with a text of its own, against servers that give back all they got.
func TestNoCredentialIsEverLoggedOrReturned(t *testing.T) {
	headers := map[string]func(*sentinels) http.Header{
		"signed": func(s *sentinels) http.Header {
			return http.Header{
				"Authorization":    {"SDK-HMAC-SHA256 Access=" + s.header("access") + ", SignedHeaders=host;x-sdk-date, Signature=" + s.header("signature")},
				"X-Security-Token": {s.header("security")},
			}
		},
		"bearer": func(s *sentinels) http.Header { return http.Header{"Authorization": {"Bearer " + s.header("bearer")}} },
		"tokens": func(s *sentinels) http.Header {
			return http.Header{
				"X-Auth-Token": {s.header("auth")}, "x-subject-token": {s.header("subject")}, "Cookie": {"JSESSIONID=" + s.header("cookie")},
				"X-My-Secret": {s.header("secret")}, "X-Api-Password": {s.header("password")}, "X-Signature": {s.header("sig")},
			}
		},
	}
	answers := map[string]func(w io.Writer, text string){
		"plain": func(w io.Writer, text string) { _, _ = io.WriteString(w, text) },
		"JSON": func(w io.Writer, text string) {
			_, _ = fmt.Fprintf(w, `{"message":%q,"code":%q,"request_id":%q}`, text, text, text)
		},
		"HTML":  func(w io.Writer, text string) { _, _ = fmt.Fprintf(w, "<html><title>%s</title>", text) },
		"reset": nil,
	}
	for name, header := range headers {
		for kind, answer := range answers {
			t.Run(name+" "+kind, func(t *testing.T) {
				var secrets sentinels
				request := transport.Request{Method: "PUT", Header: header(&secrets), Secrets: []string{secrets.add("named\n  over two lines")}}
				request.Body = fmt.Appendf(nil, `{"auth":{"identity":{"methods":["password"],"password":{"user":{"name":"admin","password":%q}},"token":{"id":%q},
					"application_credential":{"secret":%q}}},"refresh_token":%q,"password":[%q],"patch":%q}`,
					secrets.add("userpassword"), secrets.add("tokenid"), secrets.add("appsecret"), secrets.add("refresh"), secrets.add("array"), request.Secrets[0])
				query := url.Values{"X-Amz-Signature": {secrets.add("query")}, "access_token": {secrets.add("querytoken")}, "limit": {"7"}}

				server, _ := serve(t, nil)
				server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					body, _ := io.ReadAll(r.Body)
					if answer == nil {
						panic(http.ErrAbortHandler)
					}
					w.WriteHeader(http.StatusServiceUnavailable)
					_, password, _ := r.BasicAuth()
					answer(w, fmt.Sprintf("%s %v %s %s %s", r.URL, r.Header, body, password, strings.Join(secrets, " ")))
				})
				userinfo := "//" + secrets.header("user") + ":" + secrets.header("userinfo") + "@"
				request.URL = strings.Replace(server.URL, "//", userinfo, 1) + "/v3/auth/tokens?" + query.Encode() + "#" + secrets.header("fragment")

				lines := &logged{}
				client, _ := newClient(t, transport.Options{MaxRetries: 1, Log: lines.log})
				response, err := client.Do(t.Context(), request)
				texts := []string{lines.String()}
				if answer == nil {
					texts = append(texts, asError(t, err).Error(), fmt.Sprintf("%+v", asError(t, err)))
				} else {
					refusal := transport.NewAPIError(request, response)
					texts = append(texts, refusal.Error(), fmt.Sprintf("%+v", *refusal))
				}
				for i, text := range texts {
					for _, secret := range secrets {
						isPartOfAddress := strings.Contains(secret, "-user-") || strings.Contains(secret, "-fragment-")
						if isPartOfAddress && i > 0 && answer != nil {
							continue // Never shown as part of the URL, but no secret when a server says it.
						}
						if strings.Contains(text, secret) || strings.Contains(text, strings.Join(strings.Fields(secret), " ")) || strings.Contains(text, url.QueryEscape(secret)) {
							t.Errorf("%q is shown in\n%s", secret, text)
						}
					}
				}
				if !strings.Contains(lines.String(), "/v3/auth/tokens?X-Amz-Signature=(redacted)&access_token=(redacted)&limit=7") {
					t.Errorf("the log does not show the rest of the URL:\n%s", lines)
				}
			})
		}
	}
}

// What a service quotes in its refusal is hidden when the request carried it as a credential, in whatever form.
func TestARefusalThatQuotesACredentialIsRedacted(t *testing.T) {
	secret := `pa"ss<b>wörd&more`
	tests := map[string]transport.Request{
		"header":         {Header: http.Header{"X-Auth-Token": {secret}, "Accept": {"admin"}}},
		"bearer":         {Header: http.Header{"Authorization": {"Bearer " + secret}}},
		"signature":      {Header: http.Header{"Authorization": {"SDK-HMAC-SHA256 Access=abcdefgh, SignedHeaders=x-sdk-date, Signature=" + secret}}},
		"cookie":         {Header: http.Header{"Cookie": {secret}}},
		"password":       {Body: []byte(`{"username":"u","password":` + quote(secret) + `}`)},
		"password array": {Body: []byte(`{"password":[` + quote(secret) + `]}`)},
		"Keystone":       {Body: []byte(`{"auth":{"identity":{"password":{"user":{"name":"admin","password":` + quote(secret) + `}}}}}`)},
		"Keystone token": {Body: []byte(`{"auth":{"identity":{"token":{"id":` + quote(secret) + `}}}}`)},
		"query":          {URL: "http://h/x?access_token=" + url.QueryEscape(secret)},
		"userinfo":       {URL: "http://admin:" + url.QueryEscape(secret) + "@h/x"},
		"named":          {Secrets: []string{secret}},
	}
	forms := map[string]string{
		"as it is":     secret,
		"for a URL":    url.QueryEscape(secret),
		"HTML":         `pa&#34;ss&lt;b&gt;wörd&amp;more`,
		"HTML's names": `pa&quot;ss&lt;b&gt;w&ouml;rd&amp;more`,
		"JSON in text": strings.Trim(quote(secret), `"`),
	}
	for name, request := range tests {
		for how, form := range forms {
			for kind, body := range map[string]string{
				"plain":     "rejected: " + form + " of admin",
				"JSON":      `{"error":{"message":` + quote("rejected: "+form+" of admin") + `,"code":` + quote("C "+form) + `}}`,
				"HTML":      "<html><title>rejected: " + form + " of admin</title>",
				"past 500":  strings.Repeat("x", 480) + form,
				"in a long": strings.Repeat(form+" ", 5000),
			} {
				t.Run(name+"/"+how+"/"+kind, func(t *testing.T) {
					text := transport.NewAPIError(request, &transport.Response{StatusCode: 400, Body: []byte(body)}).Error()
					for _, piece := range []string{"wörd", "w\\u00f6rd", "w&ouml", "&more", url.QueryEscape("wörd"), `pa"`, `pa\"`, "pa%22"} {
						if strings.Contains(text, piece) {
							t.Errorf("%q shows %q", text, piece)
						}
					}
					if !strings.Contains(text, "redacted") && kind != "past 500" || strings.Contains(body, "of admin") && !strings.Contains(text, "of admin") {
						t.Errorf("%q", text)
					}
				})
			}
		}
	}
}

func TestLongerSecretsAreHiddenFirstAndShortOnesNotAtAll(t *testing.T) {
	request := transport.Request{Secrets: []string{"abcd", "abcdefgh", "", "on", "o \n n"}}
	got := transport.NewAPIError(request, &transport.Response{StatusCode: 400, Body: []byte("no options on abcd, abcdefgh")})
	if want := "no options on (redacted), (redacted)"; got.Message != want {
		t.Errorf("%q, want %q", got.Message, want)
	}
}

func TestARequestIDThatIsACredentialIsRedacted(t *testing.T) {
	server, _ := serve(t, func(w http.ResponseWriter, r *http.Request, _ int) {
		w.Header().Set("X-Request-Id", r.Header.Get("X-Auth-Token"))
	})
	lines := &logged{}
	client, _ := newClient(t, transport.Options{Log: lines.log})
	request := transport.Request{Method: "GET", URL: server.URL, Header: http.Header{"X-Auth-Token": {"gAAAAABtoken"}}}
	answer, err := client.Do(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{lines.String(), transport.NewAPIError(request, answer).Error()} {
		if strings.Contains(text, "gAAAAABtoken") || !strings.Contains(text, "(redacted)") {
			t.Errorf("%q", text)
		}
	}
}

func quote(s string) string { return fmt.Sprintf("%q", s) }

func TestErrorsShowNoCredentialOfTheURL(t *testing.T) {
	broken, _, _ := rawServer(t, func(conn net.Conn, s *seen) {
		readRequest(conn, s)
		_, _ = io.WriteString(conn, "you said tokenvalue42 and basicpass\r\n\r\n")
	})
	addresses := map[string]string{
		"refused":        refusedURL(t),
		"not HTTP":       broken,
		"invalid port":   "http://h:99999x",
		"no scheme":      "h/x",
		"no host":        "http:///x",
		"another scheme": "ftp://h/x",
		"control":        "http://h/\x7f",
	}
	for name, address := range addresses {
		t.Run(name, func(t *testing.T) {
			if before, after, found := strings.Cut(address, "//"); found {
				address = before + "//user:basicpass@" + after
			}
			address += "?access_token=tokenvalue42&marker=m1"
			lines := &logged{}
			client, _ := newClient(t, transport.Options{Log: lines.log})
			_, err := client.Do(t.Context(), transport.Request{Method: "GET", URL: address})
			_ = asError(t, err)
			texts := []string{lines.String()}
			for ; err != nil; err = errors.Unwrap(err) {
				if name == "not HTTP" && !isOurs(err) {
					break // The innermost error is net/http's, which quotes the server.
				}
				texts = append(texts, err.Error())
			}
			request, requestErr := http.NewRequestWithContext(t.Context(), "GET", address, nil)
			if requestErr == nil {
				answer, err := client.HTTPClient().Do(request)
				if err == nil {
					_ = answer.Body.Close()
					t.Fatal("no error")
				}
				safe := transport.SafeError(fmt.Errorf("signing in: %w", err))
				_ = asError(t, safe)
				texts = append(texts, safe.Error())
			}
			for _, text := range texts {
				if strings.Contains(text, "tokenvalue42") || strings.Contains(text, "basicpass") || strings.Contains(text, "user") {
					t.Errorf("%q", text)
				}
			}
		})
	}
}

func isOurs(err error) bool { return strings.HasPrefix(fmt.Sprintf("%T", err), "*transport.") }

func TestSafeErrorOfOtherErrors(t *testing.T) {
	plain := errors.New("plain")
	if got := transport.SafeError(plain); got.Error() != "plain" || !errors.Is(got, plain) || transport.SafeError(nil) != nil {
		t.Error("what is no error of net/http stays as it is")
	}
	foreign := &url.Error{Op: "Get", URL: "http://user:basicpass@h/x?token=tokenvalue42", Err: errors.New("odd: tokenvalue42 basicpass")}
	safe := transport.SafeError(foreign)
	if want := "GET http://h/x?token=(redacted): odd: (redacted) (redacted)"; safe.Error() != want {
		t.Errorf("%q, want %q", safe, want)
	}
	unreadable := &url.Error{Op: "parse", URL: "http://user:basicpass@h:x", Err: errors.New(`invalid port ":x" after host`)}
	hostless := &url.Error{Op: "Get", URL: "http:user:basicpass@h", Err: errors.New("http: no Host in request URL")}
	for _, err := range []error{unreadable, hostless} {
		if safe := transport.SafeError(err); strings.Contains(safe.Error(), "basicpass") {
			t.Errorf("%q", safe)
		}
	}
}

func TestLogLines(t *testing.T) {
	server, _ := serve(t, func(w http.ResponseWriter, _ *http.Request, n int) {
		w.Header().Set("X-Openstack-Request-Id", fmt.Sprintf("req-%d", n))
		if n == 1 {
			w.WriteHeader(500)
		}
		_, _ = io.WriteString(w, "the body")
	})
	clock := time.Unix(0, 0)
	lines := &logged{}
	client, _ := newClient(t, transport.Options{MaxRetries: 1, Log: lines.log, Now: func() time.Time {
		clock = clock.Add(1500 * time.Microsecond)
		return clock
	}})
	address := server.URL + "/v2/images?limit=2&X-Auth-Token=abcdefgh&odd%zz=1;sig=xyz#part"
	if _, err := client.Do(t.Context(), transport.Request{Method: "GET", URL: address, Header: http.Header{"X-Auth-Token": {"header-token"}}}); err != nil {
		t.Fatal(err)
	}
	shown := server.URL + "/v2/images?limit=2&X-Auth-Token=(redacted)&odd%zz=(redacted)&sig=(redacted)"
	want := fmt.Sprintf(`HTTP request map[attempt:1 duration_ms:1 method:GET request_id:req-1 status:500 url:%[1]s]
HTTP request is going to be repeated map[attempt:1 method:GET url:%[1]s wait_ms:250]
HTTP request map[attempt:2 duration_ms:1 method:GET request_id:req-2 status:200 url:%[1]s]
`, shown)
	if lines.String() != want {
		t.Errorf("got\n%s\nwant\n%s", lines, want)
	}
}

func TestTheFailureOfAnAttemptIsLogged(t *testing.T) {
	lines := &logged{}
	client, _ := newClient(t, transport.Options{Log: lines.log})
	if _, err := client.Do(t.Context(), transport.Request{Method: "GET", URL: refusedURL(t)}); err == nil {
		t.Fatal("no error")
	}
	if !strings.Contains(lines.String(), "refuses connections") || strings.Contains(lines.String(), "status:") {
		t.Errorf("%s", lines)
	}
}

func TestLongURLsAreCutInLogsAndErrors(t *testing.T) {
	lines := &logged{}
	client, _ := newClient(t, transport.Options{Log: lines.log})
	_, err := client.Do(t.Context(), transport.Request{Method: "GET", URL: refusedURL(t) + "/?id=in:" + strings.Repeat("0b1e494e,", 1000)})
	if failure := asError(t, err); len(failure.URL) != 500 || len(err.Error()) > 800 || len(lines.String()) > 1200 {
		t.Errorf("%d characters in the error, %d in the log", len(err.Error()), len(lines.String()))
	}
}

func TestHeaderValuesThatCannotBeSentAreNotShown(t *testing.T) {
	client, waits := newClient(t, transport.Options{MaxRetries: 2})
	token := base64.StdEncoding.EncodeToString([]byte("some token")) + "\n"
	_, err := client.Do(t.Context(), transport.Request{Method: "POST", URL: refusedURL(t), Header: http.Header{"X-Auth-Token": {token}}})
	if failure := asError(t, err); failure.MayHaveTakenEffect || len(waits.list) != 0 || !strings.Contains(err.Error(), `invalid header field value for "X-Auth-Token"`) || strings.Contains(err.Error(), token[:8]) {
		t.Errorf("%v", err)
	}
}
