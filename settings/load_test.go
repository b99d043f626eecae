package settings

import (
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/failure"
)

func writeFile(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "syncd.yaml")
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

// refused requires an error of a wrong configuration that holds every part.
func refused(t *testing.T, err error, parts ...string) {
	t.Helper()
	require.ErrorIs(t, err, failure.NeedsHuman)
	require.NotErrorIs(t, err, ErrNotYet)
	for _, p := range parts {
		require.ErrorContains(t, err, p)
	}
	require.NotContains(t, err.Error(), "\n")
}

// TestEveryFieldHasARow: the table and Config hold the same settings.
func TestEveryFieldHasARow(t *testing.T) {
	c := &Config{}
	rows := map[any]string{}
	for _, s := range All {
		require.Empty(t, rows[s.field(c)], s.Key)
		rows[s.field(c)] = s.Key
		require.NotEmpty(t, s.Usage, s.Key)
		require.NotPanics(t, func() { s.setDefault(c) }, s.Key)
	}
	fields := 0
	var walk func(reflect.Value)
	walk = func(section reflect.Value) {
		for i := range section.NumField() {
			switch f := section.Field(i); {
			case !section.Type().Field(i).IsExported():
			case f.Kind() == reflect.Struct:
				walk(f)
			default:
				fields++
				require.NotEmpty(t, rows[f.Addr().Interface()], section.Type().Field(i).Name)
			}
		}
	}
	walk(reflect.ValueOf(c).Elem())
	require.Equal(t, len(All), fields)
}

func TestDefaultsAreUsable(t *testing.T) {
	c, err := Load(Input{})
	require.NoError(t, err)
	require.NoError(t, c.Check())
	require.NoError(t, c.CheckServing())
	require.Equal(t, "127.0.0.1:8650", c.API.Listen)
	require.Equal(t, time.Second, c.PollInterval)
	require.Equal(t, 120*time.Second, c.Gwat.Lock)
	require.Equal(t, []string{}, c.API.AllowedHosts)
}

func TestKeysWithoutAValueSetNothing(t *testing.T) {
	defaults, err := Load(Input{})
	require.NoError(t, err)
	for _, content := range []string{"gwat:\n  # endpoint: ws://a:1\nanchor:\npush:\n  capacity:\n", "", "# nothing\n", "---\n", "~\n", "pair: ~\n"} {
		c, err := Load(Input{File: writeFile(t, content)})
		require.NoError(t, err, content)
		c.file = ""
		require.Equal(t, defaults, c, content)
	}
}

func TestPrecedence(t *testing.T) {
	file := writeFile(t, `
gwat: {endpoint: "ws://file:1", lock: 90s}
poll-interval: 2s
observe: true
api:
  allowed-hosts: [a, b]
log.level: warn
`)
	env := []string{
		"SYNCD_GWAT_ENDPOINT=ws://env:1", "SYNCD_POLL_INTERVAL=3s", "SYNCD_API_ALLOWED_ORIGINS=http://a, http://b",
		"SYNCD_CONFIG=" + file, "SYNCD_PAIR=", "SYNCD_SERVICE_HOST=10.0.0.1", "OTHER=1", "no pair",
	}
	c, err := Load(Input{Environ: env, Flags: map[string]string{"poll-interval": "4s", "observe": "false"}})
	require.NoError(t, err)
	require.Equal(t, 4*time.Second, c.PollInterval, "flag over environment")
	require.False(t, c.Observe, "flag over file")
	require.Equal(t, "ws://env:1", c.Gwat.Endpoint, "environment over file")
	require.Equal(t, 90*time.Second, c.Gwat.Lock, "file over default")
	require.Equal(t, "warn", c.Log.Level, "a key with dots is a path")
	require.Equal(t, []string{"a", "b"}, c.API.AllowedHosts)
	require.Equal(t, []string{"http://a", "http://b"}, c.API.AllowedOrigins)
	require.Equal(t, "main", c.Pair, "set to nothing is not set")
	for key, source := range map[string]Source{"poll-interval": FromFlag, "gwat.endpoint": FromEnvironment, "gwat.lock": FromFile, "pair": FromDefault} {
		require.Equal(t, source, c.Source(key), key)
	}

	c, err = Load(Input{Environ: env, File: writeFile(t, "pair: 7\n")})
	require.NoError(t, err)
	require.Equal(t, "7", c.Pair)
	require.False(t, c.Observe, "the flag's file replaces the environment's")
}

