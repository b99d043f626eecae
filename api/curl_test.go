package api

import (
	"bytes"
	"context"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v4"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/status"
)

// curled asks with a real curl and gives the status code and the body.
func curled(t *testing.T, stdin string, args ...string) (int, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "curl", append([]string{"-q", "-s", "-S", "--noproxy", "*", "-w", "\n%{http_code}"}, args...)...)
	cmd.Stdin = strings.NewReader(stdin)
	var out, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &stderr
	require.NoError(t, cmd.Run(), stderr.String())
	body, code, ok := strings.Cut(out.String(), "\n")
	for ok && strings.Contains(code, "\n") { // the body may have lines
		var line string
		line, code, _ = strings.Cut(code, "\n")
		body += "\n" + line
	}
	n, err := strconv.Atoi(code)
	require.NoError(t, err, out.String())
	return n, body
}

// The API as the world sees it: a process that knows nothing of Go or of us.
func TestConformanceWithCurl(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("there is no curl on this machine: the API is not asked with it")
	}
	src := &fakePair{
		order:   func(context.Context, string) error { return nil },
		history: func(int) ([]status.Change, error) { return nil, nil },
	}
	src.snap.Store(&status.Snapshot{Seq: 9, At: time.Now(), Stage: "working", Verdict: status.VerdictWorking})
	local := filepath.Join(t.TempDir(), "s")
	url := "http://" + start(t, src, func(c *Config) { c.Socket = local })
	at := func(d time.Duration) string {
		return token(t, jwt.SigningMethodHS256, secret, jwt.MapClaims{"iat": time.Now().Add(d).Unix()})
	}
	none := token(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, jwt.MapClaims{"iat": time.Now().Unix()})
	other := token(t, jwt.SigningMethodHS256, []byte("another"), jwt.MapClaims{"iat": time.Now().Unix()})
	const asJSON = "Content-Type: application/json"
	const status1 = `{"jsonrpc":"2.0","id":1,"method":"syncd_status"}`
	const pause = `{"jsonrpc":"2.0","id":7,"method":"syncd_pause","params":["now"]}`
	bearer := func(tok string) []string { return []string{"-H", "Authorization: Bearer " + tok} }
	for name, c := range map[string]struct {
		body string
		args []string
		code int
		want []string // parts of the answer; none: it is empty
	}{
		"single":                 {status1, nil, 200, []string{`"id":1`, `"seq":9`}},
		"id is a text":           {`{"jsonrpc":"2.0","id":"a","method":"syncd_config"}`, nil, 200, []string{`{"jsonrpc":"2.0","id":"a","result":[]}`}},
		"batch":                  {`[` + status1 + `,{"jsonrpc":"2.0","id":2,"method":"syncd_findings"},{"jsonrpc":"2.0","method":"syncd_status"}]`, nil, 200, []string{`[{"jsonrpc":"2.0","id":1,`, `{"jsonrpc":"2.0","id":2,`}},
		"batch with a bad one":   {`[1,` + status1 + `]`, nil, 200, []string{`-32600`, `"seq":9`}},
		"empty batch":            {`[]`, nil, 200, []string{`-32600`}},
		"batch too large":        {`[` + strings.TrimSuffix(strings.Repeat(status1+",", maxBatch+1), ",") + `]`, nil, 200, []string{`batch too large`}},
		"notification":           {`{"jsonrpc":"2.0","method":"syncd_status"}`, nil, 200, nil},
		"notification of change": {`{"jsonrpc":"2.0","method":"syncd_pause"}`, nil, 200, nil},
		"discover":               {`{"jsonrpc":"2.0","id":1,"method":"rpc.discover"}`, nil, 200, []string{`"openrpc"`}},
		"bad JSON":               {`{"jsonrpc":`, nil, 200, []string{`-32700`, `"id":null`}},
		"no body":                {``, nil, 200, []string{`-32700`}},
		"no version":             {`{"id":1,"method":"syncd_status"}`, nil, 200, []string{`-32600`}},
		"unknown method":         {`{"jsonrpc":"2.0","id":1,"method":"syncd_dance"}`, nil, 200, []string{`-32601`, `syncd_dance`}},
		"unknown namespace":      {`{"jsonrpc":"2.0","id":1,"method":"admin_peers"}`, nil, 200, []string{`-32601`}},
		"wrong params":           {`{"jsonrpc":"2.0","id":1,"method":"syncd_history","params":["ten"]}`, nil, 200, []string{`-32602`}},
		"params by name":         {`{"jsonrpc":"2.0","id":1,"method":"syncd_history","params":{"limit":1}}`, nil, 200, []string{`"result":[`}},
		"params of another name": {`{"jsonrpc":"2.0","id":1,"method":"syncd_history","params":{"most":1}}`, nil, 200, []string{`-32602`, `it has [\"limit\"]`}},
		"out of bounds":          {`{"jsonrpc":"2.0","id":1,"method":"syncd_history","params":[0]}`, nil, 200, []string{`-32602`, `want 1 to 10000`}},
		"subscribe without a ws": {`{"jsonrpc":"2.0","id":1,"method":"syncd_subscribe","params":["stage"]}`, nil, 200, []string{`-32601`, `notifications not supported`}},
		"wrong content type":     {status1, []string{"-H", "Content-Type: text/plain"}, 415, []string{"application/json"}},
		"form":                   {status1, []string{"-H", "Content-Type: application/x-www-form-urlencoded"}, 415, []string{"application/json"}},
		"too large":              {strings.Repeat(" ", maxBody+1), nil, 413, []string{`-32015`}},
		"too large, chunked":     {strings.Repeat(" ", maxBody+1), []string{"-H", "Transfer-Encoding: chunked"}, 413, []string{`-32015`}},
		"wrong Host":             {status1, []string{"-H", "Host: evil.example"}, 403, []string{"--api.allowed-hosts"}},
		"wrong Origin":           {status1, []string{"-H", "Origin: https://evil.example"}, 403, []string{"--api.allowed-origins"}},
		"no Origin of a file":    {status1, []string{"-H", "Origin: null"}, 403, []string{"--api.allowed-origins"}},
		"token missing":          {pause, nil, 200, []string{`"id":7`, `-32014`, `"kind":"needs_human"`}},
		"token good":             {pause, bearer(at(0)), 200, []string{`{"jsonrpc":"2.0","id":7,"result":true}`}},
		"token expired":          {pause, bearer(at(-2 * time.Minute)), 401, []string{`-32014`, "issued 2m"}},
		"token of the future":    {pause, bearer(at(2 * time.Minute)), 401, []string{`-32014`}},
		"token of another":       {pause, bearer(other), 401, []string{`-32014`, "signature"}},
		"token with alg none":    {pause, bearer(none), 401, []string{`-32014`, "none"}},
		"bad token for a read":   {status1, bearer("x"), 401, []string{`-32014`}},
		"local socket":           {pause, []string{"--unix-socket", local}, 200, []string{`"result":true`}},
		"PUT":                    {status1, []string{"-X", "PUT"}, 405, []string{"POST"}},
		"another path":           {status1, []string{"--request-target", "/rpc"}, 404, []string{"nothing at this path"}},
	} {
		t.Run(name, func(t *testing.T) {
			args := []string{"--data-binary", "@-", url + "/"}
			if !strings.Contains(strings.Join(c.args, " "), "Content-Type") {
				args = append(args, "-H", asJSON)
			}
			code, body := curled(t, c.body, append(args, c.args...)...)
			require.Equal(t, c.code, code, body)
			if c.want == nil {
				require.Empty(t, body)
			}
			for _, part := range c.want {
				require.Contains(t, body, part)
			}
			if code == 200 && body != "" {
				require.True(t, json.Valid([]byte(body)), body)
			}
		})
	}
	for _, path := range []string{"/livez", "/readyz", "/readyz?verbose", "/metrics", "/"} {
		code, _ := curled(t, "", url+path)
		require.Equal(t, 200, code, path)
	}
}
