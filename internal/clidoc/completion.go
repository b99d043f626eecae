package clidoc

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/gwatsync/syncd/internal/exit"
	"github.com/gwatsync/syncd/settings"
)

// shells are those that completion writes a script for. The scripts hold all
// they need: those of the command-line library run what was typed so far through
// eval, and that of bash wants a package that is not always there.
var shells = []struct {
	name   string
	script func(*completer) string
	use    string
}{
	{"bash", (*completer).bash, "syncd completion bash > /etc/bash_completion.d/syncd, or . <(syncd completion bash) in ~/.bashrc"},
	{"zsh", (*completer).zsh, "syncd completion zsh > a directory of $fpath/_syncd, before compinit"},
	{"fish", (*completer).fish, "syncd completion fish > ~/.config/fish/completions/syncd.fish"},
}

// Values are the values that may follow a flag, separated by blanks, or AnyFile or
// AnyDirectory, by command and flag ("status.output"); those of a command's own argument
// have no flag ("replay."). The settings and the flags of many commands are not in it.
type Values map[string]string

// pathFlags are the paths among the flags that many commands have.
var pathFlags = []string{"config", "socket", "jwt-secret", "ca-file", "new"}

func (v Values) of(command, flag string) string {
	if own, ok := v[command+"."+flag]; ok {
		return own
	}
	s, _ := settings.Lookup(flag)
	switch {
	case s.Names == settings.Directory:
		return AnyDirectory
	case s.Names != settings.NoPath, slices.Contains(pathFlags, flag):
		return AnyFile
	}
	return strings.Join(s.Values, " ")
}

// The values that mean names on the disk.
const (
	AnyFile      = "file"
	AnyDirectory = "directory"
)

// Shells are those that there is a completion script for, each with how to install it.
func Shells() (names, uses []string) {
	for _, s := range shells {
		names, uses = append(names, s.name), append(uses, s.name+": "+s.use)
	}
	return names, uses
}

// Completion returns the script of the one shell that is named. Its error has an exit code.
func Completion(app *cli.Command, named []string, values Values) (script string, err error) {
	names, _ := Shells()
	if len(named) == 0 {
		last := len(names) - 1
		return "", exit.Errorf(exit.Usage, "completion wants a shell: %s or %s", strings.Join(names[:last], ", "), names[last])
	}
	i := slices.Index(names, named[0])
	if i < 0 || len(named) > 1 {
		return "", exit.Errorf(exit.Usage, "completion of %q: want one of %s", strings.Join(named, " "), strings.Join(names, ", "))
	}
	return shells[i].script(&completer{app: app, values: values}), nil
}

// completer writes the script for one app.
type completer struct {
	app    *cli.Command
	values Values
}

// completable is a flag as the scripts need it.
type completable struct {
	name, usage string
	value       bool   // it takes one
	values      string // as Values has them
}

func (c *completer) flags(cmd *cli.Command) []completable {
	var out []completable
	for _, f := range cmd.VisibleFlags() {
		doc, ok := f.(cli.DocGenerationFlag)
		if !ok || f.Names()[0] == "help" {
			continue
		}
		usage, _, _ := strings.Cut(doc.GetUsage(), " [$")
		name := f.Names()[0]
		out = append(out, completable{
			name: name, usage: strings.ReplaceAll(usage, "`", ""), value: doc.TakesValue(), values: c.values.of(cmd.Name, name),
		})
	}
	return append(out, completable{name: "help", usage: "show the help"})
}

// safe drops what a shell could take for more than text in a description.
var safe = regexp.MustCompile("[^A-Za-z0-9 .,;:/()_+-]")

func described(usage string) string { return safe.ReplaceAllString(usage, "") }

func (c *completer) bash() string {
	var flags, values strings.Builder
	for _, cmd := range c.app.VisibleCommands() {
		var names []string
		for _, f := range c.flags(cmd) {
			names = append(names, "--"+f.name)
			if f.value {
				fmt.Fprintf(&values, "    %s:--%s) %s ;;\n", cmd.Name, f.name, bashValues(f.values))
			}
		}
		fmt.Fprintf(&flags, "    %s:-*) COMPREPLY=($(compgen -W \"%s\" -- \"$cur\")) ;;\n", cmd.Name, strings.Join(names, " "))
		if v := c.values.of(cmd.Name, ""); v != "" {
			fmt.Fprintf(&flags, "    %s:*) %s ;;\n", cmd.Name, bashValues(v))
		}
	}
	return `# bash completion of syncd. Nothing of what was typed is run.
_syncd() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} command=${COMP_WORDS[1]}
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "` + strings.Join(c.names(), " ") + `" -- "$cur"))
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
	case AnyFile:
		return `compopt -o filenames; COMPREPLY=($(compgen -f -- "$cur")); return`
	case AnyDirectory:
		return `compopt -o filenames; COMPREPLY=($(compgen -d -- "$cur")); return`
	}
	return fmt.Sprintf(`COMPREPLY=($(compgen -W "%s" -- "$cur")); return`, values)
}

func (c *completer) names() []string {
	var out []string
	for _, cmd := range c.app.VisibleCommands() {
		out = append(out, cmd.Name)
	}
	return out
}

func (c *completer) zsh() string {
	var commands, cases strings.Builder
	for _, cmd := range c.app.VisibleCommands() {
		fmt.Fprintf(&commands, "    '%s:%s'\n", cmd.Name, strings.ReplaceAll(described(cmd.Usage), ":", ","))
		fmt.Fprintf(&cases, "    %s) _arguments", cmd.Name)
		for _, f := range c.flags(cmd) {
			fmt.Fprintf(&cases, " \\\n      '--%s%s[%s]%s'", f.name, map[bool]string{true: "="}[f.value], described(f.usage), zshValues(f))
		}
		if values := c.values.of(cmd.Name, ""); values != "" {
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
	case AnyFile:
		return ":" + f.name + ":_files"
	case AnyDirectory:
		return ":" + f.name + ":_files -/"
	}
	return ":" + f.name + ":(" + f.values + ")"
}

func (c *completer) fish() string {
	var out strings.Builder
	out.WriteString("# fish completion of syncd.\ncomplete -c syncd -f\n")
	none := "not __fish_seen_subcommand_from " + strings.Join(c.names(), " ")
	for _, cmd := range c.app.VisibleCommands() {
		fmt.Fprintf(&out, "complete -c syncd -n '%s' -a %s -d '%s'\n", none, cmd.Name, described(cmd.Usage))
		in := "__fish_seen_subcommand_from " + cmd.Name
		for _, f := range c.flags(cmd) {
			fmt.Fprintf(&out, "complete -c syncd -n '%s' -l %s%s -d '%s'\n", in, f.name, fishValues(f), described(f.usage))
		}
		switch values := c.values.of(cmd.Name, ""); values {
		case "":
		case AnyFile:
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
	case AnyFile:
		return " -r -F"
	case AnyDirectory:
		return " -x -a '(__fish_complete_directories)'"
	}
	return " -x -a '" + f.values + "'"
}
