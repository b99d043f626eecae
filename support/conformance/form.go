package conformance

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/gwatsync/syncd/failure"
)

// form is the form of a JSON value. why says where and how a value is of
// another form, "" if it is of this one; numbers come as json.Number.
type form struct {
	name string
	why  func(v any) string
}

func said(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	if text := failure.Text(string(data)); len([]rune(text)) > 120 {
		return string([]rune(text)[:120]) + "…"
	} else {
		return text
	}
}

func test(name string, ok func(v any) bool) form {
	return form{name, func(v any) string {
		if ok(v) {
			return ""
		}
		return "is " + said(v)
	}}
}

func pattern(name, expr string) form {
	re := regexp.MustCompile("^(?:" + expr + ")$")
	return test(name, func(v any) bool { s, ok := v.(string); return ok && re.MatchString(s) })
}

// The forms of single values.
var (
	quantity = pattern("hex number", `0x(0|[1-9a-f][0-9a-f]*)`)
	hash     = pattern("32-byte hash", `0x[0-9a-f]{64}`)
	address  = pattern("20-byte address", `0x[0-9a-f]{40}`)
	hashes   = pattern(`"" or 32-byte hashes in a row`, `|0x([0-9a-f]{64})*`)
	decimal  = pattern("decimal number as text", `0|[1-9][0-9]*`)
	hexBytes = pattern("hex bytes", `0x([0-9a-fA-F]{2})*`)
	someText = pattern("text that is not empty", `(?s).+`)
	number   = test("plain number", func(v any) bool {
		n, ok := v.(json.Number)
		return ok && !strings.ContainsAny(n.String(), ".eE-")
	})
	boolean = test("true or false", func(v any) bool { _, ok := v.(bool); return ok })
	null    = test("null", func(v any) bool { return v == nil })
)

func exactly(want any) form {
	return test(said(want), func(v any) bool { return said(v) == said(want) })
}

func oneOf(texts ...string) form {
	return test(`one of "`+strings.Join(texts, `", "`)+`"`, func(v any) bool { s, ok := v.(string); return ok && slices.Contains(texts, s) })
}

// either takes a value of any of the forms; what is wrong is said of the last,
// which should be the one that says most.
func either(forms ...form) form {
	var names []string
	for _, f := range forms {
		names = append(names, f.name)
	}
	return form{strings.Join(names, " or "), func(v any) string {
		why := ""
		for _, f := range forms {
			if why = f.why(v); why == "" {
				return ""
			}
		}
		return why
	}}
}

func listOf(f form) form {
	return form{"list of " + f.name, func(v any) string {
		list, ok := v.([]any)
		if !ok {
			return "is " + said(v)
		}
		for i, e := range list {
			if why := f.why(e); why != "" {
				return at(fmt.Sprintf("[%d]", i), why, f)
			}
		}
		return ""
	}}
}

// members are those of an object; a name that ends in ? may be left out.
type members map[string]form

// object takes an object with these members; it may have others.
func object(want members) form {
	names := slices.Sorted(maps.Keys(want))
	shown := make([]string, len(names))
	for i, name := range names {
		if shown[i] = name; strings.Contains(want[name].name, "{") {
			shown[i] += ": " + want[name].name
		}
	}
	return form{"{" + strings.Join(shown, ", ") + "}", func(v any) string {
		got, ok := v.(map[string]any)
		if !ok {
			return "is " + said(v)
		}
		for _, name := range names {
			key, optional := strings.CutSuffix(name, "?")
			member, there := got[key]
			if !there {
				if optional {
					continue
				}
				return fmt.Sprintf("has no %s: %s", key, said(v))
			}
			if why := want[name].why(member); why != "" {
				return at(key, why, want[name])
			}
		}
		return ""
	}}
}

// at puts the place before what is wrong there.
func at(place, why string, f form) string {
	if strings.HasPrefix(why, "is ") {
		return fmt.Sprintf("%s %s, not %s", place, why, f.name)
	}
	if strings.HasPrefix(why, "has ") {
		return place + " " + why
	}
	if strings.HasPrefix(why, "[") {
		return place + why
	}
	return place + "." + why
}
