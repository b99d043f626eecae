//go:build page

package page_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/api"
	"github.com/gwatsync/syncd/status"
)

// nginx runs with the server of a configuration until the end of the test.
func nginx(t *testing.T, servers string) {
	t.Helper()
	path, err := exec.LookPath("nginx")
	if err != nil {
		if path = "/usr/sbin/nginx"; !exists(path) {
			t.Skip("no nginx: Debian's package nginx-light has it")
		}
	}
	dir := t.TempDir()
	config := filepath.Join(dir, "nginx.conf")
	text := fmt.Sprintf(`daemon off; pid %[1]s/pid; error_log stderr; worker_processes 1;
events { worker_connections 64; }
http {
  access_log off; client_body_temp_path %[1]s/a; proxy_temp_path %[1]s/b; fastcgi_temp_path %[1]s/c; uwsgi_temp_path %[1]s/d; scgi_temp_path %[1]s/e;
  %[2]s
}`, dir, servers)
	require.NoError(t, os.WriteFile(config, []byte(text), 0o600))
	out := &output{}
	cmd := exec.Command(path, "-e", "stderr", "-p", dir, "-c", config)
	cmd.Stdout, cmd.Stderr = out, out
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("nginx said:\n%s", out)
		}
	})
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// documented is the nginx configuration of docs/api.md.
func documented(t *testing.T) string {
	t.Helper()
	raw, err := os.ReadFile("../../docs/api.md")
	require.NoError(t, err)
	_, rest, ok := strings.Cut(string(raw), "```nginx\n")
	require.True(t, ok)
	block, _, ok := strings.Cut(rest, "```")
	require.True(t, ok)
	return block
}

// Behind nginx as docs/api.md has it the page is live below its path, whether the proxy
// passes the path on or cuts it off; a foreign origin is refused.
func TestBehindAReverseProxy(t *testing.T) {
	chromium(t)
	for name, base := range map[string]string{"the path is passed on": "/syncd", "the path is cut off": ""} {
		t.Run(name, func(t *testing.T) {
			src := &script{}
			src.publish(working())
			inner, _ := serveConfig(t, src, "127.0.0.1:0", func(c *api.Config) { c.BasePath, c.AllowedHosts = base, []string{"node.example"} })
			front := freeAddress(t)
			config := strings.NewReplacer("127.0.0.1:8443", front, "127.0.0.1:8650", inner).Replace(documented(t))
			if base == "" {
				config = strings.Replace(config, inner+";", inner+"/;", 1)
			}
			nginx(t, config)
			require.Eventually(t, func() bool {
				conn, err := net.Dial("tcp", front)
				if err == nil {
					_ = conn.Close()
				}
				return err == nil
			}, patience, 10*time.Millisecond)
			b := open(t, desktop)
			b.visit(front + "/syncd")
			b.until("document.documentElement.dataset.link === 'live'")
			b.until("document.querySelectorAll('.strip').length === 2")
			next := working()
			next.Verdict, next.Waiting = status.VerdictSyncing, "something new"
			src.publish(next)
			b.until("document.querySelector('[data-path=waiting]').textContent === 'something new'")
			b.onlyFrom(front)
			b.mu.Lock()
			for _, address := range b.asked {
				if !strings.HasPrefix(address, "data:") {
					require.Contains(t, address, front+"/syncd/", "nothing outside the path")
				}
			}
			b.mu.Unlock()
			b.noErrors()
			for header, want := range map[string]int{"": http.StatusOK, "http://node.example": http.StatusOK, "http://evil.example": http.StatusForbidden} {
				r, err := http.NewRequest(http.MethodPost, "http://"+front+"/syncd/", strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"syncd_status"}`))
				require.NoError(t, err)
				r.Host = "node.example"
				r.Header.Set("Content-Type", "application/json")
				if header != "" {
					r.Header.Set("Origin", header)
				}
				res, err := http.DefaultClient.Do(r)
				require.NoError(t, err)
				body, err := io.ReadAll(res.Body)
				require.NoError(t, err)
				require.NoError(t, res.Body.Close())
				require.Equal(t, want, res.StatusCode, "%s: %s", header, body)
			}
		})
	}
}
