package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/internal/exit"
)

// Public report 21 (on 677a403 the image's check is `status`, which asks the
// default address and wants a working pair): healthy means that syncd lives.
func TestHealthcheckAsksWhetherSyncdLives(t *testing.T) {
	dockerfile, err := os.ReadFile("../../Dockerfile")
	require.NoError(t, err)
	image := string(dockerfile[strings.LastIndex(string(dockerfile), "FROM scratch AS syncd"):])
	require.Contains(t, image, `CMD ["/syncd", "healthcheck"]`)

	listen := freeAddress(t)
	_, log, stop := background(t, runArgs(t, listen)...) // its nodes are not there
	// The command line's library has globals: one command is parsed at a time.
	require.Eventually(t, func() bool { return strings.Contains(log.String(), "syncd starts") }, edgeWait, 1e7)
	defer http.DefaultClient.CloseIdleConnections()
	_, port, _ := strings.Cut(listen, ":")
	for _, env := range [][]string{
		{"SYNCD_API_LISTEN=" + listen}, {"SYNCD_API_LISTEN=0.0.0.0:" + port}, {"SYNCD_API_LISTEN=:" + port},
		{"SYNCD_API=http://" + listen}, {"SYNCD_API=http://" + listen + "/", "SYNCD_API_LISTEN=127.0.0.1:1", "SYNCD_API_TLS_CERT=x"},
	} {
		require.Eventually(t, func() bool { return syncd(t, env, "healthcheck").code == exit.OK }, edgeWait, 1e7, env)
	}
	for _, env := range [][]string{{"SYNCD_API_LISTEN=nowhere"}, {"SYNCD_API=ftp://a"}, {"SYNCD_API_LISTEN=127.0.0.1:0"}} {
		require.Equal(t, exit.Usage, syncd(t, env, "healthcheck").code, env)
	}
	stop()
	out := syncd(t, []string{"SYNCD_API_LISTEN=" + listen}, "healthcheck")
	require.Equal(t, exit.Unreachable, out.code)
	oneLine(t, out.stderr, "syncd gives no answer at http://"+listen+": dial tcp", "connection refused", "SYNCD_API_LISTEN")

	tls := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/livez" {
			w.WriteHeader(http.StatusTeapot)
		}
	}))
	defer tls.Close()
	require.Equal(t, exit.OK, syncd(t, []string{"SYNCD_API_LISTEN=" + tls.Listener.Addr().String(), "SYNCD_API_TLS_CERT=/cert.pem"}, "healthcheck").code,
		"its certificate may be of another name")
	require.Equal(t, exit.Unreachable, syncd(t, []string{"SYNCD_API_LISTEN=" + tls.Listener.Addr().String()}, "healthcheck").code)
}
