package settings

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/gwatsync/syncd/failure"
)

// parseFile reads the settings of a YAML file. Values are taken as they are written,
// so that `pair: 007` is "007". Refused are unknown keys, a setting that is there
// twice, dotted (gwat.endpoint:) and nested (gwat: endpoint:) alike, and a second document.
func parseFile(path string, raw []byte) ([]value, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(raw))
	var document yaml.Node
	err := decoder.Decode(&document)
	if errors.Is(err, io.EOF) {
		return nil, nil // empty, or all comments
	}
	if err != nil {
		return nil, yamlError(path, err)
	}
	var next yaml.Node
	if err := decoder.Decode(&next); err == nil {
		return nil, fileError("%s has a second document, at line %d: write all settings into one", path, next.Line)
	} else if !errors.Is(err, io.EOF) {
		return nil, yamlError(path, err)
	}
	top := resolved(document.Content[0])
	if top.Kind != yaml.MappingNode {
		if isNull(top) {
			return nil, nil
		}
		got := "a single value"
		if top.Kind == yaml.SequenceNode {
			got = "a list"
		}
		return nil, fileError("--config %s: want sections and keys (gwat: ...) at the top, got %s", path, got)
	}
	f := &file{path: path, lines: map[string]int{}}
	if err := f.mapping("", top, 0); err != nil {
		return nil, err
	}
	return f.values, nil
}

func fileError(format string, args ...any) error {
	return failure.Newf(failure.NeedsHuman, format, args...)
}

// yamlError says what to do about a file that does not parse.
func yamlError(path string, err error) error {
	remedy := "correct it"
	if strings.Contains(err.Error(), " line ") {
		remedy = "correct that line"
	}
	return fileError("--config %s is no usable YAML: %w; %s", path, failure.Bounded(err), remedy)
}

// file is one file on its way to values.
type file struct {
	path   string
	lines  map[string]int // where each setting and section key was found
	values []value
}

// maxDepth is more than any setting has sections.
const maxDepth = 8

func (f *file) mapping(prefix string, m *yaml.Node, depth int) error {
	here := map[string]int{}
	for i := 0; i+1 < len(m.Content); i += 2 {
		name, node := m.Content[i], resolved(m.Content[i+1])
		if name.Kind != yaml.ScalarNode {
			return fileError("%s has a key at line %d that is no name: want a setting such as gwat.endpoint", f.path, name.Line)
		}
		key := prefix + name.Value
		if line, twice := here[key]; twice {
			return fileError("%s has %.100q twice, at line %d and at line %d: remove one of them", f.path, key, line, name.Line)
		}
		here[key] = name.Line
		setting, known := Lookup(key)
		first := firstOf(key)
		switch {
		case known || first != "":
			if isNull(node) { // a section whose keys are all commented out
				continue
			}
			if first != "" && node.Kind == yaml.MappingNode {
				if depth > maxDepth {
					return fileError("%s nests %.100q too deep", f.path, key)
				}
				if err := f.mapping(key+".", node, depth+1); err != nil {
					return err
				}
				continue
			}
			if first != "" {
				return fileError("%s gives %q the value %.100q, but it is a section: write keys of it such as %q", f.path, key, node.Value, first)
			}
			if line, twice := f.lines[key]; twice {
				return fileError("%s sets %q twice, at line %d and at line %d: remove one of them", f.path, key, line, name.Line)
			}
			f.lines[key] = name.Line
			if err := f.value(setting, node); err != nil {
				return err
			}
		default:
			return f.unknown(key, node)
		}
	}
	return nil
}

func (f *file) value(s Setting, node *yaml.Node) error {
	v := value{setting: s, name: s.Key + " in " + f.path}
	switch node.Kind {
	case yaml.ScalarNode:
		v.parts = []string{node.Value}
	case yaml.SequenceNode:
		v.isList = true
		for _, element := range node.Content {
			element = resolved(element)
			if element.Kind != yaml.ScalarNode {
				return fileError("%s has an element at line %d that is no text: want %s", v.name, element.Line, "a list of texts")
			}
			v.parts = append(v.parts, element.Value)
		}
	default:
		return f.unknown(s.Key, node)
	}
	f.values = append(f.values, v)
	return nil
}

// unknown names the first key below an unknown one, unless it may be a secret.
func (f *file) unknown(key string, node *yaml.Node) error {
	for range maxDepth {
		if s, ok := Lookup(key); ok && s.Secret() {
			return fileError("%s gives %q keys of its own: want the path of a file", f.path, key)
		}
		if node.Kind != yaml.MappingNode || len(node.Content) == 0 || node.Content[0].Kind != yaml.ScalarNode {
			break
		}
		key, node = key+"."+node.Content[0].Value, resolved(node.Content[1])
	}
	return fileError("%s has the unknown key %.100q%s", f.path, key, DidYouMean(key, Keys()))
}

// resolved follows an alias to its node.
func resolved(n *yaml.Node) *yaml.Node {
	for range maxDepth {
		if n.Kind != yaml.AliasNode {
			break
		}
		n = n.Alias
	}
	return n
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

// firstOf names a setting of a section, "" if key is none.
func firstOf(key string) string {
	keys := Keys()
	i := slices.IndexFunc(keys, func(s string) bool { return strings.HasPrefix(s, key+".") })
	if i < 0 {
		return ""
	}
	return keys[i]
}

// ExampleFile returns the defaults as YAML, sections as in the keys.
func ExampleFile() string {
	var out strings.Builder
	done := map[string]bool{}
	for _, s := range All {
		section, _, nested := strings.Cut(s.Key, ".")
		if !nested {
			fmt.Fprintf(&out, "%s: %s\n", s.Key, s.YAML())
			continue
		}
		if done[section] {
			continue
		}
		done[section] = true
		out.WriteString(section + ":\n")
		for _, e := range All {
			if name, ok := strings.CutPrefix(e.Key, section+"."); ok {
				fmt.Fprintf(&out, "  %s: %s\n", name, e.YAML())
			}
		}
	}
	return out.String()
}

// YAML returns the default as a file holds it.
func (s Setting) YAML() string {
	switch {
	case s.Form() == "list":
		return "[" + s.DefaultText() + "]"
	case s.DefaultText() == "":
		return `""`
	}
	return s.DefaultText()
}
