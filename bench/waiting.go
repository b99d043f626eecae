package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
)

// waiting makes a simulated beacon node say that it syncs, as a real one does while its
// built-in driver waits for gwat. Beside one that does its normal work syncd sends a
// ready between two blocks only (docs/decisions/0008), and that wait is no part of
// what is measured.
func waiting(beacon http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/eth/v1/node/syncing") {
			beacon.ServeHTTP(w, r)
			return
		}
		answer := httptest.NewRecorder()
		beacon.ServeHTTP(answer, r)
		body := bytes.Replace(answer.Body.Bytes(), []byte(`"is_syncing":false`), []byte(`"is_syncing":true`), 1)
		w.Header().Set("Content-Type", answer.Header().Get("Content-Type"))
		w.WriteHeader(answer.Code)
		_, _ = w.Write(body)
	})
}
