package settings

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/api"
	"github.com/gwatsync/syncd/endpoint"
)

const digits = "5ec2e7a15ec2e7a15ec2e7a15ec2e7a15ec2e7a15ec2e7a15ec2e7a15ec2e7a1"

func loaded(t *testing.T, flags map[string]string) *Config {
	t.Helper()
	c, err := Load(Input{Flags: flags})
	require.NoError(t, err)
	return c
}

func TestCheckRefuses(t *testing.T) {
	for _, c := range []struct {
		flags map[string]string
		parts []string
	}{
		{map[string]string{"gwat.endpoint": "ftp://a:1"}, []string{"--gwat.endpoint", `"ftp"`, "want http"}},
		{map[string]string{"gwat.endpoint": "nonsense"}, []string{"--gwat.endpoint", `"nonsense"`, "gwat.ipc"}},
		{map[string]string{"gwat.endpoint": "/" + strings.Repeat("x", 122)}, []string{"--gwat.endpoint", "123 bytes, at most 107"}},
		{map[string]string{"api.socket": "/" + strings.Repeat("x", 122)}, []string{"--api.socket", "123 bytes, at most 107"}},
		{map[string]string{"api.socket": "/" + strings.Repeat("x", 100)}, []string{"--api.socket has 101 bytes, at most 90"}},
		{map[string]string{"beacon.endpoint": "http://a:1?x=1"}, []string{"--beacon.endpoint", "query"}},
		{map[string]string{"poll-interval": "1ms"}, []string{"--poll-interval is 1ms", "want 50ms to 10s"}},
		{map[string]string{"gwat.lock": "2h"}, []string{"--gwat.lock is 2h", "want 100ms to 1h"}},
		{map[string]string{"push.capacity": "1"}, []string{"--push.capacity is 1", "want 2 to 64"}},
		{map[string]string{"fallback-slots": "10001"}, []string{"--fallback-slots is 10001", "want 2 to 10000"}},
		{map[string]string{"anchor": "head"}, []string{"--anchor is \"head\": want proven or justified"}},
		{map[string]string{"push-timeout": "2m"}, []string{"--push-timeout is 2m", "--gwat.lock 2m"}},
		{map[string]string{"ready-interval": "30s", "gwat.lock": "20s", "push-timeout": "10s"}, []string{"--ready-interval is 30s"}},
		{map[string]string{"pair": "../x"}, []string{"--pair", `"../x"`, "want 1 to 64"}},
		{map[string]string{"data-dir": ""}, []string{"--data-dir is empty"}},
		{map[string]string{"api.listen": "8650"}, []string{"--api.listen", `"8650"`, "127.0.0.1:8650"}},
		{map[string]string{"data-dir": "~/syncd"}, []string{"--data-dir", `"~"`, "only a shell expands"}},
		{map[string]string{"api.socket": "$HOME/s"}, []string{"--api.socket", `"$HOME"`, "only a shell expands"}},
		{map[string]string{"gate.socket": "~/g"}, []string{"--gate.socket", "only a shell expands"}},
		{map[string]string{"api.jwt-secret": "~/jwt.hex"}, []string{"--api.jwt-secret", "only a shell expands"}},
		{map[string]string{"api.allowed-hosts": "http://a"}, []string{"--api.allowed-hosts", "want a host name"}},
		{map[string]string{"api.tls-cert": "cert.pem"}, []string{"--api.tls-cert and --api.tls-key belong together"}},
		{map[string]string{"log.level": "loud"}, []string{"--log.level", `"loud"`, "debug, info, warn, error"}},
		{map[string]string{"log.format": "xml"}, []string{"--log.format", "want text or json"}},
	} {
		err := loaded(t, c.flags).Check()
		refused(t, err, c.parts...)
		if s, _ := Lookup("log.level"); s.Serving && c.flags["log.level"] != "" {
			refused(t, loaded(t, c.flags).CheckServing(), c.parts...)
		}
	}
	require.NoError(t, loaded(t, map[string]string{"pair": "../x"}).CheckServing(), "the demo has none")
}

