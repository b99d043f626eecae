package clidoc

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/gwatsync/syncd/internal/exit"
	"github.com/gwatsync/syncd/settings"
)

// roff writes the manual page. Its text is that of the commands, the settings
// and the exit codes, so that the page cannot differ from them.
type roff struct{ strings.Builder }

// escape keeps a text from being read as a request or an escape.
func escape(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`, "`", "").Replace(text)
	if strings.HasPrefix(text, ".") || strings.HasPrefix(text, "'") {
		text = `\&` + text
	}
	return text
}

func (r *roff) section(name string)    { fmt.Fprintf(r, ".SH %s\n", name) }
func (r *roff) subsection(name string) { fmt.Fprintf(r, ".SS %s\n", escape(name)) }
func (r *roff) paragraph(text string)  { fmt.Fprintf(r, ".PP\n%s\n", escape(text)) }

// item is a bold term and what it means.
func (r *roff) item(term, text string) {
	fmt.Fprintf(r, ".TP\n\\fB%s\\fR\n%s\n", strings.TrimPrefix(escape(term), `\&`), escape(text))
}

// verbatim keeps the lines as they are.
func (r *roff) verbatim(text string) {
	r.WriteString(".PP\n.nf\n")
	for line := range strings.Lines(strings.TrimSpace(text)) {
		r.WriteString(escape(strings.TrimSuffix(line, "\n")) + "\n")
	}
	r.WriteString(".fi\n")
}

// ManPage returns the manual page of a version.
func ManPage(app *cli.Command, version string) string {
	c := &completer{app: app}
	r := &roff{}
	fmt.Fprintf(r, ".TH SYNCD 1 \"\" \"syncd %s\" \"User Commands\"\n", escape(version))
	r.section("NAME")
	fmt.Fprintf(r, "syncd \\- %s\n", escape(app.Usage))
	r.section("SYNOPSIS")
	r.WriteString(".B syncd\n\\fIcommand\\fR [\\fIflags\\fR]\n")
	r.section("DESCRIPTION")
	r.paragraph("A node of a gwat network is a pair: gwat (execution) and the beacon node (consensus). syncd runs next to the two and takes them, stage by stage, from any state to normal work, watches that it stays so, and reports what it sees.")
	r.section("COMMANDS")
	for _, cmd := range app.VisibleCommands() {
		r.subsection(strings.TrimSpace(cmd.Name + " " + cmd.ArgsUsage))
		r.paragraph(strings.ToUpper(cmd.Usage[:1]) + cmd.Usage[1:] + ".")
		if cmd.Description != "" {
			r.verbatim(cmd.Description)
		}
		settingsOnly := true
		for _, f := range c.flags(cmd) {
			if known(f.name) || f.name == "help" || f.name == "config" {
				continue
			}
			settingsOnly = false
			r.item("--"+f.name, f.usage)
		}
		if len(c.flags(cmd)) > 1 && settingsOnly {
			r.paragraph("It takes the settings below.")
		}
	}
	r.section("SETTINGS")
	r.paragraph("Each is a flag of run and check, an environment variable and a key of the YAML file that --config or SYNCD_CONFIG names. A flag overrides an environment variable, which overrides the file, which overrides the default.")
	for _, s := range settings.All {
		text := s.Usage
		if d := s.DefaultText(); d != "" {
			text += " (default " + d + ")"
		}
		r.item("--"+s.Key+", "+settings.EnvName(s.Key), text)
	}
	r.section("EXIT STATUS")
	for _, e := range exit.Codes {
		r.item(fmt.Sprint(e.Code), e.Meaning)
	}
	r.section("FILES")
	r.item("/etc/syncd/syncd.yaml", "the settings of the service that the Debian package brings.")
	r.item("/var/lib/syncd", "its data directory, which only root and the service may enter.")
	r.item("/run/syncd/syncd.sock", "its local socket, for pause, resume and resync by root.")
	r.item("syncd-data/main.journal", "what was sent to gwat and confirmed, and the stage history: --data-dir and --pair name it. It is a hint that is proved again; without it syncd starts from the beginning.")
	r.section("EXAMPLES")
	r.verbatim("syncd demo --until working\nsyncd check --gwat.endpoint ws://127.0.0.1:8546 --beacon.endpoint http://127.0.0.1:3500\nsyncd status --watch\nsyncd doctor\nsyncd record --for 60s --out pair.bundle && syncd replay pair.bundle")
	r.section("SEE ALSO")
	r.paragraph("The documents that come with syncd: operating, configuration, api, metrics, faults, architecture.")
	return r.String()
}

func known(name string) bool {
	_, ok := settings.Lookup(name)
	return ok
}
