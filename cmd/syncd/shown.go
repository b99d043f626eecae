package main

import (
	"net/url"
	"reflect"
	"strings"
	"time"

	"github.com/gwatsync/syncd/api"
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
			into[prefix+key] = withoutSecret(v)
		case []string:
			texts := []string{}
			for _, text := range v {
				texts = append(texts, withoutSecret(text))
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

// withoutSecret masks user, password and query of a URL; other texts stay.
func withoutSecret(text string) string {
	if !strings.Contains(text, "://") {
		return text
	}
	u, err := url.Parse(text)
	if err != nil {
		return "***"
	}
	if u.User != nil {
		u.User = url.User("***")
	}
	if u.RawQuery != "" {
		u.RawQuery = "***"
	}
	u.Fragment = ""
	return strings.ReplaceAll(u.String(), "%2A%2A%2A", "***")
}