// A secret given in place of its file is not repeated, whichever setting it is and
// however it is written.
func TestASecretInPlaceOfItsFile(t *testing.T) {
	for _, s := range All {
		if !s.Secret() {
			continue
		}
		for _, secret := range []string{
			digits, "0x" + digits, `"` + digits + `"`, digits + "\n", digits[:63], digits[:16], digits + digits,
			"-----BEGIN PRIVATE KEY-----\n5ec2e7a1\n-----END PRIVATE KEY-----",
		} {
			quoted := strings.NewReplacer("\\", `\\`, `"`, `\"`, "\n", `\n`).Replace(secret)
			for name, in := range map[string]Input{
				"flag":        {Flags: map[string]string{s.Key: secret}},
				"environment": {Environ: []string{EnvName(s.Key) + "=" + secret}},
				"file":        {File: writeFile(t, s.Key+": \""+quoted+"\"\n")},
			} {
				c, err := Load(in)
				require.NoError(t, err, name)
				err = c.Check()
				refused(t, err, "--"+s.Key+" is the secret itself; want the path of a file")
				require.NotContains(t, err.Error(), "5ec2")
				for _, shown := range c.Shown() {
					if shown.Key == s.Key {
						require.Equal(t, "***", shown.Value)
					}
				}
			}
		}
		for _, content := range []string{"%: [" + digits + "]\n", "%: {" + digits + ": x}\n", "%: 0x" + digits + "\n", "%: 5102771051027710\n", "%: {a: {" + digits + ": x}}\n"} {
			c, err := Load(Input{File: writeFile(t, strings.ReplaceAll(content, "%", s.Key))})
			if err == nil {
				err = c.Check()
			}
			refused(t, err, s.Key)
			require.NotContains(t, err.Error(), "5ec2")
			require.NotContains(t, err.Error(), "510277")
		}
	}
}

// gwat writes its secret at its own start: what is not there yet is no wrong setting.
func TestASecretThatIsNotWrittenYet(t *testing.T) {
	dir := t.TempDir()
	empty, white, wrong, good, hidden := filepath.Join(dir, "empty"), filepath.Join(dir, "white"), filepath.Join(dir, "wrong"), filepath.Join(dir, "good"), filepath.Join(dir, "hidden")
	for path, content := range map[string]string{empty: "", white: " \n", wrong: "0x1234", good: "0x" + digits + "\n", hidden: digits} {
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	}
	require.NoError(t, os.Symlink(filepath.Join(dir, "later"), filepath.Join(dir, "link")))
	for _, key := range []string{"gwat.jwt-secret", "api.jwt-secret"} {
		read := func(path string) ([]byte, error) {
			c := loaded(t, map[string]string{key: path})
			if key == "gwat.jwt-secret" {
				require.NoError(t, c.Check(), "run waits for it")
				return c.GwatSecret()
			}
			return c.APISecret()
		}
		for _, path := range []string{filepath.Join(dir, "later"), filepath.Join(dir, "mount", "later"), filepath.Join(dir, "link"), empty, white} {
			_, err := read(path)
			require.ErrorIs(t, err, ErrNotYet, path)
			require.ErrorContains(t, err, "--"+key)
			require.ErrorContains(t, err, path)
		}
		for _, path := range []string{wrong, dir} {
			_, err := read(path)
			refused(t, err, "--"+key, path)
		}
		secret, err := read(good)
		require.NoError(t, err)
		require.Len(t, secret, 32)
	}
	if os.Geteuid() != 0 {
		require.NoError(t, os.Chmod(hidden, 0))
		_, err := loaded(t, map[string]string{"gwat.jwt-secret": hidden}).GwatSecret()
		require.ErrorIs(t, err, ErrNotYet)
	}
	require.ErrorIs(t, loaded(t, map[string]string{"api.jwt-secret": empty}).Check(), ErrNotYet)
	require.ErrorIs(t, loaded(t, map[string]string{"api.tls-cert": filepath.Join(dir, "later"), "api.tls-key": good}).Check(), ErrNotYet)
	require.ErrorIs(t, loaded(t, map[string]string{"api.tls-cert": good, "api.tls-key": empty}).Check(), ErrNotYet)
	refused(t, loaded(t, map[string]string{"api.tls-cert": good, "api.tls-key": good}).Check(), "--api.tls-cert and --api.tls-key")
}

