package main

import (
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/internal/exit"
	"github.com/gwatsync/syncd/journal"
)

func splitArgs(s string) []string { return strings.Fields(s) }

// TestUsageErrors: one line that names the value and the remedy, and code 2.
func TestUsageErrors(t *testing.T) {
	yaml := func(content string) string { return "--config=" + writeFile(t, "syncd.yaml", content) }
	for name, c := range map[string]struct {
		args  []string
		env   []string
		parts []string
	}{
		"unknown command":      {splitArgs("runn"), nil, []string{`"runn"`, `"run"`, "syncd help"}},
		"unknown flag":         {splitArgs("run --gwat.endpiont x"), nil, []string{"gwat.endpiont", "syncd run --help"}},
		"flag without value":   {splitArgs("run --pair"), nil, []string{"pair", "--help"}},
		"extra argument":       {splitArgs("run now"), nil, []string{`"now"`, "--help"}},
		"gwat scheme":          {splitArgs("run --gwat.endpoint ftp://a:1"), nil, []string{"--gwat.endpoint", `"ftp"`, "want http"}},
		"gwat without scheme":  {splitArgs("run --gwat.endpoint 127.0.0.1:8545"), nil, []string{"--gwat.endpoint", "127.0.0.1:8545", "write http://"}},
		"gwat word":            {splitArgs("run --gwat.endpoint nonsense"), nil, []string{"--gwat.endpoint", `"nonsense"`, "gwat.ipc"}},
		"gwat almost a URL":    {splitArgs("run --gwat.endpoint ws:/127.0.0.1:8546"), nil, []string{"--gwat.endpoint", `has "ws:/"`, "want http"}},
		"base path":            {splitArgs("run --api.base-path syncd"), nil, []string{`--api.base-path is "syncd"`, "begins with a slash and ends without one"}},
		"gate for others":      {splitArgs("run --gate.listen 10.0.0.1:8645"), nil, []string{`"10.0.0.1:8645"`, "--gate.tls-cert", "127.0.0.1", "--gate.insecure"}},
		"gwat empty":           {[]string{"run", "--gwat.endpoint", ""}, nil, []string{"--gwat.endpoint", "empty", "want http"}},
		"gwat no host":         {splitArgs("run --gwat.endpoint http://"), nil, []string{"--gwat.endpoint", "names no host"}},
		"beacon scheme":        {splitArgs("run --beacon.endpoint localhost:3500"), nil, []string{"--beacon.endpoint", "localhost", "want http"}},
		"beacon query":         {splitArgs("run --beacon.endpoint http://a:1?x=1"), nil, []string{"--beacon.endpoint", "query"}},
		"duration flag":        {splitArgs("run --poll-interval fast"), nil, []string{"--poll-interval", `"fast"`, "want a duration"}},
		"duration env":         {splitArgs("run"), []string{"SYNCD_POLL_INTERVAL=1"}, []string{"SYNCD_POLL_INTERVAL", `"1"`, "want a duration"}},
		"duration file":        {[]string{"run", yaml("poll-interval: 1\n")}, nil, []string{"poll-interval in", "syncd.yaml", `"1"`, "want a duration"}},
		"unknown env, client":  {splitArgs("status --api http://127.0.0.1:1"), []string{"SYNCD_API_LISTN=x"}, []string{`"SYNCD_API_LISTN"`, `the nearest known one is "SYNCD_API_LISTEN"`}},
		"unknown env, run":     {splitArgs("run"), []string{"SYNCD_GWAT_ENDPIONT=x"}, []string{`the nearest known one is "SYNCD_GWAT_ENDPOINT"`}},
		"toggle env":           {splitArgs("run"), []string{"SYNCD_OBSERVE=maybe"}, []string{"SYNCD_OBSERVE", `"maybe"`, "want true or false"}},
		"list file":            {[]string{"run", yaml("api: {allowed-hosts: {a: b}}\n")}, nil, []string{"api.allowed-hosts.a", "unknown key"}},
		"text file":            {[]string{"run", yaml("pair: [a]\n")}, nil, []string{"pair in", "want a text"}},
		"unknown key":          {[]string{"run", yaml("gwat:\n  endpont: x\n")}, nil, []string{"syncd.yaml", `"gwat.endpont"`, `"gwat.endpoint"`}},
		"section as a value":   {[]string{"run", yaml("gwat: x\n")}, nil, []string{`"gwat"`, `"x"`, "is a section", `"gwat.endpoint"`}},
		"unknown empty key":    {[]string{"run", yaml("gwta:\n")}, nil, []string{`unknown key "gwta"`}},
		"allowed host":         {splitArgs("check --api.allowed-hosts http://a"), nil, []string{"--api.allowed-hosts", `"http://a"`, "want a host name"}},
		"allowed origin":       {splitArgs("run --api.allowed-origins a"), nil, []string{"--api.allowed-origins", `"a"`, "want scheme://host"}},
		"no YAML":              {[]string{"run", yaml("\t: {")}, nil, []string{"--config", "no usable YAML"}},
		"no file":              {splitArgs("run --config /nowhere/syncd.yaml"), nil, []string{"--config", "/nowhere/syncd.yaml", "name a YAML file that this user can read"}},
		"directory":            {[]string{"run", "--config", t.TempDir()}, nil, []string{"--config cannot be read", "is a directory", "name a YAML file"}},
		"list at the top":      {[]string{"run", yaml("- a\n")}, nil, []string{"syncd.yaml", "want sections and keys (gwat: ...) at the top, got a list"}},
		"text at the top":      {[]string{"run", yaml("some text\n")}, nil, []string{"got a single value"}},
		"broken line":          {[]string{"run", yaml("a: [\nb")}, nil, []string{"no usable YAML", "line 2", "correct that line"}},
		"poll interval":        {splitArgs("run --poll-interval 1ms"), nil, []string{"--poll-interval is 1ms", "want 50ms to 10s"}},
		"segment bytes":        {splitArgs("run --push.segment-bytes 9000000"), nil, []string{"--push.segment-bytes is 9000000", "want 4096 to 4194304"}},
		"segment no number":    {splitArgs("run --push.segment-bytes many"), nil, []string{"--push.segment-bytes", "many", "want a whole number"}},
		"capacity":             {splitArgs("run --push.capacity 1"), nil, []string{"--push.capacity is 1", "want 2 to 64"}},
		"anchor":               {splitArgs("run --anchor head"), nil, []string{"--anchor is", "head", "want proven or justified"}},
		"push over lock":       {splitArgs("run --push-timeout 3m"), nil, []string{"--push-timeout is 3m", "--gwat.lock 2m", "shorter"}},
		"ready over lock":      {splitArgs("run --ready-interval 30s --gwat.lock 20s --push-timeout 10s"), nil, []string{"--ready-interval is 30s", "--gwat.lock 20s"}},
		"JWT not there":        {splitArgs("check --gwat.jwt-secret /nowhere/jwt.hex"), nil, []string{"--gwat.jwt-secret", "/nowhere/jwt.hex", "name the file"}},
		"JWT is a directory":   {[]string{"run", "--gwat.jwt-secret", t.TempDir()}, nil, []string{"--gwat.jwt-secret", "name the file"}},
		"JWT not hex":          {[]string{"run", "--gwat.jwt-secret", writeFile(t, "jwt.hex", "secret")}, nil, []string{"jwt.hex", "not hex"}},
		"pair":                 {splitArgs("run --pair ../x"), nil, []string{"--pair", `"../x"`, "want 1 to 64"}},
		"data dir empty":       {[]string{"run", "--data-dir", ""}, nil, []string{"--data-dir is empty"}},
		"listen":               {splitArgs("run --api.listen 8650"), nil, []string{"--api.listen", `"8650"`, "127.0.0.1:8650"}},
		"listen port":          {splitArgs("run --api.listen 127.0.0.1:http"), nil, []string{"--api.listen", "want host:port"}},
		"log level":            {splitArgs("run --log.level loud"), nil, []string{"--log.level", `"loud"`, "debug, info, warn, error"}},
		"log format":           {splitArgs("run --log.format xml"), nil, []string{"--log.format", `"xml"`, "text or json"}},
		"check shares them":    {splitArgs("check --log.format xml"), nil, []string{"--log.format"}},
		"status api":           {splitArgs("status --api 127.0.0.1:8650"), nil, []string{"--api", "127.0.0.1:8650", "http://"}},
		"status output":        {splitArgs("status --output xml"), nil, []string{"--output", `"xml"`, "line, table or json"}},
		"graph format":         {splitArgs("graph --format png"), nil, []string{"--format", `"png"`, "mermaid or dot"}},
		"version and argument": {splitArgs("version 1"), nil, []string{`"1"`}},
	} {
		t.Run(name, func(t *testing.T) {
			out := syncd(t, c.env, c.args...)
			require.Equal(t, exit.Usage, out.code, out.stderr)
			oneLine(t, out.stderr, c.parts...)
			require.Empty(t, out.stdout)
		})
	}
}

