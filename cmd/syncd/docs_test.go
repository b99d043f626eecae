package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/internal/exit"
	"github.com/urfave/cli/v3"

	"github.com/gwatsync/syncd/settings"
)

var update = flag.Bool("update", false, "write the generated documents and golden files again")

const configDoc = "../../docs/configuration.md"

// TestConfigurationDocument holds docs/configuration.md to the flags and exit codes.
func TestConfigurationDocument(t *testing.T) {
	got := configurationDocument()
	if *update {
		require.NoError(t, os.WriteFile(configDoc, []byte(got), 0o644))
	}
	want, err := os.ReadFile(configDoc)
	require.NoError(t, err)
	require.Equal(t, string(want), got, "run `make docs`")
}

// TestReadmeListsTheExitCodes: the README has the same table.
func TestReadmeListsTheExitCodes(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	require.Contains(t, string(readme), exitTable())
}

func exitTable() string {
	var out strings.Builder
	out.WriteString("| code | meaning |\n|---|---|\n")
	for _, e := range exit.Codes {
		fmt.Fprintf(&out, "| %d | %s |\n", e.Code, e.Meaning)
	}
	return out.String()
}

func configurationDocument() string {
	var out strings.Builder
	out.WriteString(`# Configuration

<!-- Generated from the settings and the commands by ` + "`make docs`" + `; a test holds it to the code. -->

` + "`syncd run` and `syncd check`" + ` take every setting below; the flags of the other commands are further down.
A flag overrides an environment variable, which overrides the file, which overrides the default. The
file is YAML and is named by ` + "`--config`" + ` or ` + "`SYNCD_CONFIG`" + `; the dots of a key are its
sections. An unknown key in it is an error, and so is a setting that is there twice and an
unknown environment variable that begins with ` + "`SYNCD_`" + ` (except those that Kubernetes and Docker
set for a service called syncd). Texts are taken as they are written. A key without a value and an
environment variable that is set to nothing count as not set. Durations are written as in ` + "`500ms`, `1s`, `2m`" + `, lists with commas.

| flag and key | environment | form | default | meaning |
|---|---|---|---|---|
`)
	for _, s := range settings.All {
		value := s.DefaultText()
		if value != "" {
			value = "`" + value + "`"
		}
		fmt.Fprintf(&out, "| `--%s` | `%s` | %s | %s | %s |\n", s.Key, settings.EnvName(s.Key), s.Form(), value, plain(s.Usage))
	}
	out.WriteString("\nSettings that only work together: `push-timeout` and `ready-interval` are shorter than\n`gwat.lock`; both intervals are at most a slot; with `http://` gwat cuts an answer off after\n30 s, so that a longer `push-timeout` needs `ws://` or IPC. `syncd check` says so.\n")
	out.WriteString("\n## The same as a file\n\n```yaml\n" + settings.ExampleFile() + "```\n")
	app := newApp(stdio{environ: func() []string { return nil }})
	out.WriteString("\n## Flags of the other commands\n")
	for _, cmd := range app.Commands {
		if cmd.Name == "run" || cmd.Name == "check" {
			continue
		}
		fmt.Fprintf(&out, "\n### syncd %s\n\n%s.\n", cmd.Name, strings.ToUpper(cmd.Usage[:1])+cmd.Usage[1:])
		if len(cmd.Flags) > 0 {
			out.WriteString("\n| flag | default | meaning |\n|---|---|---|\n")
		}
		for _, f := range cmd.Flags {
			doc := f.(cli.DocGenerationFlag)
			usage, _, _ := strings.Cut(doc.GetUsage(), " [$")
			value := strings.Trim(doc.GetValue(), `"`)
			if value != "" {
				value = "`" + value + "`"
			}
			fmt.Fprintf(&out, "| `--%s` | %s | %s |\n", f.Names()[0], value, plain(usage))
		}
	}
	out.WriteString("\n## Exit codes\n\n" + exitTable())
	return out.String()
}

// plain drops the marks around a placeholder in a flag's usage.
func plain(usage string) string {
	return strings.ReplaceAll(strings.ReplaceAll(usage, "`", ""), "|", `\|`)
}
