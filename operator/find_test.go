package operator

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v4"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gwatsync/syncd/apiclient"
	"github.com/gwatsync/syncd/health"
	"github.com/gwatsync/syncd/internal/exit"
	"github.com/gwatsync/syncd/settings"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const digits = "abababababababababababababababababababababababababababababababab"

func loaded(t *testing.T, flags map[string]string) *settings.Config {
	t.Helper()
	cfg, err := settings.Load(settings.Input{Flags: flags})
	require.NoError(t, err)
	return cfg
}

// shortDir is a directory for sockets, whose paths are short.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "o")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	return dir
}

func listening(t *testing.T, path string) string {
	t.Helper()
	l, err := net.Listen("unix", path)
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	return path
}

func written(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

// TestWhereReadsGo: what is nearer wins.
func TestWhereReadsGo(t *testing.T) {
	dir := shortDir(t)
	configured, standard := listening(t, dir+"/a"), listening(t, dir+"/b")
	own := shortDir(t)
	users := listening(t, own+"/syncd.sock")
	for name, c := range map[string]struct {
		where   Where
		address string
		socket  string
	}{
		"nothing is known":                {Where{}, "http://127.0.0.1:8650", ""},
		"flag":                            {Where{API: "http://a:1", Environ: []string{"SYNCD_API=http://b:1"}}, "http://a:1", ""},
		"flag of the socket":              {Where{Socket: "/s", Environ: []string{"SYNCD_API=http://b:1"}}, "", "/s"},
		"variable":                        {Where{Environ: []string{"SYNCD_API=http://b:1", "SYNCD_SOCKET=/s"}, Settings: loaded(t, map[string]string{"api.listen": "127.0.0.1:9"})}, "http://b:1", ""},
		"variable of the socket":          {Where{Environ: []string{"SYNCD_API=", "SYNCD_SOCKET=/s"}}, "", "/s"},
		"the last one counts":             {Where{Environ: []string{"SYNCD_API=http://a:1", "SYNCD_API=http://b:1"}}, "http://b:1", ""},
		"settings, every address":         {Where{Settings: loaded(t, map[string]string{"api.listen": "0.0.0.0:9120"})}, "http://127.0.0.1:9120", ""},
		"settings, IPv6":                  {Where{Settings: loaded(t, map[string]string{"api.listen": "[::]:9120"})}, "http://[::1]:9120", ""},
		"settings, TLS":                   {Where{Settings: loaded(t, map[string]string{"api.listen": ":9120", "api.tls-cert": "/none", "api.tls-key": "/none"})}, "https://127.0.0.1:9120", ""},
		"settings, socket":                {Where{Settings: loaded(t, map[string]string{"api.listen": ":9120", "api.socket": configured})}, "", configured},
		"settings, socket of none":        {Where{Settings: loaded(t, map[string]string{"api.listen": ":9120", "api.socket": dir + "/none"})}, "http://127.0.0.1:9120", ""},
		"settings, no socket":             {Where{Settings: loaded(t, map[string]string{"api.listen": ":9120", "api.socket": written(t, "")})}, "http://127.0.0.1:9120", ""},
		"the package's socket":            {Where{DefaultSocket: standard, Settings: loaded(t, nil)}, "", standard},
		"the user's socket":               {Where{Environ: []string{"XDG_RUNTIME_DIR=" + own}, Settings: loaded(t, nil)}, "", users},
		"the package's before the user's": {Where{DefaultSocket: standard, Environ: []string{"XDG_RUNTIME_DIR=" + own}}, "", standard},
		"settings before the user's":      {Where{Environ: []string{"XDG_RUNTIME_DIR=" + own}, Settings: loaded(t, map[string]string{"api.listen": ":9120"})}, "http://127.0.0.1:9120", ""},
		"settings before the package's":   {Where{DefaultSocket: standard, Settings: loaded(t, map[string]string{"api.listen": ":9120"})}, "http://127.0.0.1:9120", ""},
	} {
		t.Run(name, func(t *testing.T) {
			if c.where.DefaultSocket == "" {
				c.where.DefaultSocket = "-"
			}
			got, err := c.where.target()
			require.NoError(t, err)
			require.Equal(t, c.address, got.Address)
			require.Equal(t, c.socket, got.Socket)
		})
	}
	for text, w := range map[string]Where{
		"--socket and --api name one syncd each": {API: "http://a:1", Socket: "/s"},
		"the port is known only":                 {Settings: loaded(t, map[string]string{"api.listen": "127.0.0.1:0"})},
		"--ca-file":                              {CAFile: "/none"},
		"holds no PEM certificate":               {CAFile: written(t, "nothing")},
		"has 108 bytes, at most 107":             {Socket: "/" + strings.Repeat("s", 107)},
		"want a URL":                             {API: "here"},
	} {
		w.DefaultSocket = "-"
		_, err := w.Client()
		require.Equal(t, exit.Usage, exit.Of(err), text)
		require.ErrorContains(t, err, text)
	}
}

// TestTheRightToOrder: by flag, or else by what the environment and the settings name.
func TestTheRightToOrder(t *testing.T) {
	dir := shortDir(t)
	socket, standard, secret := listening(t, dir+"/a"), listening(t, dir+"/b"), written(t, digits)
	for name, c := range map[string]struct {
		where Where
		at    string
	}{
		"socket":                   {Where{Socket: "/s"}, "/s"},
		"secret":                   {Where{Secret: secret}, "http://127.0.0.1:8650"},
		"secret and API":           {Where{Secret: secret, API: "http://a:1"}, "http://a:1"},
		"secret, API by variable":  {Where{Secret: secret, Environ: []string{"SYNCD_API=http://b:1"}}, "http://b:1"},
		"socket by variable":       {Where{Environ: []string{"SYNCD_SOCKET=/s"}}, "/s"},
		"socket by settings":       {Where{Settings: loaded(t, map[string]string{"api.socket": socket, "api.jwt-secret": secret})}, socket},
		"secret by settings":       {Where{Settings: loaded(t, map[string]string{"api.socket": dir + "/none", "api.jwt-secret": secret, "api.listen": ":9"})}, "http://127.0.0.1:9"},
		"elsewhere, by settings":   {Where{Environ: []string{"SYNCD_API=http://b:1"}, DefaultSocket: standard, Settings: loaded(t, map[string]string{"api.socket": socket, "api.jwt-secret": secret})}, "http://b:1"},
		"the package's socket":     {Where{DefaultSocket: standard, Settings: loaded(t, nil)}, standard},
		"flag before the settings": {Where{Socket: "/s", Settings: loaded(t, map[string]string{"api.socket": socket})}, "/s"},
	} {
		if c.where.DefaultSocket == "" {
			c.where.DefaultSocket = "-"
		}
		client, err := c.where.Orders()
		require.NoError(t, err, name)
		require.Equal(t, c.at, client.Address(), name)
		client.Close()
	}
	for text, w := range map[string]Where{
		"--socket or --jwt-secret is needed": {Settings: loaded(t, nil)},
		"give one of them":                   {Socket: "/s", Secret: secret},
		"name the file":                      {Secret: secret + ".none"},
		"--jwt-secret is the secret itself":  {Secret: digits},
	} {
		w.DefaultSocket = "-"
		_, err := w.Orders()
		require.Equal(t, exit.Usage, exit.Of(err), text)
		require.ErrorContains(t, err, text)
		require.NotContains(t, err.Error(), digits)
	}
	_, err := Where{DefaultSocket: standard, Settings: loaded(t, map[string]string{"api.listen": ":9"})}.Orders()
	require.ErrorContains(t, err, standard+" (of another syncd than the settings name)")
	_, err = Where{API: "http://a:1", DefaultSocket: standard, Settings: loaded(t, map[string]string{"api.jwt-secret": secret})}.Orders()
	require.ErrorContains(t, err, "--socket or --jwt-secret is needed", "no token goes to an address that was typed")
}

// When nothing is found, the error says what was tried, and what to do.
func TestWhatWasTried(t *testing.T) {
	dir := t.TempDir()
	cfg, err := settings.Load(settings.Input{Environ: []string{"SYNCD_API_SOCKET=" + dir + "/configured"}, FallBack: dir + "/none.yaml"})
	require.NoError(t, err)
	w := Where{DefaultSocket: written(t, ""), Environ: []string{"XDG_RUNTIME_DIR=" + dir}, Settings: cfg}
	tried := []string{
		"--api and --socket (not given), SYNCD_API (not set), SYNCD_SOCKET (not set), " + dir + "/none.yaml (not there), " +
			"api.socket " + dir + "/configured (not there), " + w.DefaultSocket + " (no socket), " + dir + "/syncd.sock (not there)",
	}
	_, err = w.Orders()
	require.Equal(t, exit.Usage, exit.Of(err))
	for _, part := range append(tried, "set api.socket for that syncd", "--config") {
		require.ErrorContains(t, err, part)
	}
	w.Settings.API.Listen = "127.0.0.1:1"
	client, err := w.Client()
	require.NoError(t, err)
	defer client.Close()
	err = Status(t.Context(), client, io.Discard, FormLine)
	require.Equal(t, exit.Unreachable, exit.Of(err))
	for _, part := range append(tried, "at http://127.0.0.1:1: ", "refused", "start syncd, or name it by --api, --socket or --config") {
		require.ErrorContains(t, err, part)
	}
	err = Wait(t.Context(), client, io.Discard, time.Millisecond)
	require.Equal(t, exit.Timeout, exit.Of(err))
}

func TestPrintToken(t *testing.T) {
	var out bytes.Buffer
	fresh := filepath.Join(t.TempDir(), "api.hex")
	require.NoError(t, Where{}.PrintToken(&out, fresh))
	require.Equal(t, 2, strings.Count(out.String(), "."), out.String())
	require.FileExists(t, fresh)
	require.Equal(t, exit.Usage, exit.Of(Where{}.PrintToken(&out, fresh)), "it is there already")
	require.Equal(t, exit.Usage, exit.Of(Where{}.PrintToken(&out, "")))
}

func TestNewSecret(t *testing.T) {
	path := filepath.Join(t.TempDir(), "api.hex")
	require.NoError(t, NewSecret(path))
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	first, err := os.ReadFile(path)
	require.NoError(t, err)
	_, err = Where{Secret: path}.Token()
	require.NoError(t, err)
	err = NewSecret(path)
	require.Equal(t, exit.Usage, exit.Of(err))
	require.ErrorContains(t, err, "name another file, or remove this one")
	again, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, first, again, "a secret that may be in use stays")
	require.Equal(t, exit.Usage, exit.Of(NewSecret(filepath.Join(t.TempDir(), "none", "x"))))
	other := filepath.Join(t.TempDir(), "other.hex")
	require.NoError(t, NewSecret(other))
	second, err := os.ReadFile(other)
	require.NoError(t, err)
	require.NotEqual(t, first, second)
}