func TestPasswordsAreNotRepeated(t *testing.T) {
	for _, args := range []string{
		"run --gwat.endpoint ftp://user:hunter2@a:1", "run --gwat.endpoint http://user:hunter2@:bad:",
		"run --beacon.endpoint ftp://user:hunter2@a:1", "run --beacon.endpoint http://user:hunter2@a:bad",
	} {
		out := syncd(t, nil, splitArgs(args)...)
		require.Equal(t, exit.Usage, out.code)
		require.NotContains(t, out.stderr, "hunter2")
	}
}

func TestBusyJournalAndAddress(t *testing.T) {
	dir := t.TempDir()
	j, err := journal.Open(filepath.Join(dir, "main.journal"))
	require.NoError(t, err)
	out := syncd(t, nil, "run", "--data-dir", dir, "--api.listen", "127.0.0.1:0")
	require.Equal(t, exit.Busy, out.code)
	oneLine(t, out.stderr[strings.Index(out.stderr, "syncd: "):], "another syncd holds", "main.journal", "another --data-dir or --pair")
	require.NoError(t, j.Close())

	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	out = syncd(t, nil, "run", "--data-dir", dir, "--gwat.endpoint", "ws://127.0.0.1:1", "--api.listen", l.Addr().String())
	require.Equal(t, exit.Busy, out.code)
	oneLine(t, out.stderr, "--api.listen", l.Addr().String(), "address already in use", "give another address")
	for setting, address := range map[string]string{"--gate.listen": l.Addr().String(), "--gate.socket": filepath.Join(dir, "gate.sock")} {
		if setting == "--gate.socket" {
			held, err := net.Listen("unix", address)
			require.NoError(t, err)
			defer held.Close()
		}
		out = syncd(t, nil, "run", "--data-dir", dir, "--gwat.endpoint", "ws://127.0.0.1:1", "--api.listen", "127.0.0.1:0", setting, address)
		require.Equal(t, exit.Busy, out.code)
		oneLine(t, out.stderr, setting+": ", address, "address already in use", "stop what listens there or give another address")
	}
	missing := filepath.Join(dir, "missing", "gate.sock")
	out = syncd(t, nil, "run", "--data-dir", dir, "--gwat.endpoint", "ws://127.0.0.1:1", "--api.listen", "127.0.0.1:0", "--gate.socket", missing)
	require.Equal(t, exit.NotYet, out.code)
	oneLine(t, out.stderr, "--gate.socket: ", missing, "make the directory of the socket")
}

