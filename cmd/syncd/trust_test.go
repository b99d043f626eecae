package main

import (
	"encoding/pem"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/internal/testworld/certificate"
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
	other := writeFile(t, "other.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: unrelated(t)})))
	for value, want := range map[string]string{
		"":                                "name the PEM file of the authority that signed gwat's certificate by SSL_CERT_FILE",
		other:                             "add the authority that signed gwat's certificate to " + other,
		writeFile(t, "empty.pem", ""):     "empty.pem holds no certificate",
		writeFile(t, "bad.pem", "no PEM"): "bad.pem holds no certificate",
		"/nowhere/ca.pem":                 "open /nowhere/ca.pem: no such file or directory",
	} {
		out := check("SSL_CERT_FILE="+value, "SSL_CERT_DIR="+t.TempDir())
		require.Equal(t, 2, strings.Count(out, "certificate signed by unknown authority; SSL_CERT_FILE"), out)
		require.Contains(t, out, want)
	}
	out := check("SSL_CERT_FILE=" + ca)
	require.NotContains(t, out, "unknown authority")
	require.Regexp(t, `(?m)^ok +gwat `, out)
	require.Regexp(t, `(?m)^ok +beacon `, out)
}

// unrelated is a certificate that signs nothing of the test.
func unrelated(t *testing.T) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "cert.pem")
	certificate.Write(t, path, path+".key", time.Now().Add(time.Hour))
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	block, _ := pem.Decode(raw)
	return block.Bytes
}
