package endpoint

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseAccepts(t *testing.T) {
	for _, c := range []struct {
		kind                Kind
		raw, scheme, masked string
	}{
		{Gwat, "http://127.0.0.1:8545", "http", "http://127.0.0.1:8545"},
		{Gwat, "WSS://me:hunter2@gwat:8546/x?key=hunter2#hunter2", "wss", "wss://***@gwat:8546/x?***"},
		{Gwat, "ws://hunter2@[::1]:8546", "ws", "ws://***@[::1]:8546"},
		{Gwat, "/run/gwat/gwat.ipc", "", "/run/gwat/gwat.ipc"},
		{Gwat, "gwat.ipc", "", "gwat.ipc"},
		{Gwat, strings.Repeat("a", MaxSocketPath), "", strings.Repeat("a", MaxSocketPath)},
		{Beacon, "https://me:hunter2@beacon/base", "https", "https://***@beacon/base"},
		{Syncd, "http://localhost:8650/syncd/", "http", "http://localhost:8650/syncd/"},
	} {
		e, err := c.kind.Parse(c.raw)
		require.NoError(t, err, c.raw)
		require.Equal(t, c.raw, e.Raw())
		require.Equal(t, c.scheme, e.Scheme())
		require.Equal(t, c.masked, e.String())
		require.Equal(t, c.scheme == "", e.Socket())
		require.Equal(t, strings.HasPrefix(c.scheme, "http"), e.HTTP())
		require.Equal(t, strings.HasPrefix(c.scheme, "ws"), e.WebSocket())
		require.Equal(t, e.Socket(), e.URL() == nil)
	}
}

func TestParseRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		kind Kind
		raw  string
		part string
	}{
		"empty":              {Gwat, " ", "gwat endpoint is empty: want http(s)://"},
		"no scheme":          {Gwat, "gwat:8545", `"gwat:8545" has no scheme, want http(s)://, ws(s):// or the path of an IPC socket: write http://gwat:8545`},
		"no scheme, IPv6":    {Beacon, "[::1]:3500", "write http://[::1]:3500"},
		"beacon as a path":   {Beacon, "/run/beacon", "beacon URL has no scheme: want http://host:port or https://host:port"},
		"scheme":             {Beacon, "ws://beacon:3500", `has the scheme "ws"`},
		"host":               {Syncd, "http://:8650", "names no host"},
		"port 0":             {Gwat, "http://gwat:0", "has the port 0: want 1 to 65535"},
		"port too high":      {Beacon, "http://beacon:65536", "has the port 65536"},
		"port of many":       {Syncd, "http://syncd:" + strings.Repeat("9", 500), "want 1 to 65535"},
		"bad port":           {Gwat, "http://gwat:web", `(invalid port ":web" after host)`},
		"query":              {Beacon, "http://beacon:3500?key=hunter2", "has a query or a fragment"},
		"empty query":        {Syncd, "http://syncd:8650?", "has a query or a fragment"},
		"fragment":           {Syncd, "http://syncd:8650#hunter2", "has a query or a fragment"},
		"long path":          {Gwat, "/" + strings.Repeat("a", MaxSocketPath), "has 108 bytes, at most 107"},
		"path of zero bytes": {Gwat, "/run/\x00", "zero byte"},
		"password in a port": {Gwat, "http://me:hunter2@gwat:web", "no URL"},
		"slash in password":  {Gwat, "http://me:hunter2/x@gwat:8545", "no URL: want"},
		"digits, then slash": {Gwat, "http://me:42/hunter2@gwat:8545", "write / in a user name or password as %2F"},
		"in another scheme":  {Beacon, "ftp://me:hunter2@beacon", `"ftp"`},
		"without a scheme":   {Beacon, "me:hunter2@beacon:3500", "has no scheme"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.kind.Parse(c.raw)
			require.ErrorContains(t, err, c.part)
			require.NotContains(t, err.Error(), "hunter2")
			require.Less(t, len(err.Error()), 400)
			require.NotContains(t, err.Error(), "\x00")
		})
	}
}

func TestMask(t *testing.T) {
	for in, want := range map[string]string{
		"http://me:hunter2@gwat:8545/x?key=hunter2#hunter2": "http://***@gwat:8545/x?***",
		"ws://hunter2@gwat":               "ws://***@gwat",
		"http://gwat:8545":                "http://gwat:8545",
		"/run/gwat.ipc":                   "/run/gwat.ipc",
		"main":                            "main",
		"http://a b:hunter2@:%":           "***",
		"http://me:42/hunter2@gwat:8545":  "***",
		"http://me:hunter2%2F@gwat/a?b=c": "http://***@gwat/a?***",
	} {
		require.Equal(t, want, Mask(in), in)
	}
}