// What serves no TLS needs another scheme, not a certificate.
func TestAnAddressWithoutTLS(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	defer s.Close()
	address := strings.Replace(s.URL, "http:", "https:", 1)
	for _, args := range []string{"status", "history", "wait --timeout 5s"} {
		out := syncd(t, nil, append(splitArgs(args), "--api", address)...)
		require.Equal(t, exit.Unreachable, out.code)
		oneLine(t, out.stderr, address, "speaks no TLS there; write http:// in place of https://")
		require.NotContains(t, out.stderr, "certificate")
	}
}

func TestUnusableDataDir(t *testing.T) {
	file := writeFile(t, "file", "")
	out := syncd(t, nil, "run", "--gwat.endpoint", "ws://127.0.0.1:1", "--data-dir", file)
	require.Equal(t, exit.Usage, out.code)
	oneLine(t, out.stderr, "--data-dir", file, "name a directory that this user can write")
	_, err := os.Stat(file)
	require.NoError(t, err)
}

func TestSmallCommands(t *testing.T) {
	out := syncd(t, nil, "graph")
	require.Equal(t, exit.OK, out.code)
	require.Contains(t, out.stdout, "stateDiagram")
	out = syncd(t, nil, "graph", "--format", "dot")
	require.Equal(t, exit.OK, out.code)
	require.Contains(t, out.stdout, "digraph")
	out = syncd(t, nil, "version")
	require.Equal(t, exit.OK, out.code)
	require.Regexp(t, `^syncd \S+ \(go1\.\S+ \w+/\w+\)\n$`, out.stdout)
	out = syncd(t, nil)
	require.Equal(t, exit.OK, out.code)
	require.Contains(t, out.stdout, "check")
	out = syncd(t, nil, "run", "--help")
	require.Equal(t, exit.OK, out.code)
	require.Contains(t, out.stdout, "[$SYNCD_GWAT_ENDPOINT]")
}
