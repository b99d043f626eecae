package api

import (
	"fmt"
	"net/http"
	"net/url"
	"path"
	"strings"
)

// checkBase refuses a base path that is not the path of a URL such as /syncd.
func checkBase(base string) error {
	if base == "" {
		return nil
	}
	u, err := url.Parse(base)
	if err != nil || u.Path != base || !strings.HasPrefix(base, "/") || base == "/" || path.Clean(base) != base || strings.ContainsAny(base, "\\{} \t") {
		return fmt.Errorf("--api.base-path is %.100q: want a path that begins with a slash and ends without one, such as /syncd", base)
	}
	return nil
}

// belowBase serves below a base path what next serves at the root. The root stays, for a
// proxy that cuts the path off, and for probes that ask syncd itself.
func belowBase(base string, next http.Handler) http.Handler {
	if base == "" {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rest, below := strings.CutPrefix(r.URL.Path, base)
		switch {
		case !below || rest != "" && rest[0] != '/':
			next.ServeHTTP(w, r)
		case rest == "": // the page's addresses are relative to the slash
			to := base + "/"
			if r.URL.RawQuery != "" {
				to += "?" + r.URL.RawQuery
			}
			http.Redirect(w, r, to, http.StatusPermanentRedirect)
		default:
			http.StripPrefix(base, next).ServeHTTP(w, r)
		}
	})
}