func TestRedact(t *testing.T) {
	for said, want := range map[string]string{
		"bad token Bearer eyJhbGci.eyJpYXQi.c2ln here":         "bad token Bearer *** here",
		"authorization: basic b3BlcmF0b3I6aHVudGVyMg==":        "authorization: basic ***",
		"eyJhbGci.eyJpYXQi.c2ln is too old":                    "*** is too old",
		"GET http://operator:hunter2@a:1/x?key=1&b=2 refused":  "GET http://***@a:1/x?key=***&b=*** refused",
		`dial "ws://me:hun/ter2@gwat:8546": no such host`:      `dial "ws://***@gwat:8546": no such host`,
		"a basic error at 10:30, slot = 5; mail to me@example": "a basic error at 10:30, slot = 5; mail to me@example",
	} {
		require.Equal(t, want, Redact(said))
	}
}

func TestCheckListen(t *testing.T) {
	for _, good := range []string{"127.0.0.1:8650", ":8650", "localhost:0", "[::1]:65535"} {
		require.NoError(t, CheckListen(good), good)
	}
	for _, bad := range []string{"", "8650", "127.0.0.1", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:+1", "::1:8650"} {
		require.ErrorContains(t, CheckListen(bad), "want host:port", bad)
	}
}

func TestLocal(t *testing.T) {
	for _, c := range []struct {
		listen string
		tls    bool
		want   string
	}{
		{"127.0.0.1:8650", false, "http://127.0.0.1:8650"},
		{"0.0.0.0:9000", false, "http://127.0.0.1:9000"},
		{":9000", true, "https://127.0.0.1:9000"},
		{"[::]:9000", true, "https://[::1]:9000"},
		{"syncd.example:9000", true, "https://syncd.example:9000"},
		{"10.0.0.1:9000", false, "http://10.0.0.1:9000"},
		{"127.0.0.1:0", false, ""},
		{"nonsense", false, ""},
	} {
		require.Equal(t, c.want, Local(c.listen, c.tls), c.listen)
	}
}

// A URL of which a colon or a slash is missing is no path of a socket.
func TestAlmostAURLIsRefused(t *testing.T) {
	for raw, begins := range map[string]string{
		"ws:/127.0.0.1:8546": "ws:/", "ws//127.0.0.1:8546": "ws//", "http:127.0.0.1/x": "http:", "WSS:/gwat": "WSS:/", "https//me:hunter2@gwat/x": "https//",
	} {
		_, err := Gwat.Parse(raw)
		require.ErrorContains(t, err, `gwat endpoint has "`+begins+`" where a URL has "://": want http(s)://`, raw)
		require.NotContains(t, err.Error(), "hunter2")
		_, err = Beacon.Parse(raw)
		require.Error(t, err, raw)
	}
	for _, path := range []string{"ws/gwat.ipc", "wss", "/http:/gwat.ipc", "./http:/gwat.ipc", "httpd//gwat.ipc"} {
		_, err := Gwat.Parse(path)
		require.NoError(t, err, path)
	}
}

// A path that names no file as it stands is refused, not waited for.
func TestAPathThatAShellWouldExpandIsRefused(t *testing.T) {
	t.Chdir(t.TempDir())
	for raw, says := range map[string]string{
		"~/gwat.ipc": `begins with "~"`, "~gwat/gwat.ipc": `begins with "~gwat"`, "$HOME/gwat.ipc": `begins with "$HOME"`, "${HOME}/g.ipc": `begins with "${HOME}"`,
		"unix:/run/gwat.ipc": `begins with "unix:": want http(s)://`, "IPC:/run/gwat.ipc": `begins with "IPC:"`, "file:/run/gwat.ipc": `begins with "file:"`,
	} {
		_, err := Gwat.Parse(raw)
		require.ErrorContains(t, err, says, raw)
	}
	require.ErrorContains(t, CheckSocketPath("~/s"), "only a shell expands")
	for _, path := range []string{"/home/~/x", "./~/x", "a~/x", "", "/run/unix:/x", "unix/x.ipc"} {
		require.NoError(t, CheckTilde(path), path)
		if path != "" {
			_, err := Gwat.Parse(path)
			require.NoError(t, err, path)
		}
	}
	require.NoError(t, os.Mkdir("~", 0o700))
	require.NoError(t, CheckTilde("~/there"), "a directory that is there")
}