func TestToken(t *testing.T) {
	for _, w := range []Where{{Secret: written(t, digits)}, {Settings: loaded(t, map[string]string{"api.jwt-secret": written(t, "0x"+digits+"\n")})}} {
		token, err := w.Token()
		require.NoError(t, err)
		parsed, err := jwt.Parse(token, func(*jwt.Token) (any, error) { return bytes.Repeat([]byte{0xab}, 32), nil })
		require.NoError(t, err)
		require.InDelta(t, time.Now().Unix(), parsed.Claims.(jwt.MapClaims)["iat"], 5)
	}
	_, err := Where{}.Token()
	require.Equal(t, exit.Usage, exit.Of(err))
	require.ErrorContains(t, err, "--jwt-secret is needed")
}

// tlsSyncd answers as a syncd that works, over TLS with a certificate for example.com
// and loopback, or with what it is given.
func tlsSyncd(t *testing.T) (s *httptest.Server, cert string, asked *atomic.Int64) {
	t.Helper()
	asked = &atomic.Int64{}
	s = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if r.URL.Path == "/readyz" {
			_, _ = io.WriteString(w, `{"ready":true,"stage":"working"}`)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"jsonrpc": "2.0", "id": 1, "result": map[string]any{"stage": "working", "verdict": "working"}})
	}))
	s.Config.ErrorLog = nil
	s.StartTLS()
	t.Cleanup(s.Close)
	cert = written(t, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})))
	return s, cert, asked
}