func TestFallBackFile(t *testing.T) {
	file := writeFile(t, "pair: east\n")
	c, err := Load(Input{FallBack: file})
	require.NoError(t, err)
	require.Equal(t, "east", c.Pair)
	c, err = Load(Input{FallBack: file + ".not-there"})
	require.NoError(t, err)
	require.Equal(t, "main", c.Pair)
	c, err = Load(Input{FallBack: file, File: writeFile(t, "pair: west\n")})
	require.NoError(t, err)
	require.Equal(t, "west", c.Pair)
	_, err = Load(Input{FallBack: writeFile(t, "piar: east\n")})
	refused(t, err, `unknown key "piar"`)
}

func TestEverySettingCanBeSetEverywhere(t *testing.T) {
	sample := map[string]string{"text": "info", "number": "42", "duration": "42s", "true or false": "true", "list": "a,b"}
	want := map[string]any{"text": "info", "number": 42, "duration": 42 * time.Second, "true or false": true, "list": []string{"a", "b"}}
	for _, s := range All {
		raw := sample[s.Form()]
		for name, in := range map[string]Input{
			"flag":   {Flags: map[string]string{s.Key: raw}},
			"env":    {Environ: []string{EnvName(s.Key) + "=" + raw}},
			"dotted": {File: writeFile(t, s.Key+": "+raw+"\n")},
		} {
			c, err := Load(in)
			require.NoError(t, err, "%s by %s", s.Key, name)
			require.Equal(t, want[s.Form()], reflect.ValueOf(s.field(c)).Elem().Interface(), "%s by %s", s.Key, name)
		}
	}
}

// A value of a file is taken as it is written: YAML knows many spellings of numbers.
func TestTextIsTakenAsItIsWritten(t *testing.T) {
	for _, text := range []string{"007", "0x1F", "1e3", "1_000", "0o17", "+5", "1.50", "yes", "NO", "true", "2024-01-02", ".5", "0b11", "1:30", "12e03", "-0", "1.0"} {
		for _, form := range []string{"pair: %s\n", "pair: \"%s\"\n", "pair: '%s'\n", "pair: !!str %s\n", "pair: &x %s\n"} {
			c, err := Load(Input{File: writeFile(t, fmt.Sprintf(form, text))})
			require.NoError(t, err, text)
			require.Equal(t, text, c.Pair, form)
		}
		c, err := Load(Input{File: writeFile(t, "api:\n  allowed-hosts: ["+text+", 010]\n")})
		require.NoError(t, err, text)
		require.Equal(t, []string{text, "010"}, c.API.AllowedHosts)
		c, err = Load(Input{Environ: []string{"SYNCD_PAIR=" + text}})
		require.NoError(t, err)
		require.Equal(t, text, c.Pair)
	}
	c, err := Load(Input{File: writeFile(t, "api: {allowed-hosts: 10}\nfallback-slots: 1_000\npush: {capacity: 0x10}\n")})
	require.NoError(t, err)
	require.Equal(t, []string{"10"}, c.API.AllowedHosts)
	require.Equal(t, 1000, c.FallbackSlots)
	require.Equal(t, 16, c.Push.Capacity)
}

