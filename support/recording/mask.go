package recording

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// Masker replaces what shows who and where somebody is: credentials, tokens,
// secrets, host names, IP addresses, peer ids, account addresses, home
// directories. Equal things get equal masks within a bundle; the key of the masks
// is forgotten with the Masker, so that no mask can be guessed back. Loopback
// addresses and ports stay.
type Masker struct {
	key   []byte
	known []secret // the longest first
}

type secret struct {
	text    string
	pattern *regexp.Regexp // for a host name: not inside another word
	mask    string
}

// NewMasker takes endpoints, whose host names are masked wherever they occur,
// and secrets, which are so too.
func NewMasker(endpoints, secrets []string) *Masker {
	m := &Masker{key: make([]byte, sha256.Size)}
	rand.Read(m.key) // it never fails
	for _, s := range secrets {
		m.know(s, "secret-"+m.sum(s))
	}
	for _, e := range endpoints {
		if u, err := url.Parse(e); err == nil && u.Host != "" {
			if u.User != nil {
				if password, ok := u.User.Password(); ok {
					m.know(password, "secret-"+m.sum(password))
				}
				m.know(u.User.Username(), "user-"+m.sum(u.User.Username()))
			}
			if host := u.Hostname(); !stays(host) {
				m.know(host, m.host(host))
			}
		}
	}
	if home, err := os.UserHomeDir(); err == nil && len(home) > 1 {
		m.know(home, "~")
	}
	if host, err := os.Hostname(); err == nil && !stays(host) {
		m.know(host, m.host(host))
	}
	slices.SortStableFunc(m.known, func(a, b secret) int { return len(b.text) - len(a.text) })
	return m
}

// shortest is the length below which a text is too common to be replaced
// wherever it occurs.
const shortest = 3

func (m *Masker) know(text, mask string) {
	if len(text) < shortest || slices.ContainsFunc(m.known, func(s secret) bool { return s.text == text }) {
		return
	}
	pattern := regexp.QuoteMeta(text)
	if isWord(text[0]) {
		pattern = `\b` + pattern
	}
	if isWord(text[len(text)-1]) {
		pattern += `\b`
	}
	m.known = append(m.known, secret{text, regexp.MustCompile(`(?i)` + pattern), mask})
}

func isWord(b byte) bool { return b < 0x80 && (unicode.IsLetter(rune(b)) || unicode.IsDigit(rune(b))) }

// sum is equal for equal things.
func (m *Masker) sum(text string) string { return hex.EncodeToString(m.digest(text)[:5]) }

func (m *Masker) digest(text string) []byte {
	mac := hmac.New(sha256.New, m.key)
	mac.Write([]byte(text))
	return mac.Sum(nil)
}

func (m *Masker) host(name string) string { return "host-" + m.sum(strings.ToLower(name)) }

// stays reports whether a host name identifies nobody.
func stays(host string) bool {
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return host == "" || strings.EqualFold(host, "localhost") || err == nil && (ip.IsLoopback() || ip.IsUnspecified())
}

