package settings

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/gwatsync/syncd/endpoint"
	"github.com/gwatsync/syncd/failure"
)

// Source says where the value of a setting is from.
type Source string

// The sources, each winning over those before it.
const (
	FromDefault     Source = "default"
	FromFile        Source = "file"
	FromEnvironment Source = "environment"
	FromFlag        Source = "flag"
)

// Input is what Load reads.
type Input struct {
	Flags    map[string]string // values of the command line, by key
	Environ  []string          // as os.Environ returns it
	File     string            // of --config; wins over SYNCD_CONFIG
	FallBack string            // the file without either; "" for none, and it need not be there
	Defaults map[string]any    // where the defaults of a command differ, by key
}

// value is what one source says of one setting.
type value struct {
	setting Setting
	parts   []string
	isList  bool
	name    string // what the source calls the setting
}

// Load reads the configuration. Its errors are one line and of kind NeedsHuman.
func Load(in Input) (*Config, error) {
	c := &Config{sources: map[string]Source{}}
	for _, s := range All {
		if other, ok := in.Defaults[s.Key]; ok {
			s.Default = other
		}
		s.setDefault(c)
		c.sources[s.Key] = FromDefault
	}
	fromEnv, path, err := readEnv(in.Environ)
	if err != nil {
		return nil, err
	}
	if in.File != "" {
		path = in.File
	}
	c.file = cmp.Or(path, in.FallBack)
	var fromFile []value
	if fromFile, c.unread, err = readFile(path, in.FallBack); err != nil {
		return nil, err
	}
	for _, l := range []struct {
		source Source
		values []value
	}{{FromFile, fromFile}, {FromEnvironment, fromEnv}, {FromFlag, flagValues(in.Flags)}} {
		for _, v := range l.values {
			if err := v.setting.set(c, v.parts, v.isList); err != nil {
				return nil, failure.Newf(failure.NeedsHuman, "%s %w", v.name, err)
			}
			c.sources[v.setting.Key] = l.source
		}
	}
	return c, nil
}

// File returns the file in which the settings were looked for, "" for none, and why it
// could not be read: only that of Input.FallBack may be missing.
func (c *Config) File() (path string, unread error) { return c.file, c.unread }

func flagValues(flags map[string]string) []value {
	var out []value
	for _, s := range All {
		if raw, ok := flags[s.Key]; ok {
			out = append(out, value{setting: s, parts: []string{raw}, name: "--" + s.Key})
		}
	}
	return out
}

// ClientVariables are the variables of commands that talk to a running syncd, which
// are no settings.
var ClientVariables = []string{"SYNCD_API", "SYNCD_SOCKET", "SYNCD_CA_FILE"}

// CheckEnviron refuses a variable of an unknown name, as Load does.
func CheckEnviron(environ []string) error {
	_, _, err := readEnv(environ)
	return err
}

// foreign are variables that others set under this prefix: Kubernetes and Docker for
// a service called syncd, docker-compose.yml for its image and port.
var foreign = regexp.MustCompile(`^SYNCD_(?:.*_)?(?:SERVICE_HOST|SERVICE_PORT(?:_.*)?|PORT(?:_[0-9]+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)?|NAME)$|^SYNCD_(?:ENV_.*|IMAGE)$`)

// readEnv returns the settings in the environment and the file that SYNCD_CONFIG
// names. A variable that is set to nothing counts as not set, as in a compose file;
// one of an unknown name is an error, as an unknown key in the file is.
func readEnv(environ []string) (values []value, path string, err error) {
	set := map[string]string{}
	names := append([]string{EnvName("config")}, ClientVariables...)
	for _, s := range All {
		names = append(names, EnvName(s.Key))
	}
	for _, entry := range environ {
		name, text, ok := strings.Cut(entry, "=")
		if !ok || !strings.HasPrefix(name, "SYNCD_") || text == "" {
			continue
		}
		if !slices.Contains(names, name) {
			if foreign.MatchString(name) {
				continue
			}
			return nil, "", failure.Newf(failure.NeedsHuman, "the environment has the unknown variable %.100q%s", name, DidYouMean(name, names))
		}
		set[name] = text
	}
	for _, s := range All {
		if text, ok := set[EnvName(s.Key)]; ok {
			values = append(values, value{setting: s, parts: []string{text}, name: EnvName(s.Key)})
		}
	}
	return values, set[EnvName("config")], nil
}

// maxFile is far more than every setting takes, in bytes.
const maxFile = 1 << 20

// readFile reads the settings of a file: path, or fallBack if that can be read; unread
// says why it cannot.
func readFile(path, fallBack string) (values []value, unread, err error) {
	if path == "" {
		if fallBack == "" {
			return nil, nil, nil
		}
		raw, unread := readBounded(fallBack)
		if unread != nil {
			return nil, unread, nil
		}
		values, err = parseFile(fallBack, raw)
		return values, nil, err
	}
	raw, err := readBounded(path)
	if secret := endpoint.CheckSecretPath(path); err != nil && secret != nil {
		return nil, nil, failure.Newf(failure.NeedsHuman, "--config %w", secret)
	}
	if err != nil {
		return nil, nil, failure.Newf(failure.NeedsHuman, "--config cannot be read: %w; name a YAML file that this user can read", err)
	}
	values, err = parseFile(path, raw)
	return values, nil, err
}

// readBounded does not read a wrong file to its end.
func readBounded(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if info, err := file.Stat(); err == nil && info.IsDir() {
		return nil, &os.PathError{Op: "read", Path: path, Err: errors.New("is a directory")}
	}
	raw, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err == nil && len(raw) > maxFile {
		err = fmt.Errorf("%s has more than %d bytes", path, maxFile)
	}
	return raw, err
}