func TestASettingThatIsThereTwice(t *testing.T) {
	for _, content := range map[string]string{
		"dotted and nested": "gwat.endpoint: ws://127.0.0.1:1111\ngwat:\n  endpoint: ws://127.0.0.1:2222\n",
		"nested and dotted": "gwat:\n  endpoint: ws://127.0.0.1:2222\n# then\ngwat.endpoint: ws://127.0.0.1:1111\n",
		"list":              "api: {allowed-hosts: [a]}\napi.allowed-hosts: [a]\n",
		"equal values":      "log.level: info\nlog:\n  level: info\n",
	} {
		for range 20 { // it was decided by the order of a map
			_, err := Load(Input{File: writeFile(t, content)})
			refused(t, err, "syncd.yaml", "twice, at line ")
		}
	}
	_, err := Load(Input{File: writeFile(t, "gwat.endpoint: a\n\ngwat:\n  lock: 1m\n  endpoint: b\n")})
	refused(t, err, `sets "gwat.endpoint" twice, at line 1 and at line 5`)
	_, err = Load(Input{File: writeFile(t, "gwat:\n  lock: 1m\ngwat:\n  endpoint: b\n")})
	refused(t, err, `has "gwat" twice, at line 1 and at line 3`)
	_, err = Load(Input{File: writeFile(t, "pair: a\npair: a\n")})
	refused(t, err, `has "pair" twice, at line 1 and at line 2`)
	_, err = Load(Input{File: writeFile(t, "pair: a\n---\npair: b\n")})
	refused(t, err, "second document, at line ")
	c, err := Load(Input{File: writeFile(t, "gwat.lock: 3m\ngwat: {endpoint: \"ws://a:1\"}\n")})
	require.NoError(t, err, "two keys of one section")
	require.Equal(t, 3*time.Minute, c.Gwat.Lock)
}

func TestWrongFiles(t *testing.T) {
	for content, parts := range map[string][]string{
		"gwat:\n  endpont: x\n":            {`unknown key "gwat.endpont"`, `"gwat.endpoint"`},
		"gwta:\n":                          {`unknown key "gwta"`},
		"gwat: x\n":                        {`"gwat"`, `"x"`, "is a section", `"gwat.endpoint"`},
		"gwat: [x]\n":                      {`"gwat"`, "is a section"},
		"pair: [a]\n":                      {"pair in", "is a list: want a text"},
		"poll-interval: 1\n":               {"poll-interval in", `"1"`, "want a duration"},
		"observe: maybe\n":                 {"observe in", "want true or false"},
		"push.capacity: 1e999\n":           {"push.capacity in", "want a whole number"},
		"api: {allowed-hosts: {a: b}}\n":   {`unknown key "api.allowed-hosts.a"`},
		"api: {allowed-hosts: [[a]]}\n":    {"api.allowed-hosts in", "element at line 1 that is no text"},
		"? [1]\n: 2\n":                     {"key at line 1 that is no name"},
		"a: &a [*a]\n":                     {`unknown key "a"`},
		"gwat: &g {gwat: *g}\n":            {"unknown key"},
		"\t: {":                            {"no usable YAML"},
		"a: [\nb":                          {"no usable YAML", "line 2", "correct that line"},
		"- a\n":                            {"want sections and keys (gwat: ...) at the top, got a list"},
		"some text\n":                      {"got a single value"},
		strings.Repeat("[", 5000):          {"no usable YAML"},
		strings.Repeat("#", maxFile+1):     {"more than 1048576 bytes"},
		"pair: a\n---\n\t{":                {"no usable YAML"},
		strings.Repeat("x", 900) + ": 1\n": {"unknown key"},
		"gwat:\n  lock: " + "9223372036854775809ns": {"want a duration"},
	} {
		_, err := Load(Input{File: writeFile(t, content)})
		refused(t, err, parts...)
		require.Less(t, len(err.Error()), 1000)
	}
	_, err := Load(Input{File: "/nowhere/syncd.yaml"})
	refused(t, err, "--config cannot be read", "/nowhere/syncd.yaml", "name a YAML file that this user can read")
	_, err = Load(Input{File: "0x" + digits})
	refused(t, err, "--config is the secret itself")
	require.NotContains(t, err.Error(), "5ec2")
	_, err = Load(Input{File: t.TempDir()})
	refused(t, err, "--config cannot be read", "is a directory")
}

