package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/internal/exit"
)

// What is spelt wrong is named with what is wanted, in the words of syncd.
func TestMisspeltValues(t *testing.T) {
	for args, part := range map[string]string{
		"wait --timeout 3":                    `--timeout is "3": want a duration such as 30s or 2m`,
		"record --for x":                      `--for is "x": want a duration`,
		"replay --speed x f":                  `--speed is "x": want a number`,
		"demo --seed -1":                      `--seed is "-1": want a whole number`,
		"record --max-size much":              `--max-size is "much": want a whole number`,
		"status --watch=maybe":                `--watch is "maybe": want true or false`,
		"status --api http://127.0.0.1:99999": "--api: API address has the port 99999: want 1 to 65535",
		"doctor --api http://127.0.0.1:0":     "has the port 0: want 1 to 65535",
		"wait --api http://127.0.0.1:99999":   "has the port 99999",
		"pause --api http://a:99999 --jwt-secret " + writeFile(t, "jwt", "0x"+digits): "has the port 99999",
		"completion":      "completion wants a shell: bash, zsh or fish",
		"completion tcsh": `completion of "tcsh": want one of bash, zsh, fish`,
	} {
		out := syncd(t, nil, splitArgs(args)...)
		require.Equal(t, exit.Usage, out.code, args)
		oneLine(t, out.stderr, part)
	}
	dir := t.TempDir()
	out := syncd(t, nil, "replay", dir)
	require.Equal(t, exit.Usage, out.code)
	oneLine(t, out.stderr, dir+" is a directory", "name a file that syncd record wrote")
}

const digits = "abababababababababababababababababababababababababababababababab"

func TestVersionAsAFlag(t *testing.T) {
	out := syncd(t, nil, "--version")
	require.Equal(t, exit.OK, out.code, out.stderr)
	require.Equal(t, syncd(t, nil, "version").stdout, out.stdout)
}

func TestWaitWithoutASyncdSaysWhatToLookAt(t *testing.T) {
	out := syncd(t, nil, "wait", "--api", "http://127.0.0.1:1", "--timeout", "300ms")
	require.Equal(t, exit.Timeout, out.code)
	oneLine(t, out.stderr, "refused", "is it running, and is this address its --api.listen?")
}
