package main

import (
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/internal/exit"
)

// Public report 8 (on 677a403: code 2, after which no unit starts it again): the address
// is not there yet.
func TestAnAddressThatIsNotThereYet(t *testing.T) {
	for _, listen := range []string{"203.0.113.7:19020", "nosuchhost.invalid:19020"} {
		out := syncd(t, nil, "run", "--api.listen", listen, "--api.insecure", "--gwat.endpoint", "ws://127.0.0.1:1", "--data-dir", t.TempDir())
		require.Equal(t, exit.NotYet, out.code, out.stderr)
		oneLine(t, out.stderr, "--api.listen", strings.Split(listen, ":")[0])
	}
}

// Public report 9 (on 677a403: code 2): gwat writes its secret at its own start. run
// waits for it, says which file it misses, and goes on by itself.
func TestRunWaitsForGwatsSecret(t *testing.T) {
	f := startNodes(t)
	g := &guard{tokens: map[string]bool{}}
	path := filepath.Join(t.TempDir(), "later", "jwt.hex")
	url, stderr, stop := startRun(t, g.before(t, f.gwat), f.beacon, "--gwat.jwt-secret", path)
	var out outcome
	require.Eventually(t, func() bool {
		out = syncd(t, nil, "doctor", "--api", url)
		return strings.Contains(out.stdout, "gwat_auth")
	}, 20*time.Second, 50*time.Millisecond, out.stdout)
	require.Contains(t, strings.Join(strings.Fields(out.stdout), " "), path)
	require.Contains(t, stderr.String(), path)

	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
	require.NoError(t, os.WriteFile(path, nil, 0o600)) // as a writer that has only begun
	require.NoError(t, os.WriteFile(path, []byte(digits), 0o600))
	require.Eventually(t, func() bool { g.mu.Lock(); defer g.mu.Unlock(); return len(g.tokens) > 0 }, 20*time.Second, 20*time.Millisecond)
	require.Eventually(t, func() bool {
		return !strings.Contains(syncd(t, nil, "doctor", "--api", url).stdout, "gwat_auth")
	}, 20*time.Second, 50*time.Millisecond)
	require.Equal(t, exit.OK, stop())
	require.NotContains(t, stderr.String(), digits)
}

// Public report 21 (on 677a403 they ask 127.0.0.1:8650): the commands of one environment,
// as in a container, talk to the syncd of that environment.
func TestTheCommandsOfOneEnvironment(t *testing.T) {
	listen := freeAddress(t)
	_, port, _ := strings.Cut(listen, ":")
	dir, err := os.MkdirTemp("", "s") // short: it holds a socket
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	secret := writeFile(t, "api.hex", digits)
	env := []string{"SYNCD_API_LISTEN=0.0.0.0:" + port, "SYNCD_API_INSECURE=true", "SYNCD_API_JWT_SECRET=" + secret}
	startRun(t, "http://127.0.0.1:1", "http://127.0.0.1:1", "--api.listen", "0.0.0.0:"+port, "--api.insecure", "--api.jwt-secret", secret)
	file := "--config=" + writeFile(t, "syncd.yaml", "api:\n  listen: 0.0.0.0:"+port+"\n  insecure: true\n  jwt-secret: "+secret+"\n")
	failing := []int{exit.Failing, exit.NotWorking, exit.Unknown}
	for _, command := range []string{"status", "doctor"} {
		require.Contains(t, failing, syncd(t, env, command).code, command)
		require.Contains(t, failing, syncd(t, nil, command, file).code, command)
		require.Contains(t, failing, syncd(t, []string{"SYNCD_API=http://" + listen}, command).code, command)
	}
	for _, out := range []outcome{
		syncd(t, env, "wait", "--timeout", "300ms"), syncd(t, nil, "wait", "--timeout", "300ms", file), syncd(t, []string{"SYNCD_API=http://" + listen}, "wait", "--timeout", "300ms"),
	} {
		require.Equal(t, exit.Timeout, out.code, out.stderr)
		require.Contains(t, out.stderr, "stage connecting")
	}
	require.Equal(t, exit.OK, syncd(t, env, "pause", "--reason", "a new disk").code)
	require.Eventually(t, func() bool { return strings.Contains(syncd(t, env, "status").stdout, " stage=paused ") }, 10*time.Second, 20*time.Millisecond)
	require.Equal(t, exit.OK, syncd(t, nil, "resume", file).code)
	token := syncd(t, env, "token")
	require.Equal(t, exit.OK, token.code)
	require.Equal(t, 2, strings.Count(token.stdout, "."))

	socket := filepath.Join(dir, "s")
	startRun(t, "http://127.0.0.1:1", "http://127.0.0.1:1", "--api.socket", socket)
	for _, env := range [][]string{{"SYNCD_API_SOCKET=" + socket, "SYNCD_API_LISTEN=127.0.0.1:0"}, {"SYNCD_SOCKET=" + socket}} {
		require.Contains(t, failing, syncd(t, env, "status").code)
		require.Equal(t, exit.OK, syncd(t, env, "pause").code)
		require.Equal(t, exit.Timeout, syncd(t, env, "wait", "--timeout", "300ms").code)
		require.Equal(t, exit.OK, syncd(t, env, "resume").code)
	}
	require.Equal(t, exit.OK, syncd(t, nil, "pause", "--socket", socket).code)
	stdout, _, stop := background(t, "status", "--watch", "--output", "json", "--socket", socket)
	require.Eventually(t, func() bool { return strings.Contains(stdout.String(), `"stage":"paused"`) }, 10*time.Second, 20*time.Millisecond)
	require.Equal(t, exit.OK, stop())
}

