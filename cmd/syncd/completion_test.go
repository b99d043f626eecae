package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/internal/exit"
	"github.com/gwatsync/syncd/settings"
)

func completionScript(t *testing.T, shell string) string {
	t.Helper()
	out := syncd(t, nil, "completion", shell)
	require.Equal(t, exit.OK, out.code, out.stderr)
	return writeFile(t, "syncd."+shell, out.stdout)
}

func needs(t *testing.T, program string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		t.Skipf("no %s here", program)
	}
}

// bashCompletes gives what bash offers for the words, the last of which is
// being typed.
func bashCompletes(t *testing.T, script string, words ...string) []string {
	t.Helper()
	cmd := exec.Command("bash", append([]string{"--norc", "-c",
		`. "$1"; shift; complete -p syncd >/dev/null || exit 9; COMP_WORDS=("$@"); COMP_CWORD=$(($#-1)); _syncd 2>/dev/null; printf '%s\n' "${COMPREPLY[@]}"`,
		"bash", script}, words...)...)
	out, err := cmd.Output()
	require.NoError(t, err)
	return strings.Fields(string(out))
}

func TestBashCompletion(t *testing.T) {
	needs(t, "bash")
	script := completionScript(t, "bash")
	require.Equal(t, []string{"status"}, bashCompletes(t, script, "syncd", "st"))
	all := bashCompletes(t, script, "syncd", "")
	app := newApp(stdio{environ: func() []string { return nil }})
	for _, cmd := range app.VisibleCommands() {
		require.Contains(t, all, cmd.Name)
		flags := bashCompletes(t, script, "syncd", cmd.Name, "--")
		for _, f := range cmd.Flags {
			require.Contains(t, flags, "--"+f.Names()[0], cmd.Name)
		}
		require.Contains(t, flags, "--help")
	}
	require.Equal(t, []string{"line", "table", "json"}, bashCompletes(t, script, "syncd", "status", "--output", ""))
	require.Equal(t, []string{"table"}, bashCompletes(t, script, "syncd", "status", "--output", "=", "ta"))
	require.Equal(t, []string{"switching"}, bashCompletes(t, script, "syncd", "demo", "--seed", "3", "--until", "sw"))
	require.Equal(t, []string{"text", "json"}, bashCompletes(t, script, "syncd", "run", "--log.format", "="))
	require.Equal(t, []string{"zsh"}, bashCompletes(t, script, "syncd", "completion", "z"))
	require.Equal(t, []string{script}, bashCompletes(t, script, "syncd", "run", "--config", script[:len(script)-3]))
	require.Equal(t, []string{filepath.Dir(script)}, bashCompletes(t, script, "syncd", "run", "--data-dir", filepath.Dir(script)))
	require.Empty(t, bashCompletes(t, script, "syncd", "status", "--api", ""))

	bait := filepath.Join(t.TempDir(), "bait")
	bashCompletes(t, script, "syncd", "$(touch "+bait+")", "--x", "`touch "+bait+"`")
	bashCompletes(t, script, "syncd", "status", "$(touch "+bait+")")
	require.NoFileExists(t, bait, "what was typed is not run")
}

func TestFishCompletion(t *testing.T) {
	needs(t, "fish")
	script := completionScript(t, "fish")
	completes := func(line string) []string {
		cmd := exec.Command("fish", "--no-config", "-c", `source $argv[1]; complete -C $argv[2]`, script, line)
		cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
		out, err := cmd.Output()
		require.NoError(t, err)
		var names []string
		for line := range strings.Lines(string(out)) {
			name, _, _ := strings.Cut(strings.TrimSpace(line), "\t")
			names = append(names, name)
		}
		slices.Sort(names)
		return names
	}
	require.Equal(t, []string{"status"}, completes("syncd st"))
	require.Equal(t, []string{"json", "line", "table"}, completes("syncd status --output "))
	require.Contains(t, completes("syncd run --gw"), "--gwat.endpoint")
	require.Equal(t, []string{"bash", "fish", "zsh"}, completes("syncd completion "))
}

func TestZshCompletion(t *testing.T) {
	needs(t, "zsh")
	script := completionScript(t, "zsh")
	out, err := exec.Command("zsh", "-f", "-c", `autoload -U compinit; compinit -u -D; . "$1"; print ${_comps[syncd]}; functions _syncd >/dev/null && print defined`, "zsh", script).CombinedOutput()
	require.NoError(t, err, string(out))
	require.Equal(t, "_syncd\ndefined\n", string(out))
	text, err := os.ReadFile(script)
	require.NoError(t, err)
	require.Contains(t, string(text), "'--output=[line, table or json; without it a table on a terminal]:output:(line table json)'")
	require.Contains(t, string(text), "'1:argument:(bash zsh fish)'")
}

// TestCompletionValuesAreTaken: what is offered is for a command and a flag that there are.
func TestCompletionValuesAreTaken(t *testing.T) {
	app := newApp(stdio{})
	for key := range flagValues {
		name, flag, _ := strings.Cut(key, ".")
		cmd := app.Command(name)
		require.NotNil(t, cmd, key)
		if flag != "" {
			require.Contains(t, flagNames(cmd), flag)
		}
	}
}

func TestCompletionOfNoShell(t *testing.T) {
	out := syncd(t, nil, "completion", "tcsh")
	require.Equal(t, exit.Usage, out.code)
	oneLine(t, out.stderr, `"tcsh"`, "bash, zsh, fish")
	require.Equal(t, exit.Usage, syncd(t, nil, "completion").code)
}

func TestManPage(t *testing.T) {
	out := syncd(t, nil, "man")
	require.Equal(t, exit.OK, out.code)
	page := out.stdout
	app := newApp(stdio{environ: func() []string { return nil }})
	for _, cmd := range app.VisibleCommands() {
		require.Contains(t, page, "\n.SS "+cmd.Name, cmd.Name)
		for _, f := range cmd.Flags {
			require.Contains(t, page, escape("--"+f.Names()[0]), cmd.Name)
		}
	}
	for _, s := range settings.All {
		require.Contains(t, page, escape(settings.EnvName(s.Key)))
	}
	for _, e := range exit.Codes {
		require.Contains(t, page, escape(e.Meaning))
	}
	needs(t, "groff")
	groff := exec.Command("groff", "-man", "-ww", "-Tascii", "-P-cbou")
	groff.Stdin = strings.NewReader(page)
	var warnings strings.Builder
	groff.Stderr = &warnings
	shown, err := groff.Output()
	require.NoError(t, err)
	require.Empty(t, warnings.String())
	require.Contains(t, string(shown), "SYNCD_GWAT_ENDPOINT")
	require.Contains(t, string(shown), "--until")
}

// escape writes a text as roff has it.
func escape(text string) string {
	return strings.NewReplacer(`\`, `\e`, "-", `\-`, "`", "").Replace(text)
}
