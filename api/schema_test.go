package api

import (
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"
)

// openRPC is the document as the tests read it.
type openRPC struct {
	OpenRPC string `json:"openrpc"`
	Info    struct {
		Title, Version string
	}
	Methods []struct {
		Name, Summary, ParamStructure string
		Params                        []struct {
			Name, Description string
			Required          bool
			Schema            schema
		}
		Result struct {
			Name   string
			Schema schema
		}
		Errors   []schema
		Examples []struct {
			Name   string
			Params []struct {
				Name  string
				Value any
			}
			Result struct {
				Name  string
				Value any
			}
		}
	}
	Servers []struct {
		Name, URL string
	}
	Components struct {
		Schemas map[string]schema
		Errors  map[string]struct {
			Code    int
			Message string
			Data    map[string]string
		}
	}
	Subscriptions map[string]struct {
		Summary string
		Result  schema
	} `json:"x-subscriptions"`
}

type schema map[string]any

func theDocument(t *testing.T) *openRPC {
	t.Helper()
	var doc openRPC
	require.NoError(t, json.Unmarshal(document, &doc))
	return &doc
}

// at gives what a schema refers to.
func (d *openRPC) at(s schema) (schema, error) {
	ref, ok := s["$ref"].(string)
	if !ok {
		return s, nil
	}
	name, ok := strings.CutPrefix(ref, "#/components/schemas/")
	target, known := d.Components.Schemas[name]
	if !ok || !known {
		return nil, fmt.Errorf("%s refers to nothing", ref)
	}
	return target, nil
}

func sub(v any) schema {
	m, _ := v.(map[string]any)
	return schema(m)
}

// keywords that validate knows; another one in the document would be no check at all.
var keywords = []string{
	"$ref", "type", "description", "properties", "required", "additionalProperties", "items", "enum", "const",
	"pattern", "format", "minimum", "maximum", "maxLength", "oneOf", "default",
}

// validate tells what is wrong with a decoded JSON value (numbers as json.Number).
func (d *openRPC) validate(s schema, v any, path string) error {
	s, err := d.at(s)
	if err != nil {
		return err
	}
	for key := range s {
		if !slices.Contains(keywords, key) {
			return fmt.Errorf("%s: the schema has the unknown keyword %s", path, key)
		}
	}
	if options, ok := s["oneOf"].([]any); ok {
		matches := 0
		for _, o := range options {
			if d.validate(sub(o), v, path) == nil {
				matches++
			}
		}
		if matches != 1 {
			return fmt.Errorf("%s: %v matches %d of the alternatives", path, v, matches)
		}
		return nil
	}
	if want, ok := s["enum"].([]any); ok && !slices.Contains(want, v) {
		return fmt.Errorf("%s: %v is none of %v", path, v, want)
	}
	if want, ok := s["const"]; ok && want != v {
		return fmt.Errorf("%s: %v is not %v", path, v, want)
	}
	switch x := v.(type) {
	case map[string]any:
		return d.validateObject(s, x, path)
	case []any:
		if s["type"] != "array" {
			return fmt.Errorf("%s: an array, want %v", path, s["type"])
		}
		for i, e := range x {
			if err := d.validate(sub(s["items"]), e, fmt.Sprintf("%s[%d]", path, i)); err != nil {
				return err
			}
		}
		return nil
	case string:
		return validateText(s, x, path)
	case json.Number:
		return validateNumber(s, x, path)
	case bool:
		if s["type"] == "boolean" {
			return nil
		}
	}
	return fmt.Errorf("%s: %v (%T), want %v", path, v, v, s["type"])
}

func (d *openRPC) validateObject(s schema, v map[string]any, path string) error {
	if s["type"] != "object" {
		return fmt.Errorf("%s: an object, want %v", path, s["type"])
	}
	required, _ := s["required"].([]any)
	for _, name := range required {
		if _, ok := v[name.(string)]; !ok {
			return fmt.Errorf("%s lacks %s", path, name)
		}
	}
	properties := sub(s["properties"])
	for name, member := range v {
		known, ok := properties[name]
		if !ok {
			// Clients take members that are new to them; here each must be documented.
			known = s["additionalProperties"]
			if known == nil && s["properties"] == nil {
				continue
			}
			if known == nil || known == false {
				return fmt.Errorf("%s has %s, which the schema does not know", path, name)
			}
		}
		if err := d.validate(sub(known), member, path+"."+name); err != nil {
			return err
		}
	}
	return nil
}

