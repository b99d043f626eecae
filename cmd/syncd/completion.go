package main

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/gwatsync/syncd/fsm"
)

// shells are those that completion writes a script for. The scripts hold all
// they need: those of the command-line library run what was typed so far through
// eval, and that of bash wants a package that is not always there.
var shells = []struct {
	name   string
	script func(*cli.Command) string
	use    string
}{
	{"bash", bashScript, "syncd completion bash > /etc/bash_completion.d/syncd, or . <(syncd completion bash) in ~/.bashrc"},
	{"zsh", zshScript, "syncd completion zsh > a directory of $fpath/_syncd, before compinit"},
	{"fish", fishScript, "syncd completion fish > ~/.config/fish/completions/syncd.fish"},
}

func completionCommand(con console) *cli.Command {
	var names, uses []string
	for _, s := range shells {
		names, uses = append(names, s.name), append(uses, s.name+": "+s.use)
	}
	return &cli.Command{
		Name:        "completion",
		Usage:       "print the completion script of a shell: " + strings.Join(names, ", "),
		ArgsUsage:   strings.Join(names, "|"),
		Description: strings.Join(uses, "\n"),
		Action: func(_ context.Context, cmd *cli.Command) error {
			for _, s := range shells {
				if cmd.Args().Len() == 1 && cmd.Args().First() == s.name {
					_, err := fmt.Fprint(con.stdout, s.script(cmd.Root()))
					return err
				}
			}
			if !cmd.Args().Present() {
				last := len(names) - 1
				return fail(exitUsage, "completion wants a shell: %s or %s", strings.Join(names[:last], ", "), names[last])
			}
			return fail(exitUsage, "completion of %q: want one of %s", strings.Join(cmd.Args().Slice(), " "), strings.Join(names, ", "))
		},
	}
}

// flagValues are the values of flags that have few; anyFile and anyDir stand
// for names on the disk.
var flagValues = map[string]string{
	"status.output": "line table json", "demo.output": "text json", "demo.until": strings.ReplaceAll(stageNames(fsm.Stages()), ",", ""),
	"graph.format": "mermaid dot", "conformance.generation": "auto head-sync coordinated", "conformance.only": "gwat beacon both", "log.level": "debug info warn error", "log.format": "text json",
	"anchor": anchorProven + " " + anchorJustified,
	"config": anyFile, "gwat.jwt-secret": anyFile, "data-dir": anyDir,
	"record.out": anyFile, "api.jwt-secret": anyFile, "api.tls-cert": anyFile, "api.tls-key": anyFile,
}

const (
	anyFile = "file"
	anyDir  = "directory"
)

// argumentValues are those of a command's own argument.
var argumentValues = map[string]string{"completion": "bash zsh fish", "replay": anyFile}

// completable is a flag as the scripts need it.
type completable struct {
	name, usage string
	value       bool   // it takes one
	values      string // as in flagValues
}

func completables(cmd *cli.Command) []completable {
	var out []completable
	for _, f := range cmd.VisibleFlags() {
		doc, ok := f.(cli.DocGenerationFlag)
		if !ok || f.Names()[0] == "help" {
			continue
		}
		usage, _, _ := strings.Cut(doc.GetUsage(), " [$")
		c := completable{name: f.Names()[0], usage: strings.ReplaceAll(usage, "`", ""), value: doc.TakesValue()}
		c.values = flagValues[c.name]
		if own, ok := flagValues[cmd.Name+"."+c.name]; ok {
			c.values = own
		}
		out = append(out, c)
	}
	return append(out, completable{name: "help", usage: "show the help"})
}

// safe drops what a shell could take for more than text in a description.
var safe = regexp.MustCompile("[^A-Za-z0-9 .,;:/()_+-]")

func described(usage string) string { return safe.ReplaceAllString(usage, "") }

