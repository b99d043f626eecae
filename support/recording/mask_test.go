package recording

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// planted are texts with something in them that must not leave the machine.
var planted = map[string][]string{ // text: what must be gone
	"http://alice:hunter2@node.example.org:8545/v3/0123456789abcdef?key=topsecret": {"alice", "hunter2", "node.example.org", "0123456789abcdef", "topsecret"},
	"ws://203.0.113.7:8546":                                                                {"203.0.113.7"},
	"https://[2001:db8::7]:3500/eth":                                                       {"2001:db8"},
	"dial tcp 198.51.100.23:8545: connect: refused":                                        {"198.51.100.23"},
	"dial tcp: lookup gwat.corp.internal on 10.0.0.2:53":                                   {"gwat.corp.internal", "10.0.0.2"},
	"peer 2001:db8:0:1:1:1:1:1 is gone, fe80::1%eth0 too":                                  {"2001:db8", "fe80::1"},
	"enode://" + strings.Repeat("ab", 64) + "@203.0.113.9:30303":                           {"abababab", "203.0.113.9"},
	"enr:-MK4QOfzieYMxHQcrqys1rLmheuM1k3WsaYnHA8G_6vsP51vFkTcLw":                           {"MK4QOfzieYM"},
	"/ip4/203.0.113.5/tcp/13000/p2p/16Uiu2HAmVRrQjMvKfZ3gg5uhxGdqgKKzKX7S3hYKyNSjaPAJksiL": {"203.0.113.5", "16Uiu2HAmV"},
	"/dns4/boot.example.net/tcp/1/p2p/QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWKPbdG":      {"boot.example.net", "QmYwAPJ"},
	"Authorization: Bearer eyJhbGciOiJIUzI1NiJ9.eyJpYXQiOjE3MDAwMDAwMDB9.c2lnbmF0dXJl":     {"eyJ", "c2lnbmF0dXJl"},
	"token eyJhbGciOiJIUzI1NiJ9.eyJpYXQiOjE3MDAwMDAwMDB9.c2ln is stale":                    {"eyJ", "c2ln "},
	"basic YWxpY2U6aHVudGVyMg==":                                                           {"YWxpY2U6"},
	"jwt secret " + strings.Repeat("5a", 32):                                               {"5a5a5a"},
	"open /home/alice/.gwat/gwat.ipc: no such file":                                        {"alice"},
	"open /root/.gwat/gwat.ipc":                                                            {"/root"},
	`C:\Users\alice\gwat`:                                                                  {"alice"},
	"coinbase 0xDEaDbeEf00000000000000000000000000000001":                                  {"DEaDbeEf", "deadbeef"},
	"0x010000000000000000000000deadbeef00000000000000000000000000000001"[:66]:              {"deadbeef"},
	"validator.home.lan answers no more":                                                   {"validator.home.lan"},
	"the password s3cr3t-word was refused":                                                 {"s3cr3t-word"},
}

func planter() *Masker {
	return NewMasker([]string{"http://bob:pa55word@validator.home.lan:3500"}, []string{"s3cr3t-word"})
}

func TestNothingPlantedIsLeft(t *testing.T) {
	m := planter()
	for text, gone := range planted {
		for _, got := range []string{m.Text(text), masked(t, m, map[string]any{"a": []any{map[string]string{text: text}}})} {
			for _, g := range gone {
				require.NotContains(t, strings.ToLower(got), strings.ToLower(g), text)
			}
		}
		require.Equal(t, m.Text(text), m.Text(text), "equal things get equal masks")
	}
	require.NotContains(t, m.Text("http://bob:pa55word@validator.home.lan:3500 and bob and pa55word"), "pa55word")
	require.Contains(t, m.Text("http://203.0.113.7:8545"), ":8545", "the port says something")
}

func masked(t *testing.T, m *Masker, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	require.NoError(t, err)
	data, err = m.JSON(data)
	require.NoError(t, err)
	require.True(t, json.Valid(data))
	return string(data)
}

func TestMasksTellEqualFromUnequal(t *testing.T) {
	m := planter()
	at := func(text string) string { return m.Text(text) }
	require.Equal(t, strings.TrimPrefix(at("dial tcp 203.0.113.7:1"), "dial tcp "), strings.TrimPrefix(at("peer 203.0.113.7:1"), "peer "))
	require.NotEqual(t, at("203.0.113.7"), at("203.0.113.8"))
	require.Equal(t, at("0xDEADBEEF00000000000000000000000000000001"), at("0xdeadbeef00000000000000000000000000000001"))
	require.Regexp(t, "^0x[0-9a-f]{40}$", at("0xdeadbeef00000000000000000000000000000001"), "the form stays")
	require.NotEqual(t, at("203.0.113.7"), planter().Text("203.0.113.7"), "no mask is the same in two bundles")
	name, err := os.Hostname()
	require.NoError(t, err)
	if !stays(name) && len(name) >= shortest {
		require.NotContains(t, at("the machine "+name+" says"), name)
	}
}

func TestMaskRefusesWhatIsNoJSON(t *testing.T) {
	_, err := planter().JSON([]byte("nonsense"))
	require.ErrorContains(t, err, "mask")
}
