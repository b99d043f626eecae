package settings

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gwatsync/syncd/endpoint"
)

// Setting is one value of the configuration. Its key is the name of the flag and the
// path in the file, and makes the name of the environment variable.
type Setting struct {
	Key     string
	Default any      // of the type of the field; nil is "" or an empty list
	Usage   string   // for people; a word in backticks is the placeholder
	Values  []string // the only values that a text may have; nil for any
	Names   Names    // what a text is the path of
	Serving bool     // it is about the API or the log, which the demo has too

	field   func(*Config) any // *string, *bool, *int, *time.Duration or *[]string
	check   func(*Config) error
	times   *bounds[time.Duration]
	numbers *bounds[int]
}

// Names says what the text of a setting is the path of.
type Names string

// The sorts of paths.
const (
	NoPath    Names = ""
	AnyFile   Names = "file"
	Directory Names = "directory"
	// SecretFile is the path of a file that holds a secret. A value that seems to be
	// the secret itself is never repeated.
	SecretFile Names = "secret file"
)

type bounds[T cmp.Ordered] struct{ least, most T }

func between[T cmp.Ordered](least, most T) *bounds[T] { return &bounds[T]{least, most} }

// Keys returns the keys of all settings.
func Keys() []string {
	var keys []string
	for _, s := range All {
		keys = append(keys, s.Key)
	}
	return keys
}

// ServingKeys returns the keys of the settings about the API and the log.
func ServingKeys() []string {
	var keys []string
	for _, s := range All {
		if s.Serving {
			keys = append(keys, s.Key)
		}
	}
	return keys
}

// Lookup returns the setting of a key.
func Lookup(key string) (Setting, bool) {
	i := slices.IndexFunc(All, func(s Setting) bool { return s.Key == key })
	if i < 0 {
		return Setting{}, false
	}
	return All[i], true
}

// EnvName returns the environment variable of a key.
func EnvName(key string) string {
	return "SYNCD_" + strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(key))
}

// Form names the form of the value: text, duration, number, "true or false" or list.
func (s Setting) Form() string {
	switch s.field(&Config{}).(type) {
	case *time.Duration:
		return "duration"
	case *int:
		return "number"
	case *bool:
		return "true or false"
	case *[]string:
		return "list"
	}
	return "text"
}

// Toggle reports whether the value is true or false, so that its flag needs none.
func (s Setting) Toggle() bool { return s.Form() == "true or false" }

// Secret reports whether the value names a file that holds a secret.
func (s Setting) Secret() bool { return s.Names == SecretFile }

// DefaultText returns the default as it is written in a file, "" for an empty one.
func (s Setting) DefaultText() string {
	switch v := s.Default.(type) {
	case nil:
		return ""
	case time.Duration:
		return Duration(v)
	default:
		return fmt.Sprint(v)
	}
}

// Duration writes 2m instead of 2m0s.
func Duration(d time.Duration) string {
	out := d.String()
	if strings.HasSuffix(out, "m0s") {
		out = strings.TrimSuffix(out, "0s")
	}
	if strings.HasSuffix(out, "h0m") {
		out = strings.TrimSuffix(out, "0m")
	}
	return out
}

// setDefault sets the field to its default.
func (s Setting) setDefault(c *Config) {
	switch field := s.field(c).(type) {
	case *string:
		*field, _ = s.Default.(string)
	case *time.Duration:
		*field = s.Default.(time.Duration)
	case *int:
		*field = s.Default.(int)
	case *bool:
		*field = s.Default.(bool)
	case *[]string:
		*field = []string{}
	}
}

// set parses a value. A list may come in parts, one for each element; another form
// takes exactly one part, as it was written.
func (s Setting) set(c *Config, parts []string, isList bool) error {
	if list, ok := s.field(c).(*[]string); ok {
		if !isList {
			parts = strings.Split(parts[0], ",")
		}
		*list = []string{}
		for _, part := range parts {
			if part = strings.TrimSpace(part); part != "" {
				*list = append(*list, part)
			}
		}
		return nil
	}
	if isList {
		return fmt.Errorf("is a list: want %s", s.want())
	}
	raw := strings.TrimSpace(parts[0])
	var err error
	switch field := s.field(c).(type) {
	case *string:
		*field = raw
		return nil
	case *time.Duration:
		*field, err = time.ParseDuration(raw)
	case *int:
		if *field, err = strconv.Atoi(raw); err != nil { // as YAML writes 0x20 and 1_000
			var wide int64
			wide, err = strconv.ParseInt(raw, 0, strconv.IntSize)
			*field = int(wide)
		}
	case *bool:
		*field, err = strconv.ParseBool(raw)
	}
	if err != nil {
		return fmt.Errorf("is %s: want %s", s.quoted(raw), s.want())
	}
	return nil
}

func (s Setting) want() string {
	switch s.field(&Config{}).(type) {
	case *time.Duration:
		return "a duration such as 500ms, 1s or 2m"
	case *int:
		return "a whole number"
	case *bool:
		return "true or false"
	}
	return "a text"
}

// quoted returns a value for an error: bounded, and never a secret.
func (s Setting) quoted(raw string) string {
	if s.Secret() {
		raw = endpoint.MaskPath(raw)
	}
	return fmt.Sprintf("%.200q", endpoint.MaskWord(raw))
}

// checkAlone checks the value by itself.
func (s Setting) checkAlone(c *Config) error {
	switch field := s.field(c).(type) {
	case *time.Duration:
		if b := s.times; b != nil && (*field < b.least || *field > b.most) {
			return fmt.Errorf("--%s is %s: want %s to %s", s.Key, Duration(*field), Duration(b.least), Duration(b.most))
		}
	case *int:
		if b := s.numbers; b != nil && (*field < b.least || *field > b.most) {
			return fmt.Errorf("--%s is %d: want %d to %d", s.Key, *field, b.least, b.most)
		}
	case *string:
		if s.Values != nil && !slices.Contains(s.Values, *field) {
			return fmt.Errorf("--%s is %s: want %s", s.Key, s.quoted(*field), orList(s.Values))
		}
		if s.Secret() {
			if err := endpoint.CheckSecretPath(*field); err != nil {
				return fmt.Errorf("--%s %w", s.Key, err)
			}
		}
	}
	if s.check == nil {
		return nil
	}
	return s.check(c)
}

// orList joins words as people do: "a or b", "one of a, b, c".
func orList(words []string) string {
	if len(words) == 2 {
		return words[0] + " or " + words[1]
	}
	return "one of " + strings.Join(words, ", ")
}

// shown returns the value as others may see it.
func (s Setting) shown(c *Config) any {
	switch field := s.field(c).(type) {
	case *string:
		if s.Secret() {
			return endpoint.MaskPath(*field)
		}
		return endpoint.Mask(*field)
	case *[]string:
		texts := []string{}
		for _, text := range *field {
			texts = append(texts, endpoint.Mask(text))
		}
		return texts
	case *time.Duration:
		return Duration(*field)
	case *int:
		return *field
	case *bool:
		return *field
	}
	return nil
}
