package main

import (
	"encoding/pem"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestNodesBehindTLS: SSL_CERT_FILE names whom to trust at https and wss endpoints of the
// nodes, which matters in the image, where no certificate is trusted otherwise.
func TestNodesBehindTLS(t *testing.T) {
	f := startNodes(t)
	behind := func(node string) *httptest.Server {
		at, err := url.Parse(node)
		require.NoError(t, err)
		s := httptest.NewTLSServer(httputil.NewSingleHostReverseProxy(at))
		t.Cleanup(s.Close)
		return s
	}
	gwat, beacon := behind(f.gwat), behind(f.beacon)
	ca := writeFile(t, "ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: gwat.Certificate().Raw})))
	check := func(env ...string) string {
		cmd := exec.Command(os.Args[0], "check", "--gwat.endpoint", gwat.URL, "--beacon.endpoint", beacon.URL, "--data-dir", t.TempDir(), "--api.listen", "127.0.0.1:0")
		cmd.Env = append(append(os.Environ(), beMain+"=1"), env...)
		out, _ := cmd.CombinedOutput() // its code is of no interest here
		return string(out)
	}
	require.Equal(t, 2, strings.Count(check(), "certificate signed by unknown authority"))
	out := check("SSL_CERT_FILE=" + ca)
	require.NotContains(t, out, "unknown authority")
	require.Regexp(t, `(?m)^ok +gwat `, out)
	require.Regexp(t, `(?m)^ok +beacon `, out)
}