// A misspelt variable is refused as a misspelt key is; those that container
// platforms set for a service of this name are not.
func TestUnknownVariables(t *testing.T) {
	for _, entry := range []string{"SYNCD_GWAT_ENDPIONT=x", "SYNCD_PARI=east", "SYNCD_=x", "SYNCD_JWT_SECRET=x", "SYNCD_API_PORT_X=1"} {
		name, _, _ := strings.Cut(entry, "=")
		_, err := Load(Input{Environ: []string{entry}})
		refused(t, err, fmt.Sprintf("unknown variable %q", name), "the nearest known one is \"SYNCD_")
	}
	_, err := Load(Input{Environ: []string{
		"SYNCD_SERVICE_HOST=10.0.0.1", "SYNCD_SERVICE_PORT=8650", "SYNCD_SERVICE_PORT_HTTP=8650", "SYNCD_PORT=tcp://10.0.0.1:8650", "SYNCD_PORT_8650_TCP=tcp://10.0.0.1:8650",
		"SYNCD_PORT_8650_TCP_PROTO=tcp", "SYNCD_PORT_8650_TCP_PORT=8650", "SYNCD_PORT_8650_TCP_ADDR=10.0.0.1", "SYNCD_MAIN_SERVICE_HOST=10.0.0.2", "SYNCD_MAIN_PORT=tcp://10.0.0.2:1",
		"SYNCD_NAME=/a/syncd", "SYNCD_ENV_PATH=/bin", "SYNCD_IMAGE=syncd:1", "SYNCD_API=http://a:1", "SYNCD_SOCKET=/run/s", "SYNCD_GWAT_ENDPIONT=", "syncd_pair=x", "SYNCDX=1",
	}})
	require.NoError(t, err)
}

func TestExampleFileIsTheDefaults(t *testing.T) {
	fromFile, err := Load(Input{File: writeFile(t, ExampleFile())})
	require.NoError(t, err)
	defaults, err := Load(Input{})
	require.NoError(t, err)
	defaults.sources, fromFile.sources = nil, nil
	fromFile.file = ""
	require.Equal(t, defaults, fromFile)
}

func TestDefaultsOfACommand(t *testing.T) {
	c, err := Load(Input{Defaults: map[string]any{"log.level": "warn"}})
	require.NoError(t, err)
	require.Equal(t, "warn", c.Log.Level)
	require.Equal(t, FromDefault, c.Source("log.level"))
}

func TestTheFileThatWasLookedFor(t *testing.T) {
	there, missing := writeFile(t, "pair: a\n"), filepath.Join(t.TempDir(), "none.yaml")
	for _, c := range []struct {
		in     Input
		path   string
		unread error
	}{
		{Input{}, "", nil},
		{Input{File: there, FallBack: missing}, there, nil},
		{Input{FallBack: there}, there, nil},
		{Input{FallBack: missing}, missing, fs.ErrNotExist},
	} {
		cfg, err := Load(c.in)
		require.NoError(t, err)
		path, unread := cfg.File()
		require.Equal(t, c.path, path)
		require.ErrorIs(t, unread, c.unread)
	}
}

func TestTheEnvironmentIsChecked(t *testing.T) {
	require.NoError(t, CheckEnviron([]string{"SYNCD_API=http://a:1", "SYNCD_PAIR=x", "SYNCD_SERVICE_HOST=1", "PATH=/bin"}))
	require.ErrorContains(t, CheckEnviron([]string{"SYNCD_SOKET=/s"}), `the nearest known one is "SYNCD_SOCKET"`)
}

// A syncd that a user runs without api.socket takes orders in the user's own directory.
func TestTheUserSocket(t *testing.T) {
	dir, err := os.MkdirTemp("", "u")
	require.NoError(t, err)
	defer os.RemoveAll(dir)
	environ := []string{"XDG_RUNTIME_DIR=/else", "XDG_RUNTIME_DIR=" + dir}
	socket := func(environ []string, flags map[string]string) string {
		cfg, err := Load(Input{Flags: flags})
		require.NoError(t, err)
		cfg.UseUserSocket(environ)
		return cfg.API.Socket
	}
	require.Equal(t, dir+"/syncd.sock", socket(environ, nil))
	require.Equal(t, "/s", socket(environ, map[string]string{"api.socket": "/s"}))
	require.Empty(t, socket(environ, map[string]string{"api.socket": ""}), "none is wanted")
	for _, wrong := range [][]string{nil, {"XDG_RUNTIME_DIR=relative"}, {"XDG_RUNTIME_DIR=" + dir + "/none"}, {"XDG_RUNTIME_DIR=/" + strings.Repeat("x", 90)}} {
		require.Empty(t, socket(wrong, nil))
	}
	l, err := net.Listen("unix", dir+"/syncd.sock")
	require.NoError(t, err)
	require.Empty(t, socket(environ, nil), "another syncd has it")
	require.NoError(t, l.Close())
	require.Equal(t, dir+"/syncd.sock", socket(environ, nil))
}