func bashScript(app *cli.Command) string {
	var flags, values strings.Builder
	for _, cmd := range app.VisibleCommands() {
		var names []string
		for _, f := range completables(cmd) {
			names = append(names, "--"+f.name)
			if f.value {
				fmt.Fprintf(&values, "    %s:--%s) %s ;;\n", cmd.Name, f.name, bashValues(f.values))
			}
		}
		fmt.Fprintf(&flags, "    %s:-*) COMPREPLY=($(compgen -W \"%s\" -- \"$cur\")) ;;\n", cmd.Name, strings.Join(names, " "))
		if v := argumentValues[cmd.Name]; v != "" {
			fmt.Fprintf(&flags, "    %s:*) %s ;;\n", cmd.Name, bashValues(v))
		}
	}
	return `# bash completion of syncd. Nothing of what was typed is run.
_syncd() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} command=${COMP_WORDS[1]}
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "` + strings.Join(visibleNames(app), " ") + `" -- "$cur"))
    return
  fi
  # --flag=value comes in three words.
  if [ "$cur" = "=" ]; then cur=; elif [ "$prev" = "=" ]; then prev=${COMP_WORDS[COMP_CWORD-2]}; fi
  case "$command:$prev" in
` + values.String() + `  esac
  case "$command:$cur" in
` + flags.String() + `  esac
}
complete -F _syncd syncd
`
}

func bashValues(values string) string {
	switch values {
	case "":
		return "return"
	case anyFile:
		return `compopt -o filenames; COMPREPLY=($(compgen -f -- "$cur")); return`
	case anyDir:
		return `compopt -o filenames; COMPREPLY=($(compgen -d -- "$cur")); return`
	}
	return fmt.Sprintf(`COMPREPLY=($(compgen -W "%s" -- "$cur")); return`, values)
}

func visibleNames(app *cli.Command) []string {
	var out []string
	for _, cmd := range app.VisibleCommands() {
		out = append(out, cmd.Name)
	}
	return out
}

func zshScript(app *cli.Command) string {
	var commands, cases strings.Builder
	for _, cmd := range app.VisibleCommands() {
		fmt.Fprintf(&commands, "    '%s:%s'\n", cmd.Name, strings.ReplaceAll(described(cmd.Usage), ":", ","))
		fmt.Fprintf(&cases, "    %s) _arguments", cmd.Name)
		for _, f := range completables(cmd) {
			fmt.Fprintf(&cases, " \\\n      '--%s%s[%s]%s'", f.name, map[bool]string{true: "="}[f.value], described(f.usage), zshValues(f))
		}
		if values := argumentValues[cmd.Name]; values != "" {
			fmt.Fprintf(&cases, " \\\n      '1%s'", zshValues(completable{name: "argument", value: true, values: values}))
		}
		cases.WriteString(" ;;\n")
	}
	return `#compdef syncd
_syncd() {
  local -a commands=(
` + commands.String() + `  )
  if (( CURRENT == 2 )); then
    _describe 'command' commands
    return
  fi
  local command=$words[2]
  shift words
  (( CURRENT-- ))
  case "$command" in
` + cases.String() + `  esac
}
if [ "$funcstack[1]" = "_syncd" ]; then _syncd "$@"; else compdef _syncd syncd; fi
`
}

func zshValues(f completable) string {
	if !f.value {
		return ""
	}
	switch f.values {
	case "":
		return ":" + f.name + ":"
	case anyFile:
		return ":" + f.name + ":_files"
	case anyDir:
		return ":" + f.name + ":_files -/"
	}
	return ":" + f.name + ":(" + f.values + ")"
}

func fishScript(app *cli.Command) string {
	var out strings.Builder
	out.WriteString("# fish completion of syncd.\ncomplete -c syncd -f\n")
	none := "not __fish_seen_subcommand_from " + strings.Join(visibleNames(app), " ")
	for _, cmd := range app.VisibleCommands() {
		fmt.Fprintf(&out, "complete -c syncd -n '%s' -a %s -d '%s'\n", none, cmd.Name, described(cmd.Usage))
		in := "__fish_seen_subcommand_from " + cmd.Name
		for _, f := range completables(cmd) {
			fmt.Fprintf(&out, "complete -c syncd -n '%s' -l %s%s -d '%s'\n", in, f.name, fishValues(f), described(f.usage))
		}
		switch values := argumentValues[cmd.Name]; values {
		case "":
		case anyFile:
			fmt.Fprintf(&out, "complete -c syncd -n '%s' -F\n", in)
		default:
			fmt.Fprintf(&out, "complete -c syncd -n '%s' -a '%s'\n", in, values)
		}
	}
	return out.String()
}

func fishValues(f completable) string {
	if !f.value {
		return ""
	}
	switch f.values {
	case "":
		return " -x"
	case anyFile:
		return " -r -F"
	case anyDir:
		return " -x -a '(__fish_complete_directories)'"
	}
	return " -x -a '" + f.values + "'"
}
