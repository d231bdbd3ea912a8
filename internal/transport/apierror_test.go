package transport_test

import (
	"net/http"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/imageops/terraform-provider-imageops/internal/transport"
)

func TestAPIErrorReadsEveryForm(t *testing.T) {
	page := `<!DOCTYPE html PUBLIC "-//IETF//DTD HTML 2.0//EN"><html><head><TITLE>502 Proxy
		Error</TITLE><style>h1 {color: red}</style></head><body><h1>Proxy Error</h1>The proxy server &hellip;</body></html>`
	tests := map[string]struct {
		status             int
		header             http.Header
		body               string
		code, message, id  string
		text               string
		attempts           int
		method, requestURL string
	}{
		"Glance": {
			status: 403, header: http.Header{"X-Openstack-Request-Id": {"req-1"}},
			body:    `{"message": "Access was denied to this resource.<br /><br />\nProperty name may not be removed.\n\n", "code": "403 Forbidden", "title": "Forbidden"}`,
			message: "Access was denied to this resource. Property name may not be removed.", id: "req-1",
			text: "PATCH /v2/images/1: 403 Forbidden: Access was denied to this resource. Property name may not be removed. (request id req-1)",
		},
		"Glance's schema": {
			status: 400, body: `{"message": "Provided object does not match schema 'image': None is not of type 'string'\n\nOn instance['foo']:\n    None<br /><br />\n", "code": "400 Bad Request", "title": "Bad Request"}`,
			message: "Provided object does not match schema 'image': None is not of type 'string' On instance['foo']: None",
		},
		"Glance as text": {
			status: 404, body: "404 Not Found\n\nNo image found with ID 00000000-0000-0000-0000-000000000000\n",
			message: "No image found with ID 00000000-0000-0000-0000-000000000000",
		},
		"a bare status as text": {status: 404, body: "404 Not Found\n", message: "404 Not Found"},
		"Keystone": {
			status: 401, header: http.Header{"X-Openstack-Request-Id": {"req-2"}},
			body:    `{"error":{"code":401,"message":"The request you have made requires authentication.","title":"Unauthorized"}}`,
			message: "The request you have made requires authentication.", id: "req-2",
		},
		"IMS": {
			status: 400, header: http.Header{"X-Request-Id": {"abc"}}, body: `{"error":{"message":"The image attributes conflict.","code":"IMG.0035"}}`,
			code: "IMG.0035", message: "The image attributes conflict.", id: "abc", attempts: 3,
			text: "PATCH /v2/images/1: 400 Bad Request: The image attributes conflict. (code IMG.0035, request id abc, 3 attempts)",
		},
		"gateway": {
			status: 401, body: `{"error_msg":"Incorrect IAM authentication information: verify aksk signature fail","error_code":"APIGW.0301","request_id":"0a1b"}`,
			code: "APIGW.0301", message: "Incorrect IAM authentication information: verify aksk signature fail", id: "0a1b",
		},
		"gateway's names before the general ones": {
			status: 403, body: `{"code":"X.1","message":"general","error_code":"APIGW.0302","error_msg":"the gateway's","encoded_authorization_message":"c2VjcmV0"}`,
			code: "APIGW.0302", message: "the gateway's",
		},
		"Huawei Cloud's code and message": {status: 400, body: `{"code":"IMG.0002","message":"The name is too long."}`, code: "IMG.0002", message: "The name is too long."},
		"Huawei Cloud's details": {
			status: 403, body: `{"error_code":"A.1","error_msg":"Refused.","details":[{"error_code":"B.2","error_msg":"No role."}]}`,
			code: "A.1", message: "Refused.; No role. (B.2)",
		},
		"a message outside of the code": {status: 400, body: `{"message":"It failed.","error":{"code":"IMG.0035","message":"Conflict."}}`, code: "IMG.0035", message: "It failed."},
		"Horizon before 2206": {
			status: 401, body: `{"status":"UNAUTHORIZED","timestamp":1604401593260,"error_message":"Only Administrator on Root are allowed to access the REST APIs."}`,
			message: "Only Administrator on Root are allowed to access the REST APIs.",
		},
		"Horizon's validation": {
			status: 400, body: `{"status":"BAD_REQUEST","timestamp":1604401593260,"error_messages":["name is missing","name is too short"]}`,
			message: "name is missing; name is too short",
		},
		"Horizon since 2206": {
			status: 400,
			body: `{"status":"BAD_REQUEST","timestamp":1,"error_messages":["The pool runs an operation."],
				"errors":[{"error_key":"a.b.error","error_message":"The pool runs an operation."},{"error_key":"c.d.error","error_message":"Try later."}]}`,
			code: "a.b.error", message: "The pool runs an operation.; Try later. (c.d.error)",
		},
		"Horizon with both": {
			status: 400, body: `{"error_key":"k","error_message":"Wrong.","errors":[{"error_key":"k","error_message":"Wrong."},{"error_key":"k","error_message":"Also wrong."}]}`,
			code: "k", message: "Wrong.; Also wrong.",
		},
		"nested under a name of its own": {
			status: 404, body: `{"itemNotFound":{"message":"Image not found.","code":404}}`, message: "Image not found.",
		},
		"error before others": {
			status: 400, body: `{"a":{"message":"from a"},"error":{"message":"from error"},"z":{"message":"from z"}}`, message: "from error",
		},
		"an object of errors": {status: 422, body: `{"errors":{"name":["is missing","is short"]}}`, message: "is missing; is short"},
		"codes outside": {
			status: 400, body: `{"code":"X.1","request_id":"r-1","detail_of_it":{"message":"inner"},"nothing":null}`, code: "X.1", message: "inner", id: "r-1",
		},
		"null": {status: 500, body: `[null, true]`},
		"deeply nested": {
			status: 500, body: `{"a":{"b":{"c":{"code":"X.1","message":"deep"}}},"count":2}`, code: "X.1", message: "deep",
		},
		"nested too deeply": {
			status: 500, body: strings.Repeat(`{"a":`, 20) + `{"message":"deep"}` + strings.Repeat(`}`, 20), message: "the answer is JSON without a message; it has a",
		},
		"a list of errors": {
			status: 400, body: `[{"code":"X.1","message":"one"},{"code":"X.2","message":"two"}]`, code: "X.1", message: "one; two (X.2)",
		},
		"a text under error": {status: 400, body: `{"error":"invalid_grant"}`, message: "invalid_grant"},
		"OAuth":              {status: 400, body: `{"error":"invalid_grant","error_description":"The grant is over."}`, message: "The grant is over."},
		"fault with its id":  {status: 500, body: `{"fault":{"faultstring":"boom"},"requestId":"r-9"}`, message: "boom", id: "r-9"},
		"a title only":       {status: 503, body: `{"title":"Service Unavailable"}`, message: "Service Unavailable"},
		"a JSON text":        {status: 400, body: `"just so"`, message: "just so"},
		"a number as code":   {status: 400, body: `{"code":1604401593260,"message":"m"}`, code: "1604401593260", message: "m"},
		"JSON without a message": {
			status: 200, body: `{"access_token":"abcdefghijkl","refresh_token":"xyz"}`, message: "the answer is JSON without a message; it has access_token, refresh_token",
			text: "PATCH /v2/images/1: 200 OK: the answer is JSON without a message; it has access_token, refresh_token",
		},
		"an empty object":         {status: 500, body: `{}`},
		"broken JSON":             {status: 200, body: `{"access_token":"abcdefghijkl`, message: "the answer begins like JSON, but cannot be read as such"},
		"text in brackets":        {status: 500, body: `[Errno 111] Connection refused`, message: "[Errno 111] Connection refused"},
		"page of a proxy":         {status: 502, body: page, message: "the answer is an HTML page (title: 502 Proxy Error), probably from a proxy"},
		"page with an open tag":   {status: 502, body: "<html><title", message: "the answer is an HTML page, probably from a proxy"},
		"page with an open title": {status: 502, body: "<html><title>Bad", message: "the answer is an HTML page, probably from a proxy"},
		"page with a heading": {
			status: 502, body: "<html><body><H1 class=x>Bad &amp; ugly</H1></body>", message: "the answer is an HTML page (title: Bad & ugly), probably from a proxy",
		},
		"page without a name": {
			status: 502, header: http.Header{"Content-Type": {"text/html; charset=utf-8"}}, body: "<center>gone</center>", message: "the answer is an HTML page, probably from a proxy",
		},
		"text that is called HTML": {status: 500, header: http.Header{"Content-Type": {"text/html"}}, body: "worker died", message: "worker died"},
		"plain text":               {status: 500, body: "upstream\n\tconnect error\n", message: "upstream connect error"},
		"nothing":                  {status: 504, text: "PATCH /v2/images/1: 504 Gateway Timeout"},
		"blanks":                   {status: 504, body: " \n\t "},
		"an unknown status":        {status: 599, text: "PATCH /v2/images/1: 599"},
		"another id header":        {status: 500, header: http.Header{"X-Compute-Request-Id": {"c-1"}}, id: "c-1"},
		"an id of many lines":      {status: 500, header: http.Header{"X-Request-Id": {"a\x1b[31m b" + strings.Repeat("c", 200)}}, id: "a[31m b" + strings.Repeat("c", 90) + "..."},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if test.header == nil {
				test.header = http.Header{}
			}
			request := transport.Request{Method: "PATCH", URL: "https://user:pass@glance.example/v2/images/1?secret=abcdef"}
			got := transport.NewAPIError(request, &transport.Response{StatusCode: test.status, Header: test.header, Body: []byte(test.body), Attempts: test.attempts})
			if got.Code != test.code || got.Message != test.message || got.RequestID != test.id {
				t.Errorf("got code %q, message %q, request id %q;\nwant %q, %q, %q", got.Code, got.Message, got.RequestID, test.code, test.message, test.id)
			}
			if got.Method != "PATCH" || got.Path != "/v2/images/1" || got.StatusCode != test.status {
				t.Errorf("%+v", got)
			}
			if test.text != "" && got.Error() != test.text {
				t.Errorf("got  %s\nwant %s", got, test.text)
			}
		})
	}
}

