package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/v2"
	"github.com/urfave/cli/v3"

	"github.com/gwatsync/syncd/failure"
)

// load reads the configuration: flags win over the environment, that over the
// file, that over the defaults. other holds the defaults in which the command
// differs. Errors have the exit code of usage.
func load(cmd *cli.Command, con console, other map[string]any) (*Config, error) {
	merged := koanf.New(".")
	defaults := map[string]any{}
	for _, s := range settings {
		defaults[s.key] = s.value
	}
	maps.Copy(defaults, other)
	if err := merged.Load(confmap.Provider(defaults, "."), nil); err != nil {
		return nil, fmt.Errorf("load the defaults: %w", err)
	}
	fromEnv, path := readEnv(con)
	if cmd.IsSet("config") {
		path = cmd.String("config")
	}
	layers, sources := []layer{}, map[string]string{}
	for key := range defaults {
		sources[key] = fromDefault
	}
	if path != "" {
		fromFile, err := readFile(path)
		if err != nil {
			return nil, err
		}
		layers = append(layers, fromFile)
	}
	for _, l := range append(layers, fromEnv, readFlags(cmd)) {
		values, err := l.parse()
		if err != nil {
			return nil, err
		}
		for key := range values {
			sources[key] = l.source
		}
		if err := merged.Load(confmap.Provider(values, "."), nil); err != nil {
			return nil, fmt.Errorf("load the configuration: %w", err)
		}
	}
	cfg := &Config{sources: sources}
	if err := merged.Unmarshal("", cfg); err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	return cfg, nil
}

// layer is what one source sets, by key; name tells how the source calls a key.
type layer struct {
	source string
	values map[string]any
	name   func(key string) string
}

// parse gives every value its type; a value of the wrong form names its source.
func (l layer) parse() (map[string]any, error) {
	out := map[string]any{}
	for _, s := range settings {
		raw, ok := l.values[s.key]
		if !ok {
			continue
		}
		v, err := s.parse(raw)
		if err != nil {
			return nil, fail(exitUsage, "%s %w", l.name(s.key), err)
		}
		out[s.key] = v
	}
	return out, nil
}

// readEnv gives the settings in the environment, and the file that SYNCD_CONFIG
// names. Other SYNCD_ variables are left alone: container platforms set such
// names for a service called syncd.
func readEnv(con console) (layer, string) {
	k := koanf.New("\x00") // keys are whole: no nesting here
	byName := map[string]string{envName("config"): "config"}
	for _, s := range settings {
		byName[envName(s.key)] = s.key
	}
	// The provider has no error of its own once environ is given.
	_ = k.Load(env.Provider("\x00", env.Opt{
		Prefix: "SYNCD_",
		EnvironFunc: func() []string { // the provider panics over an entry that is no pair
			return slices.DeleteFunc(slices.Clone(con.environ()), func(entry string) bool { return !strings.Contains(entry, "=") })
		},
		TransformFunc: func(name, value string) (string, any) { return byName[name], value },
	}), nil)
	values := k.All()
	path, _ := values["config"].(string)
	for key, v := range values {
		if v == "" { // set to nothing means not set, as in a compose file
			delete(values, key)
		}
	}
	return layer{source: fromEnvironment, values: values, name: envName}, path
}

// readFile refuses unknown keys: a misspelt one would be dropped in silence.
func readFile(path string) (layer, error) {
	raw, err := readBounded(path)
	if err != nil {
		return layer{}, fail(exitUsage, "--config cannot be read: %w; name a YAML file that this user can read", err)
	}
	k := koanf.New(".")
	if err := k.Load(content(raw), yaml.Parser()); err != nil {
		return layer{}, yamlError(path, err)
	}
	known := settingKeys()
	keys := k.Keys()
	slices.Sort(keys)
	for _, key := range keys {
		if k.Get(key) == nil && (slices.Contains(known, key) || firstOf(key, known) != "") {
			k.Delete(key) // as a section whose keys are all commented out
			continue
		}
		if first := firstOf(key, known); first != "" {
			return layer{}, fail(exitUsage, "%s gives %q the value %q, but it is a section: write keys of it such as %q", path, key, fmt.Sprint(k.Get(key)), first)
		}
		if !slices.Contains(known, key) {
			return layer{}, fail(exitUsage, "%s has the unknown key %q%s", path, key, didYouMean(key, known))
		}
	}
	return layer{source: fromFile, values: k.All(), name: func(key string) string { return key + " in " + path }}, nil
}

// maxConfig is far more than every setting takes.
const maxConfig = 1 << 20

// readBounded does not read a wrong file to its end.
func readBounded(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	raw, err := io.ReadAll(io.LimitReader(file, maxConfig+1))
	if err == nil && len(raw) > maxConfig {
		err = fmt.Errorf("%s has more than %d bytes", path, maxConfig)
	}
	return raw, err
}

// content is a koanf.Provider of what was read.
type content []byte

// ReadBytes implements koanf.Provider.
func (c content) ReadBytes() ([]byte, error) { return c, nil }

// Read implements koanf.Provider; koanf does not call it beside a parser.
func (c content) Read() (map[string]any, error) {
	return nil, errors.New("a file is read as bytes")
}

// yamlError says what to do about a file that is no sections and keys.
func yamlError(path string, err error) error {
	said := err.Error()
	if _, kind, ok := strings.Cut(said, "cannot unmarshal !!"); ok {
		got := "a single value"
		if strings.HasPrefix(kind, "seq") {
			got = "a list"
		}
		return fail(exitUsage, "--config %s: want sections and keys (gwat: ...) at the top, got %s", path, got)
	}
	remedy := "correct it"
	if strings.Contains(said, " line ") {
		remedy = "correct that line"
	}
	return fail(exitUsage, "--config %s is no usable YAML: %w; %s", path, failure.Bounded(err), remedy)
}

// firstOf names a setting of a section, "" if key is none.
func firstOf(key string, known []string) string {
	i := slices.IndexFunc(known, func(s string) bool { return strings.HasPrefix(s, key+".") })
	if i < 0 {
		return ""
	}
	return known[i]
}

func readFlags(cmd *cli.Command) layer {
	values := map[string]any{}
	for _, s := range settings {
		if slices.Contains(cmd.FlagNames(), s.key) && cmd.IsSet(s.key) {
			values[s.key] = cmd.Value(s.key)
		}
	}
	return layer{source: fromFlag, values: values, name: func(key string) string { return "--" + strings.TrimSpace(key) }}
}