func TestShown(t *testing.T) {
	c, err := Load(Input{
		Environ: []string{"SYNCD_PAIR=east", "SYNCD_OBSERVE=true"}, File: writeFile(t, "push:\n  capacity: 5\npair: west\n"),
		Flags: map[string]string{"api.allowed-hosts": "a,b", "gwat.lock": "3m", "gwat.endpoint": "http://me:hunter2@a:1/x?key=hunter2"},
	})
	require.NoError(t, err)
	shown := map[string]api.Setting{}
	for i, s := range c.Shown() {
		require.Equal(t, All[i].Key, s.Key)
		require.NotNil(t, s.Value, s.Key)
		shown[s.Key] = s
	}
	require.Len(t, shown, len(All))
	for key, want := range map[string]api.Setting{
		"pair":              {Value: "east", Source: "environment"},
		"observe":           {Value: true, Source: "environment"},
		"push.capacity":     {Value: 5, Source: "file"},
		"api.allowed-hosts": {Value: []string{"a", "b"}, Source: "flag"},
		"gwat.lock":         {Value: "3m", Source: "flag"},
		"data-dir":          {Value: "syncd-data", Source: "default"},
		"gwat.endpoint":     {Value: "http://***@a:1/x?***", Source: "flag"},
	} {
		want.Key = key
		require.Equal(t, want, shown[key])
	}
}

func TestWarnings(t *testing.T) {
	for _, c := range []struct {
		flags map[string]string
		want  string
	}{
		{map[string]string{"gwat.endpoint": "http://a:1"}, "over HTTP a gwat of the head-sync era cuts an answer off after 30s, --push-timeout is 1m50s"},
		{map[string]string{"gwat.endpoint": "ws://a:1"}, ""},
		{nil, ""},
		{map[string]string{"push-timeout": "1m"}, "over HTTP a gwat of the head-sync era cuts an answer off after 30s, --push-timeout is 1m"},
		{map[string]string{"gwat.endpoint": "/run/gwat.ipc"}, ""},
		{map[string]string{"gwat.endpoint": "ws://a:1", "call-timeout": "15s"}, "--call-timeout is 15s"},
		{map[string]string{"gwat.endpoint": "/run/gwat.ipc", "gwat.jwt-secret": "/some/file"}, "not used over IPC"},
	} {
		cfg := loaded(t, c.flags)
		require.NoError(t, cfg.Check())
		if c.want == "" {
			require.Empty(t, cfg.Warnings())
			continue
		}
		require.Len(t, cfg.Warnings(), 1)
		require.Contains(t, cfg.Warnings()[0], c.want)
	}
}

func TestDuration(t *testing.T) {
	for in, want := range map[string]string{"2m0s": "2m", "1h0m0s": "1h", "1m50s": "1m50s", "500ms": "500ms", "0s": "0s", "10s": "10s", "1h5m0s": "1h5m"} {
		s, _ := Lookup("gwat.lock")
		c := &Config{}
		require.NoError(t, s.set(c, []string{in}, false))
		require.Equal(t, want, Duration(c.Gwat.Lock))
	}
}

func TestSecretSettingsAreThoseOfFiles(t *testing.T) {
	for _, s := range All {
		if strings.Contains(s.Key, "secret") || strings.Contains(s.Key, "tls") {
			require.True(t, s.Secret(), s.Key)
		}
	}
	require.NoError(t, endpoint.CheckSecretPath("jwt.hex"))
}

func TestRemedyOfDataDir(t *testing.T) {
	for err, want := range map[error]string{
		syscall.EROFS: "mount its disk writable", syscall.EACCES: "that this user can write", syscall.ENOTDIR: "that this user can write",
		syscall.ENOENT: "see whether its disk is mounted", syscall.EIO: "see whether its disk is mounted",
	} {
		require.Contains(t, RemedyOfDataDir(&fs.PathError{Op: "open", Path: "d", Err: err}), want)
	}
}

func TestTraceEndpointIsAURL(t *testing.T) {
	for at, good := range map[string]bool{"": true, "http://127.0.0.1:4318": true, "https://collector.example/v1/traces": true, "collector": false, "ftp://127.0.0.1:4318": false} {
		c := Config{}
		c.Trace.Endpoint = at
		if err := checkTraceEndpoint(&c); good {
			require.NoError(t, err, at)
		} else {
			require.ErrorContains(t, err, "--trace.endpoint", at)
		}
	}
}

// Endpoints that the demo has put in place are named by no source any more.
func TestReplacedEndpointsHaveNoSource(t *testing.T) {
	c := Config{sources: map[string]Source{"gwat.endpoint": "file", "beacon.endpoint": "file", "pair": "file"}}
	c.SetEndpoints("http://a", "http://b")
	require.Equal(t, []string{"http://a", "http://b"}, []string{c.Gwat.Endpoint, c.Beacon.Endpoint})
	require.Empty(t, c.Source("gwat.endpoint"))
	require.Empty(t, c.Source("beacon.endpoint"))
	require.EqualValues(t, "file", c.Source("pair"))
}
