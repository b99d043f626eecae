package main

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/v2"
	"github.com/urfave/cli/v3"
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
	layers := []layer{}
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
		if err := merged.Load(confmap.Provider(values, "."), nil); err != nil {
			return nil, fmt.Errorf("load the configuration: %w", err)
		}
	}
	cfg := &Config{}
	if err := merged.Unmarshal("", cfg); err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	return cfg, nil
}

// layer is what one source sets, by key; name tells how the source calls a key.
type layer struct {
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
		Prefix:        "SYNCD_",
		EnvironFunc:   con.environ,
		TransformFunc: func(name, value string) (string, any) { return byName[name], value },
	}), nil)
	values := k.All()
	path, _ := values["config"].(string)
	for key, v := range values {
		if v == "" { // set to nothing means not set, as in a compose file
			delete(values, key)
		}
	}
	return layer{values: values, name: envName}, path
}

// readFile refuses unknown keys: a misspelt one would be dropped in silence.
func readFile(path string) (layer, error) {
	if _, err := os.Stat(path); err != nil {
		return layer{}, fail(exitUsage, "--config: %w; name a readable YAML file", err)
	}
	k := koanf.New(".")
	if err := k.Load(file.Provider(path), yaml.Parser()); err != nil {
		return layer{}, fail(exitUsage, "--config %s is no usable YAML: %w", path, err)
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
	return layer{values: k.All(), name: func(key string) string { return key + " in " + path }}, nil
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
	return layer{values: values, name: func(key string) string { return "--" + strings.TrimSpace(key) }}
}