// rules are replaced in this order.
var rules = []struct {
	pattern *regexp.Regexp
	replace func(*Masker, string) string
}{
	{regexp.MustCompile(`(?i)enode://[^\s"']+`), func(m *Masker, s string) string { return "enode-" + m.sum(s) }},
	{regexp.MustCompile(`enr:[A-Za-z0-9_=-]+`), func(m *Masker, s string) string { return "enr-" + m.sum(s) }},
	{regexp.MustCompile(`eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.?[A-Za-z0-9_-]*`), func(m *Masker, s string) string { return "jwt-" + m.sum(s) }},
	{regexp.MustCompile(`(?i)\b(bearer|basic) +[A-Za-z0-9+/=._~-]{6,}`), func(m *Masker, s string) string {
		kind, token, _ := strings.Cut(s, " ")
		return kind + " token-" + m.sum(strings.TrimSpace(token))
	}},
	{regexp.MustCompile(`(?i)\b[a-z][a-z0-9+.-]*://[^\s"'<>]+`), (*Masker).url},
	{regexp.MustCompile(`\b(16Uiu2HA|12D3KooW|Qm)[1-9A-HJ-NP-Za-km-z]{30,60}\b`), func(m *Masker, s string) string { return "peer-" + m.sum(s) }},
	{regexp.MustCompile(`/dns[46a]?(ddr)?/[^/\s"]+`), func(m *Masker, s string) string {
		i := strings.LastIndex(s, "/")
		return s[:i+1] + m.host(s[i+1:])
	}},
	{regexp.MustCompile(`\blookup [A-Za-z0-9._-]+`), func(m *Masker, s string) string {
		name := strings.TrimPrefix(s, "lookup ")
		if stays(name) {
			return s
		}
		return "lookup " + m.host(name)
	}},
	{regexp.MustCompile(`(/home/|/Users/|[A-Za-z]:\\Users\\)[^/\\\s"':]+|/root\b`), func(*Masker, string) string { return "~" }},
	// 64 hex digits are a secret, unless 0x makes them a hash: those of chains stay.
	{regexp.MustCompile(`\b(0x)?[0-9a-fA-F]{64,}\b`), func(m *Masker, s string) string {
		if strings.HasPrefix(s, "0x") {
			return m.credentials(s)
		}
		return "secret-" + m.sum(strings.ToLower(s))
	}},
	{regexp.MustCompile(`\b0x[0-9a-fA-F]{40}\b`), func(m *Masker, s string) string { return m.account(s) }},
	{regexp.MustCompile(`\b\d{1,3}(\.\d{1,3}){3}\b`), (*Masker).ip},
	{regexp.MustCompile(`[0-9a-fA-F]*:[0-9a-fA-F:]*:[0-9a-fA-F:.]*`), (*Masker).ip},
}

// Text masks a text.
func (m *Masker) Text(text string) string {
	for _, s := range m.known {
		text = s.pattern.ReplaceAllLiteralString(text, s.mask)
	}
	for _, r := range rules {
		text = r.pattern.ReplaceAllStringFunc(text, func(found string) string { return r.replace(m, found) })
	}
	return text
}

// url keeps the scheme, a host that says nothing, and the port.
func (m *Masker) url(text string) string {
	scheme, rest, _ := strings.Cut(text, "://")
	end := strings.IndexAny(rest, "/?#")
	tail := ""
	if end >= 0 {
		rest, tail = rest[:end], rest[end:]
	}
	if i := strings.LastIndex(rest, "@"); i >= 0 {
		rest = rest[i+1:]
	}
	host, port := rest, ""
	if i := strings.LastIndex(rest, ":"); i >= 0 && !strings.HasSuffix(rest, "]") {
		host, port = rest[:i], rest[i:]
	}
	if strings.ContainsFunc(strings.TrimPrefix(port, ":"), func(r rune) bool { return r < '0' || r > '9' }) {
		port = ""
	}
	if !stays(host) && !strings.HasPrefix(host, "host-") {
		host = m.host(strings.Trim(host, "[]"))
	}
	if strings.Trim(tail, "/") != "" { // a path or a query may hold a key
		tail = "/path-" + m.sum(tail)
	}
	return scheme + "://" + host + port + tail
}

func (m *Masker) ip(text string) string {
	ip, err := netip.ParseAddr(text)
	if err != nil || stays(text) {
		return text
	}
	return "ip-" + m.sum(ip.Unmap().String())
}

// account keeps the form, so that what was recorded can still be read.
func (m *Masker) account(text string) string {
	if strings.Trim(text[2:], "0") == "" {
		return text
	}
	return "0x" + hex.EncodeToString(m.digest(strings.ToLower(text)))[:40]
}

// accountPrefix is what is before the account in withdrawal credentials.
const accountPrefix = "0x010000000000000000000000"

func (m *Masker) credentials(text string) string {
	if account, ok := strings.CutPrefix(text, accountPrefix); ok && len(account) == 40 {
		return accountPrefix + m.account("0x" + account)[2:]
	}
	return text
}

// JSON masks every text in a JSON value, names of members included.
func (m *Masker) JSON(data []byte) ([]byte, error) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return nil, fmt.Errorf("mask: %w", err)
	}
	return json.Marshal(m.value(value))
}

func (m *Masker) value(v any) any {
	switch v := v.(type) {
	case string:
		return m.Text(v)
	case []any:
		for i := range v {
			v[i] = m.value(v[i])
		}
	case map[string]any:
		out := make(map[string]any, len(v))
		for key, member := range v {
			out[m.Text(key)] = m.value(member)
		}
		return out
	}
	return v
}
