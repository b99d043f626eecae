package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v3"
	"github.com/xrash/smetrics"

	"github.com/gwatsync/syncd/headsync"
	"github.com/gwatsync/syncd/pair"
)

// kind is the form of a setting's value.
type kind string

const (
	text     kind = "text"
	duration kind = "duration"
	number   kind = "number"
	toggle   kind = "true or false"
	list     kind = "list"
)

// setting is one value of the configuration. Its key is the flag's name, the
// path in the file, and gives the name of the environment variable.
type setting struct {
	key   string
	kind  kind
	value any // the default, of the kind's type
	usage string
}

// settings are all of them, in the order of the document.
var settings = []setting{
	{"gwat.endpoint", text, "http://127.0.0.1:8545", "gwat's RPC: http(s)://, ws(s):// or the path of its IPC socket (the last two have no 30 s limit for an answer)"},
	{"gwat.jwt-secret", text, "", "`FILE` with the 64 hex digits of gwat's JWT secret; empty for none"},
	{"gwat.lock", duration, pair.DefaultLockTime, "how long this gwat holds its head-sync lock"},
	{"beacon.endpoint", text, "http://127.0.0.1:3500", "the beacon node's REST API: http(s)://host:port"},
	{"data-dir", text, "syncd-data", "`DIR` of the journal; it is made if it is not there"},
	{"pair", text, "main", "name of the pair in the journal's file name, the status, logs and metrics"},
	{"observe", toggle, false, "only watch and tell: never make a call that changes a node"},
	{"poll-interval", duration, pair.DefaultPollInterval, "time between two looks at both nodes"},
	{"ready-interval", duration, pair.DefaultReadyInterval, "time between two asks for readiness (dag_headSyncReady)"},
	{"call-timeout", duration, pair.DefaultCallTimeout, "how long a node may take to answer a read"},
	{"push-timeout", duration, pair.DefaultPushTimeout, "how long gwat may take to answer dag_headSyncReady and dag_headSync, each; less than gwat.lock"},
	{"fallback-slots", number, pair.DefaultFallbackSlots, "slots without a new head of the beacon, while gwat's DAG grows, after which the pair goes back to its own sync"},
	{"push.segment-bytes", number, headsync.DefaultBatchBytes, "most bytes of one dag_headSync; gwat takes 5 MiB over HTTP"},
	{"push.segment-time", duration, headsync.DefaultSoft, "how long gwat should take for one dag_headSync, by its measured speed; at most half of push-timeout counts"},
	{"push.capacity", number, headsync.DefaultCapacity, "most pieces of a push that are collected or pushed and not confirmed; bounds the memory of a push"},
	{"anchor", text, anchorProven, "where a push begins: proven (behind the last entry that gwat was proved to have) or justified (at the last checkpoint, whatever gwat has; rolls it back)"},
	{"api.listen", text, "127.0.0.1:8650", "`HOST:PORT` of the API, the probes and the metrics; port 0 takes a free one"},
	{"api.allowed-hosts", list, []string{}, "host names under which the API may be asked, beside localhost and the listen host; * for any"},
	{"api.allowed-origins", list, []string{}, "origins of web pages that may ask the API, such as http://localhost:3000; * for any"},
	{"api.jwt-secret", text, "", "`FILE` with 64 hex digits, of which tokens for the calls that change something are made; empty: only the socket takes them"},
	{"api.socket", text, "", "`PATH` of a socket for this user only, over which those calls need no token; empty for none"},
	{"api.tls-cert", text, "", "PEM `FILE` of the API's certificate; with api.tls-key the API is https and wss"},
	{"api.tls-key", text, "", "PEM `FILE` of the certificate's key"},
	{"api.insecure", toggle, false, "let api.listen be an address that other machines reach, without TLS"},
	{"log.level", text, "info", "debug, info, warn or error"},
	{"log.format", text, "text", "text or json"},
}

