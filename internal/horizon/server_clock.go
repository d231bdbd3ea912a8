package horizon

import (
	"context"
	"net/http"
	"time"

	"github.com/imageops/terraform-provider-imageops/internal/transport"
)

// ServerNow returns the server's clock as far as it is known: this machine's, and
// what the Date of the last answer differed from it by, whichever request that
// was. It may be behind the server's by a second, which is what a Date is
// rounded down to, and by the time that the answer was on its way. It is zero as
// long as no answer had a Date.
func (c *Client) ServerNow() time.Time {
	ahead := c.server.ahead.Load()
	if ahead == nil {
		return time.Time{}
	}
	// Without this machine's monotonic clock, of which times of the server know nothing.
	return c.now().Add(*ahead).UTC().Round(0)
}

// do sends a request as it is, and keeps what the answer says of the server's clock.
func (c *Client) do(ctx context.Context, r transport.Request) (*transport.Response, error) {
	resp, err := c.transport.Do(ctx, r)
	if err != nil {
		return nil, err
	}
	if date := dateOf(resp); !date.IsZero() {
		ahead := date.Sub(c.now())
		c.server.ahead.Store(&ahead)
	}
	return resp, nil
}

// dateOf returns the server's time of an answer, to the second; zero where the
// answer does not say it.
func dateOf(resp *transport.Response) time.Time {
	date, err := http.ParseTime(resp.Header.Get("Date"))
	if err != nil {
		return time.Time{}
	}
	return date.UTC()
}
