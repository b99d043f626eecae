package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// moments are those of one handover, as seen before gwat.
type moments struct {
	shown    time.Time // the first answer that shows gwat ready was given
	ready    time.Time // the first ready call came in
	answered time.Time // the last push was answered
	confirm  time.Time // the first block read after it came in
	verify   time.Time // the first call came in that only a verification makes
}

func (m moments) complete() error {
	for what, t := range map[string]time.Time{
		"readiness": m.shown, "ready": m.ready, "the push's answer": m.answered, "confirmation": m.confirm, "verification": m.verify,
	} {
		if t.IsZero() {
			return fmt.Errorf("%s was not seen", what)
		}
	}
	return nil
}

// stopwatch stands before gwat and notes when what is asked and answered.
type stopwatch struct {
	done chan struct{} // closed with the first call of a verification

	mu sync.Mutex
	m  moments
}

func newStopwatch() *stopwatch { return &stopwatch{done: make(chan struct{})} }

func (s *stopwatch) moments() moments {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.m
}

func (s *stopwatch) watch(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		came := time.Now()
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		method := methodOf(body)
		s.asked(method, came)
		copied := &copyWriter{ResponseWriter: w, keep: method == "eth_syncing"}
		if copied.keep {
			r.Header.Del("Accept-Encoding") // so that it can be read here
		}
		next.ServeHTTP(copied, r)
		s.answeredAt(method, copied.body.Bytes(), time.Now())
	})
}

func (s *stopwatch) asked(method string, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case method == "dag_headSyncReady" && s.m.ready.IsZero():
		s.m.ready = at
	case s.m.answered.IsZero():
	case (method == "eth_getBlockByHash" || method == "eth_getBlockByNumber") && s.m.confirm.IsZero():
		s.m.confirm = at
	case method == "dag_getCandidates" && s.m.verify.IsZero():
		s.m.verify = at
		close(s.done)
	}
}

func (s *stopwatch) answeredAt(method string, answer []byte, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case method == "eth_syncing" && s.m.shown.IsZero() && showsReady(answer):
		s.m.shown = at
	case method == "dag_headSync" && s.m.verify.IsZero():
		s.m.answered, s.m.confirm = at, time.Time{}
	}
}

// showsReady reports whether an answer to eth_syncing says that gwat's own sync is over.
func showsReady(answer []byte) bool {
	var in struct {
		Result json.RawMessage `json:"result"`
	}
	if json.Unmarshal(answer, &in) != nil {
		return false
	}
	if string(in.Result) == "false" {
		return true
	}
	var sync struct {
		Stage string `json:"stage"`
	}
	if json.Unmarshal(in.Result, &sync) != nil {
		return false
	}
	return sync.Stage == "resync" || sync.Stage == "none"
}

// methodOf is the method of a call, or of the first one of a batch.
func methodOf(body []byte) string {
	type call struct {
		Method string `json:"method"`
	}
	var one call
	if json.Unmarshal(body, &one) == nil {
		return one.Method
	}
	var batch []call
	if json.Unmarshal(body, &batch) == nil && len(batch) > 0 {
		return batch[0].Method
	}
	return ""
}

// copyWriter keeps a copy of what is written.
type copyWriter struct {
	http.ResponseWriter
	keep bool
	body bytes.Buffer
}

// Write implements io.Writer.
func (c *copyWriter) Write(p []byte) (int, error) {
	if c.keep {
		c.body.Write(p)
	}
	return c.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController reach the connection.
func (c *copyWriter) Unwrap() http.ResponseWriter { return c.ResponseWriter }