func validateText(s schema, v, path string) error {
	if s["type"] != "string" {
		return fmt.Errorf("%s: the text %q, want %v", path, v, s["type"])
	}
	if p, ok := s["pattern"].(string); ok && !regexp.MustCompile(p).MatchString(v) {
		return fmt.Errorf("%s: %q is not of the form %s", path, v, p)
	}
	if s["format"] == "date-time" {
		at, err := time.Parse(time.RFC3339Nano, v)
		if err != nil || at.IsZero() {
			return fmt.Errorf("%s: %q is no time", path, v)
		}
	}
	if most, ok := s["maxLength"].(float64); ok && len(v) > int(most) {
		return fmt.Errorf("%s: %d characters, at most %v", path, len(v), most)
	}
	return nil
}

func validateNumber(s schema, v json.Number, path string) error {
	f, err := v.Float64()
	_, whole := v.Int64()
	if err != nil || s["type"] != "number" && (s["type"] != "integer" || whole != nil) {
		return fmt.Errorf("%s: the number %s, want %v", path, v, s["type"])
	}
	if low, ok := s["minimum"].(float64); ok && f < low {
		return fmt.Errorf("%s: %s is below %v", path, v, low)
	}
	if high, ok := s["maximum"].(float64); ok && f > high {
		return fmt.Errorf("%s: %s is above %v", path, v, high)
	}
	return nil
}

// describes tells in what a schema differs from the JSON of a Go type.
func (d *openRPC) describes(s schema, typ reflect.Type, path string) error {
	s, err := d.at(s)
	if err != nil {
		return err
	}
	want := ""
	switch {
	case typ.Kind() == reflect.Pointer:
		return d.describes(s, typ.Elem(), path)
	case typ == reflect.TypeFor[time.Time]():
		if s["format"] != "date-time" {
			return fmt.Errorf("%s: a time, the schema has the format %v", path, s["format"])
		}
		want = "string"
	case typ == reflect.TypeFor[common.Hash]():
		if s["pattern"] != "^0x[0-9a-f]{64}$" {
			return fmt.Errorf("%s: a hash, the schema has the pattern %v", path, s["pattern"])
		}
		want = "string"
	case typ == reflect.TypeFor[Moment](), typ == reflect.TypeFor[Step]():
		if options, ok := s["oneOf"].([]any); ok {
			s = sub(options[0])
		}
		want = "string"
	case typ.Kind() == reflect.Interface:
		return nil // its kinds are for the live answers to show
	case typ.Kind() == reflect.Struct:
		return d.describesStruct(s, typ, path)
	case typ.Kind() == reflect.Slice:
		if s["type"] != "array" {
			return fmt.Errorf("%s: a list, the schema says %v", path, s["type"])
		}
		return d.describes(sub(s["items"]), typ.Elem(), path+"[]")
	case typ.Kind() == reflect.Bool:
		want = "boolean"
	case typ.Kind() == reflect.String:
		want = "string"
	case typ.Kind() == reflect.Float64:
		want = "number"
	case typ.Kind() == reflect.Int, typ.Kind() == reflect.Uint64:
		want = "integer"
		if _, bounded := s["minimum"]; !bounded {
			return fmt.Errorf("%s: a number without a minimum", path)
		}
	default:
		return fmt.Errorf("%s: nothing is known about %s", path, typ)
	}
	if s["type"] != want {
		return fmt.Errorf("%s: %s, the schema says %v", path, want, s["type"])
	}
	return nil
}

func (d *openRPC) describesStruct(s schema, typ reflect.Type, path string) error {
	if s["type"] != "object" {
		return fmt.Errorf("%s: a struct, the schema says %v", path, s["type"])
	}
	properties, required := sub(s["properties"]), []string{}
	listed, _ := s["required"].([]any)
	for _, name := range listed {
		required = append(required, name.(string))
	}
	seen := map[string]bool{}
	for _, f := range reflect.VisibleFields(typ) {
		if f.Anonymous || !f.IsExported() {
			continue
		}
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		seen[name] = true
		member, ok := properties[name]
		if !ok {
			return fmt.Errorf("%s: the schema lacks %s", path, name)
		}
		if optional := strings.Contains(options, "omitempty"); optional == slices.Contains(required, name) {
			return fmt.Errorf("%s.%s: optional is %t, the schema says otherwise", path, name, optional)
		}
		if _, ref := sub(member)["$ref"]; !ref && sub(member)["description"] == nil {
			return fmt.Errorf("%s.%s has no description", path, name)
		}
		if err := d.describes(sub(member), f.Type, path+"."+name); err != nil {
			return err
		}
	}
	for name := range properties {
		if !seen[name] {
			return fmt.Errorf("%s: the schema has %s, the type does not", path, name)
		}
	}
	return nil
}
