package commandline

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/urfave/cli/v3"

	"github.com/gwatsync/syncd/internal/exit"
	"github.com/gwatsync/syncd/operator"
	"github.com/gwatsync/syncd/settings"
)

// SettingFlags returns the flags of the settings that a command has; all if none is
// named. other holds the defaults in which the command differs.
func SettingFlags(other map[string]any, keys ...string) []cli.Flag {
	var flags []cli.Flag
	for _, s := range settings.All {
		if v, ok := other[s.Key]; ok {
			s.Default = v
		}
		if len(keys) == 0 || slices.Contains(keys, s.Key) {
			flags = append(flags, settingFlag(s))
		}
	}
	return append(flags, configFlag())
}

// settingFlag takes text, whatever the form of the setting, so that a wrong value gets
// the same line from every source. It reads no environment: settings.Load does.
func settingFlag(s settings.Setting) cli.Flag {
	usage := s.Usage + envNote(s.Key)
	if s.Toggle() {
		return &cli.BoolFlag{Name: s.Key, Usage: usage}
	}
	return &cli.StringFlag{Name: s.Key, Usage: usage, Value: s.DefaultText(), HideDefault: s.DefaultText() == ""}
}

func configFlag() cli.Flag {
	return &cli.StringFlag{Name: "config", Usage: "YAML `FILE` with these settings" + envNote("config"), HideDefault: true}
}

func envNote(key string) string { return " [$" + settings.EnvName(key) + "]" }

// Source is what a command reads its settings from.
type Source struct {
	Command *cli.Command
	Environ []string
	Places  Places
}

// Places are those of the package; tests have others.
type Places struct {
	File   string // "" for operator.DefaultFile
	Socket string // as operator.Where has it
}

// Load reads the settings. Without --config and SYNCD_CONFIG the file is that of the
// package, for commands that talk to its syncd, or none.
func (s Source) Load(ofPackage bool, defaults map[string]any) (*settings.Config, error) {
	flags := map[string]string{}
	for _, set := range settings.All {
		if !slices.Contains(s.Command.FlagNames(), set.Key) || !s.Command.IsSet(set.Key) {
			continue
		}
		flags[set.Key] = s.Command.String(set.Key)
		if set.Toggle() {
			flags[set.Key] = strconv.FormatBool(s.Command.Bool(set.Key))
		}
	}
	file := ""
	if ofPackage {
		file = cmp.Or(s.Places.File, operator.DefaultFile)
	}
	return settings.Load(settings.Input{
		Flags: flags, Environ: s.Environ, File: s.Command.String("config"), FallBack: file, Defaults: defaults,
	})
}

// Checked is Load, for a command that asks the nodes. Its error has an exit code.
func (s Source) Checked(ofPackage bool) (*settings.Config, error) {
	cfg, err := s.Load(ofPackage, nil)
	if err != nil {
		return cfg, exit.With(exit.Usage, err)
	}
	if err := cfg.Check(); err != nil {
		return cfg, exit.With(exit.OfStart(err), err)
	}
	_, err = cfg.GwatSecret() // run waits for its file; here it is a wrong setting
	return cfg, exit.With(exit.Usage, err)
}

// Where says how the running syncd is found. The settings are read unless flags or the
// environment say all; for orders, they may name what grants the right to.
func (s Source) Where(orders bool) (operator.Where, error) {
	cmd := s.Command
	w := operator.Where{
		API: cmd.String("api"), Socket: cmd.String("socket"), CAFile: cmd.String("ca-file"), Environ: s.Environ, DefaultSocket: s.Places.Socket,
	}
	if orders {
		w.Secret = cmd.String("jwt-secret")
	}
	if w.API != "" || w.Socket != "" || w.Named() && !orders {
		return w, exit.With(exit.Usage, settings.CheckEnviron(s.Environ))
	}
	cfg, err := s.Load(true, nil)
	w.Settings = cfg
	return w, err
}

// WhereFlags are those by which a command finds the running syncd.
func WhereFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "api", Usage: "`URL` of the running syncd [$SYNCD_API]; without it, where its settings say that it listens, or " + operator.DefaultAddress, HideDefault: true},
		&cli.StringFlag{Name: "socket", Usage: "`PATH` of the running syncd's --api.socket, in place of --api [$SYNCD_SOCKET]", HideDefault: true},
		&cli.StringFlag{Name: "ca-file", Usage: "PEM `FILE` of certificates to trust at --api, beside those of the system [$SYNCD_CA_FILE]", HideDefault: true},
	}
}

// ClientFlags are WhereFlags and the file with the settings of the running syncd.
func ClientFlags(more ...cli.Flag) []cli.Flag {
	file := &cli.StringFlag{Name: "config", Usage: "YAML `FILE` with the settings of the running syncd" + envNote("config") + "; without it " + operator.DefaultFile + ", if it can be read", HideDefault: true}
	return slices.Concat(more, WhereFlags(), []cli.Flag{file})
}

// ReasonFlag is the reason of an order.
func ReasonFlag() cli.Flag {
	return &cli.StringFlag{Name: "reason", Usage: "why; the status and the history show it"}
}

// SecretFlag is the file of the secret that grants the right to an order.
func SecretFlag() cli.Flag {
	return &cli.StringFlag{Name: "jwt-secret", Usage: "`FILE` of the running syncd's --api.jwt-secret, for --api", HideDefault: true}
}
