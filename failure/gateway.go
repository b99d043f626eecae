package failure

import (
	"errors"
	"fmt"
	"net/http"
)

// ErrGateway is the error of a proxy's answer: the proxy does not reach the node.
var ErrGateway = errors.New("a proxy in between does not reach the node")

// Gateway marks err as ErrGateway if the HTTP status is one of a proxy: 502, 503
// or 504. The text of err stays.
func Gateway(httpStatus int, err error) error {
	switch httpStatus {
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return &kinded{kind: ErrGateway, err: err}
	}
	return err
}

// Redirect says where an answer sends its caller, for an error; "" unless it is a redirect.
// None is followed: it would carry the token to a host that nobody configured.
func Redirect(httpStatus int, header http.Header) string {
	to := header.Get("Location")
	if httpStatus/100 != 3 || to == "" {
		return ""
	}
	return fmt.Sprintf("it redirects to %s, and no redirect is followed: name that address itself", Text(to))
}