func TestAPIErrorOfAnInvalidURLShowsNothingOfIt(t *testing.T) {
	got := transport.NewAPIError(transport.Request{Method: "GET", URL: "http://user:pass@h:x/p"}, &transport.Response{StatusCode: 500})
	if got.Path != "" {
		t.Errorf("%q", got.Path)
	}
}

func TestAPIErrorIsBounded(t *testing.T) {
	long := strings.Repeat("word ", 1<<20)
	for _, body := range []string{long, `{"message":"` + long + `","code":"` + long + `"}`, "<html><title>" + long, `{"message":"` + long[:1000] + `","code":"` + long[:1000] + `"}`} {
		got := transport.NewAPIError(transport.Request{Method: "GET", URL: "http://h/" + long}, &transport.Response{StatusCode: 500, Body: []byte(body)})
		if utf8.RuneCountInString(got.Message) > 500 || len(got.Code) > 100 || len(got.Path) > 500 {
			t.Errorf("%d characters of message, %d of code, %d of path", len(got.Message), len(got.Code), len(got.Path))
		}
	}
}

func TestCleanText(t *testing.T) {
	tests := map[string]struct{ in, want string }{
		"nothing":                    {"", ""},
		"webob's breaks":             {"Attribute 'id' is read-only.<br /><br />\n\n\n", "Attribute 'id' is read-only."},
		"breaks of every kind":       {"a<br>b<br/>c<BR />d", "a b c d"},
		"elements and entities":      {"<p class=\"x\">a &amp; b</p>&lt;c&gt;", "a & b <c>"},
		"comments and scripts":       {"a<!-- b --><script>c()</script><style>d</style>e", "a e"},
		"a script without an end":    {"a<script>b", "a"},
		"a comment without an end":   {"a<!-- b", "a"},
		"an element without an end":  {"a <b c", "a <b c"},
		"what is no element stays":   {"<class 'str'> at <nil>, a < b > c, <foo>", "<class 'str'> at <nil>, a < b > c, <foo>"},
		"white space is folded":      {"\t a \r\n b\u00a0c\u2028d ", "a b c d"},
		"nothing for the terminal":   {"a\x1b[31mb\x07\x00\u202ec\u200bd", "a[31mbcd"},
		"entities for the terminal":  {"a&#27;b", "ab"},
		"what is not UTF-8":          {"a\xff\xfeb", "ab"},
		"letters of other languages": {"größe 映像 🙂", "größe 映像 🙂"},
		"markup beyond all bounds":   {"<b " + strings.Repeat("x", 1100) + ">", "<b " + strings.Repeat("x", 494) + "..."},
		"long texts":                 {strings.Repeat("ö", 600), strings.Repeat("ö", 497) + "..."},
		"texts that just fit":        {strings.Repeat("ö", 500), strings.Repeat("ö", 500)},
		"text far behind":            {strings.Repeat(" ", 1<<20) + "x", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := transport.CleanText(test.in); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func FuzzCleanText(f *testing.F) {
	for _, seed := range []string{"", "a<br /><br />\n", "<script>x</script>", "<!-- x", strings.Repeat("<b ", 100), "&lt;&#27;&amp;", "\xff<p"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) { checkClean(t, transport.CleanText(s)) })
}

func FuzzNewAPIError(f *testing.F) {
	f.Add(403, "application/json", `{"message": "x<br />", "code": "403 Forbidden"}`)
	f.Add(401, "", `{"error":{"code":401,"message":"m"}}`)
	f.Add(400, "", `{"errors":[{"error_key":"k","error_message":"m"}],"error_messages":["m",1,null]}`)
	f.Add(502, "text/html", `<html><title>t</title>`)
	f.Add(500, "", `[[[["x"]]]]`)
	f.Fuzz(func(t *testing.T, status int, contentType, body string) {
		const token = "gAAAAABtoken0123456789"
		request := transport.Request{Method: "GET", URL: "http://h/p", Header: http.Header{"X-Auth-Token": {token}}}
		response := &transport.Response{StatusCode: status, Header: http.Header{"Content-Type": {contentType}}, Body: []byte(body + token)}
		e := transport.NewAPIError(request, response)
		for _, text := range []string{e.Message, e.Code, e.RequestID} {
			checkClean(t, text)
		}
		if strings.Contains(e.Error(), token) || strings.ContainsAny(e.Error(), "\r\n") {
			t.Errorf("%q", e.Error())
		}
	})
}

func checkClean(t *testing.T, text string) {
	t.Helper()
	if utf8.RuneCountInString(text) > 500 || !utf8.ValidString(text) {
		t.Errorf("%d characters, valid: %t", utf8.RuneCountInString(text), utf8.ValidString(text))
	}
	if strings.Contains(text, "  ") || strings.TrimSpace(text) != text {
		t.Errorf("white space is left in %q", text)
	}
	for _, r := range text {
		if !unicode.IsPrint(r) {
			t.Errorf("%q has %U", text, r)
		}
	}
}