// envName is the environment variable of a key.
func envName(key string) string {
	return "SYNCD_" + strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(key))
}

func settingKeys() []string {
	var keys []string
	for _, s := range settings {
		keys = append(keys, s.key)
	}
	return keys
}

// flagsOf gives the command-line flags of the settings that a command has; all
// if none is named. other holds the defaults in which the command differs.
func flagsOf(other map[string]any, keys ...string) []cli.Flag {
	var flags []cli.Flag
	for _, s := range settings {
		if v, ok := other[s.key]; ok {
			s.value = v
		}
		if len(keys) == 0 || slices.Contains(keys, s.key) {
			flags = append(flags, s.flag())
		}
	}
	return append(flags, &cli.StringFlag{
		Name: "config", Usage: "YAML `FILE` with these settings" + envNote("config"), HideDefault: true,
	})
}

func envNote(key string) string { return " [$" + envName(key) + "]" }

// flag has no environment source of its own: load reads the layers in order.
// Every flag takes text, so that a wrong value gets the same line from
// whichever layer it comes.
func (s setting) flag() cli.Flag {
	usage := s.usage + envNote(s.key)
	if s.kind == toggle {
		return &cli.BoolFlag{Name: s.key, Usage: usage}
	}
	return &cli.StringFlag{Name: s.key, Usage: usage, Value: s.defaultText(), HideDefault: s.defaultText() == ""}
}

func (s setting) defaultText() string {
	switch v := s.value.(type) {
	case []string:
		return strings.Join(v, ",")
	case time.Duration:
		return shortDuration(v)
	default:
		return fmt.Sprint(v)
	}
}

// shortDuration writes 2m instead of 2m0s.
func shortDuration(d time.Duration) string {
	out := d.String()
	if strings.HasSuffix(out, "m0s") {
		out = strings.TrimSuffix(out, "0s")
	}
	if strings.HasSuffix(out, "h0m") {
		out = strings.TrimSuffix(out, "0m")
	}
	return out
}

// parse takes a value as a file, the environment or a flag holds it.
func (s setting) parse(raw any) (any, error) {
	switch s.kind {
	case text:
		switch v := raw.(type) {
		case string:
			return strings.TrimSpace(v), nil
		case int, bool, float64:
			return fmt.Sprint(v), nil
		}
	case duration:
		if v, ok := raw.(string); ok {
			if d, err := time.ParseDuration(strings.TrimSpace(v)); err == nil {
				return d, nil
			}
		}
		return nil, fmt.Errorf("is %q: want a duration such as 500ms, 1s or 2m", fmt.Sprint(raw))
	case number:
		if v, err := strconv.Atoi(strings.TrimSpace(fmt.Sprint(raw))); err == nil {
			return v, nil
		}
	case toggle:
		if v, err := strconv.ParseBool(fmt.Sprint(raw)); err == nil {
			return v, nil
		}
	case list:
		if v, ok := raw.(string); ok {
			return splitList(v), nil
		}
		if v, ok := raw.([]any); ok {
			out := []string{}
			for _, e := range v {
				out = append(out, fmt.Sprint(e))
			}
			return out, nil
		}
	}
	return nil, fmt.Errorf("is %q: want %s", fmt.Sprint(raw), map[kind]string{
		text: "a text", number: "a whole number", toggle: "true or false", list: "a list, or texts with commas between them",
	}[s.kind])
}

func splitList(raw string) []string {
	out := []string{}
	for part := range strings.SplitSeq(raw, ",") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}

// didYouMean names the known word nearest to a mistyped one.
func didYouMean(word string, known []string) string {
	if len(known) == 0 {
		return ""
	}
	nearest := slices.MaxFunc(known, func(a, b string) int {
		switch x, y := likeness(word, a), likeness(word, b); {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return 0
	})
	return fmt.Sprintf(", the nearest known one is %q", nearest)
}

func likeness(a, b string) float64 { return smetrics.JaroWinkler(a, b, 0.7, 4) }