// Public reports 21 and 50: over TLS the certificate of the settings is trusted, and one
// that nobody trusts is told at once, also by Wait, which would else wait for ever.
func TestOverTLS(t *testing.T) {
	s, cert, _ := tlsSyncd(t)
	listen := s.Listener.Addr().String()
	for name, w := range map[string]Where{
		"settings":           {Settings: loaded(t, map[string]string{"api.listen": listen, "api.tls-cert": cert, "api.tls-key": cert})},
		"settings, any host": {Settings: loaded(t, map[string]string{"api.listen": strings.Replace(listen, "127.0.0.1", "0.0.0.0", 1), "api.tls-cert": cert, "api.tls-key": cert})},
		"flag":               {API: s.URL, CAFile: cert},
		"variable":           {Environ: []string{"SYNCD_API=" + s.URL}, CAFile: cert},
		"variable of the CA": {Environ: []string{"SYNCD_API=" + s.URL, "SYNCD_CA_FILE=" + cert}},
	} {
		w.DefaultSocket = "-"
		client, err := w.Client()
		require.NoError(t, err, name)
		var out bytes.Buffer
		require.NoError(t, Status(t.Context(), client, &out, FormLine), name)
		require.Contains(t, out.String(), "verdict=working")
		require.NoError(t, Wait(t.Context(), client, &out, 5*time.Second), name)
		client.Close()
	}

	client, err := Where{API: s.URL, DefaultSocket: "-"}.Client()
	require.NoError(t, err)
	defer client.Close()
	err = Status(t.Context(), client, io.Discard, FormLine)
	require.Equal(t, exit.Unreachable, exit.Of(err))
	require.ErrorIs(t, err, apiclient.ErrCertificate)
	require.ErrorContains(t, err, "--ca-file")
	begun := time.Now()
	err = Wait(t.Context(), client, io.Discard, time.Minute)
	require.Equal(t, exit.Unreachable, exit.Of(err))
	require.ErrorContains(t, err, "--ca-file")
	require.Less(t, time.Since(begun), 10*time.Second)

	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	client, err = Where{API: strings.Replace(plain.URL, "http", "https", 1), DefaultSocket: "-"}.Client()
	require.NoError(t, err)
	defer client.Close()
	require.Equal(t, exit.Unreachable, exit.Of(Wait(t.Context(), client, io.Discard, time.Minute)), "no TLS there")
}

