package main

import (
	"reflect"
	"time"

	"github.com/gwatsync/syncd/api"
	"github.com/gwatsync/syncd/endpoint"
)

// Where a setting's value is from.
const (
	fromDefault     = "default"
	fromFile        = "file"
	fromEnvironment = "environment"
	fromFlag        = "flag"
)

// shown gives the settings in force, in the order of the document, fit for
// others' eyes: secrets are named by their files only, and URLs lose what may be one.
func (c *Config) shown() []api.Setting {
	values := map[string]any{}
	collect(reflect.ValueOf(c).Elem(), "", values)
	var out []api.Setting
	for _, s := range settings {
		out = append(out, api.Setting{Key: s.key, Value: values[s.key], Source: c.sources[s.key]})
	}
	return out
}

// collect takes the fields of a section by the keys in their tags.
func collect(section reflect.Value, prefix string, into map[string]any) {
	for i := range section.NumField() {
		key, ok := section.Type().Field(i).Tag.Lookup("koanf")
		if !ok {
			continue
		}
		switch v := section.Field(i).Interface().(type) {
		case string:
			into[prefix+key] = endpoint.Mask(v)
		case []string:
			texts := []string{}
			for _, text := range v {
				texts = append(texts, endpoint.Mask(text))
			}
			into[prefix+key] = texts
		case time.Duration:
			into[prefix+key] = shortDuration(v)
		case bool, int:
			into[prefix+key] = v
		default:
			collect(section.Field(i), prefix+key+".", into)
		}
	}
}
