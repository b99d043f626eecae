package failure

import (
	"errors"
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