// The certificate is for the name under which others ask; from the same machine syncd is
// asked by loopback.
func TestTheNameInTheCertificate(t *testing.T) {
	_, cert, _ := tlsSyncd(t)
	got, err := Where{Settings: loaded(t, map[string]string{"api.listen": "10.9.8.7:1", "api.tls-cert": cert, "api.tls-key": cert}), DefaultSocket: "-"}.target()
	require.NoError(t, err)
	require.Equal(t, "https://10.9.8.7:1", got.Address)
	require.Equal(t, "example.com", got.TLS.ServerName)
	system, err := x509.SystemCertPool()
	require.NoError(t, err)
	require.False(t, got.TLS.RootCAs.Equal(system), "the certificate is trusted")
}

func TestExplain(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, Explain(&out, ""))
	for _, name := range Findings() {
		require.Contains(t, out.String(), name)
		var one bytes.Buffer
		require.NoError(t, Explain(&one, name))
		require.True(t, strings.HasPrefix(one.String(), name+" ("), one.String())
		require.Contains(t, one.String(), "\n   Means: ")
		for _, part := range []string{"\n   Urgent: ", "\n   Data at risk: ", "\n   Do: ", "\n      "} {
			require.Contains(t, one.String(), part)
		}
	}
	require.Contains(t, Findings(), "gwat_behind_gate")
	require.Contains(t, Findings(), health.CoordinatedCatalog()[len(health.CoordinatedCatalog())-1].Name)
	require.ErrorContains(t, Explain(&out, "gwat_slow", "gwat_hung"), "explain takes one finding, got 2")
	err := Explain(&out, "gwat_unreachabel")
	require.Equal(t, exit.Usage, exit.Of(err))
	require.ErrorContains(t, err, `the nearest known one is "gwat_unreachable"`)
}

func TestOrderCodes(t *testing.T) {
	answer := ""
	status := http.StatusOK
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, answer)
	}))
	defer s.Close()
	client, err := Where{API: s.URL, Secret: written(t, digits)}.Orders()
	require.NoError(t, err)
	defer client.Close()
	for _, c := range []struct {
		status int
		answer string
		code   int
		text   string
	}{
		{200, `{"jsonrpc":"2.0","id":1,"result":true}`, exit.OK, ""},
		{200, `{"jsonrpc":"2.0","id":2,"error":{"code":-32012,"message":"it is paused"}}`, exit.Internal, "syncd refuses: it is paused"},
		{401, "the token is too old", exit.Usage, "refuses the token: the token is too old"},
		{401, `{"jsonrpc":"2.0","id":null,"error":{"code":-32014,"message":"syncd has no secret"}}`, exit.Usage, "refuses the token: syncd has no secret"},
		{404, "nothing", exit.Unreachable, "404"},
		{200, "nothing", exit.Unreachable, "sends no JSON-RPC"},
	} {
		status, answer = c.status, c.answer
		err := refused(client.Order(t.Context(), "syncd_pause", "why"))
		if c.code == exit.OK {
			answer = ""
		}
		require.Equal(t, c.code, exit.Of(err), "%v", err)
		if c.text != "" {
			require.ErrorContains(t, err, c.text)
		}
	}
}
