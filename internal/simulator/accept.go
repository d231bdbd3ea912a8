package simulator

import (
	"strconv"
	"strings"
)

// preferredType returns the offer that an Accept header prefers, the earlier one
// of equals, or "" when it accepts none. The most specific range decides over
// each offer (RFC 9110, section 12.5.1).
func preferredType(accept []string, offers ...string) string {
	best, bestQuality := "", 0.0
	for _, offer := range offers {
		quality, specificity := 0.0, 0
		for _, mediaRange := range strings.Split(strings.Join(accept, ","), ",") {
			q, s := rangeQuality(mediaRange, offer)
			if s > specificity {
				quality, specificity = q, s
			}
		}
		if quality > bestQuality {
			best, bestQuality = offer, quality
		}
	}
	return best
}

// rangeQuality returns the weight that one media range gives to an offer and how
// specific the range is: 0 when it does not match, 3 when it names the type.
func rangeQuality(mediaRange, offer string) (float64, int) {
	name, parameters, _ := strings.Cut(mediaRange, ";")
	name = strings.ToLower(strings.TrimSpace(name))
	var specificity int
	kind, _, _ := strings.Cut(offer, "/")
	switch name {
	case offer:
		specificity = 3
	case kind + "/*":
		specificity = 2
	case "*/*":
		specificity = 1
	default:
		return 0, 0
	}
	quality := 1.0
	for _, parameter := range strings.Split(parameters, ";") {
		key, value, _ := strings.Cut(strings.TrimSpace(parameter), "=")
		if !strings.EqualFold(key, "q") {
			continue
		}
		if q, err := strconv.ParseFloat(value, 64); err == nil {
			quality = q
		}
	}
	return quality, specificity
}