// Public report 26 (on 677a403 all of them repeat it): a secret in place of its file.
func TestASecretInPlaceOfItsFileIsNotRepeated(t *testing.T) {
	for name, c := range map[string]struct{ args, env []string }{
		"run":         {args: []string{"run", "--gwat.jwt-secret", "0x" + digits}},
		"check":       {args: []string{"check", "--api.jwt-secret", `"` + digits + `"`}},
		"environment": {args: []string{"run"}, env: []string{"SYNCD_GWAT_JWT_SECRET=" + digits + "\n"}},
		"file":        {args: []string{"run", "--config", writeFile(t, "c.yaml", "api: {jwt-secret: \"0x"+digits+"\"}\n")}},
		"bare number": {args: []string{"run", "--config", writeFile(t, "c.yaml", "api: {jwt-secret: 0x"+digits+"}\n")}},
		"demo":        {args: []string{"demo", "--api.jwt-secret", digits}},
		"pause":       {args: []string{"pause", "--jwt-secret", digits[:62]}},
		"token":       {args: []string{"token", "--jwt-secret", digits + digits}},
		"conformance": {args: []string{"conformance", "--gwat.jwt-secret", digits}},
		"record":      {args: []string{"record", "--out", "x", "--gwat.jwt-secret", digits}},
		"TLS key":     {args: []string{"run", "--api.tls-cert", "cert.pem", "--api.tls-key", "-----BEGIN PRIVATE KEY-----\n" + digits + "\n"}},
	} {
		out := syncd(t, c.env, c.args...)
		require.Equal(t, exit.Usage, out.code, name)
		oneLine(t, out.stderr, "is the secret itself; want the path of a file")
		require.NotContains(t, out.stderr+out.stdout, digits[:16], name)
	}
	for _, args := range []string{"run " + digits, "run --pair a 0x" + digits, digits, "explain " + digits} {
		out := syncd(t, nil, strings.Fields(args)...)
		require.Equal(t, exit.Usage, out.code)
		require.NotContains(t, out.stderr, digits[:16], args)
	}
}

// Public report 28 (on 677a403: "start gwat"): a path that no kernel takes.
func TestAPathThatIsTooLong(t *testing.T) {
	long := "/" + strings.Repeat("x", 122)
	for _, args := range [][]string{
		{"run", "--gwat.endpoint", long + ".ipc"}, {"check", "--gwat.endpoint", long + ".ipc"}, {"run", "--api.socket", long}, {"status", "--socket", long}, {"pause", "--socket", long},
	} {
		out := syncd(t, nil, args...)
		require.Equal(t, exit.Usage, out.code, args)
		oneLine(t, out.stderr, "bytes, at most 107")
	}
}

// The terminal in which syncd was started closes: it ends in good order. Under nohup it goes on.
func TestTheTerminalHangsUp(t *testing.T) {
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, syscall.SIGHUP) // tests under nohup would hand its ignoring on
	t.Cleanup(func() { signal.Stop(caught) })
	for _, ignored := range []bool{false, true} {
		script := `exec "$0" "$@"`
		if ignored {
			script = `trap "" HUP; ` + script
		}
		cmd := exec.Command("sh", append([]string{"-c", script, os.Args[0]}, runArgs(t, "127.0.0.1:0")...)...)
		cmd.Env = append(os.Environ(), beMain+"=1")
		stderr := &buffer{}
		cmd.Stderr = stderr
		require.NoError(t, cmd.Start())
		hangs := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
		defer hangs.Stop()
		require.Eventually(t, func() bool { return strings.Contains(stderr.String(), "syncd starts") }, 10*time.Second, 10*time.Millisecond)
		require.NoError(t, cmd.Process.Signal(syscall.SIGHUP))
		if ignored {
			time.Sleep(sameAsNothing)
			require.NotContains(t, stderr.String(), "syncd has stopped")
			require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
		}
		require.NoError(t, cmd.Wait(), stderr.String())
		require.Contains(t, stderr.String(), "syncd has stopped")
	}
}

// sameAsNothing is how long a signal that is ignored is watched.
const sameAsNothing = 200 * time.Millisecond

// Public report 7 (on 677a403 "stopped by force" in half of the runs): GNU timeout
// signals its child and then its group, in which the child is too.
func TestTheSignalsOfAWrapper(t *testing.T) {
	for range 3 {
		cmd := exec.Command(os.Args[0], "run", "--gwat.endpoint", "ws://127.0.0.1:1", "--beacon.endpoint", "http://127.0.0.1:1",
			"--data-dir", t.TempDir(), "--api.listen", "127.0.0.1:0")
		cmd.Env = append(os.Environ(), beMain+"=1")
		stderr := &buffer{}
		cmd.Stderr = stderr
		require.NoError(t, cmd.Start())
		require.Eventually(t, func() bool { return strings.Contains(stderr.String(), "syncd starts") }, 10*time.Second, 10*time.Millisecond)
		require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
		_ = cmd.Process.Signal(syscall.SIGINT) // the kernel would join a second SIGTERM to one that waits
		require.NoError(t, cmd.Wait(), stderr.String())
		require.Contains(t, stderr.String(), "syncd has stopped")
	}
}
