package api

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/pair/memory"
)

// docs/api.md names every method, subscription, error code and limit of the
// code, and no other.
func TestApiDocumentIsThatOfTheCode(t *testing.T) {
	raw, err := os.ReadFile("../docs/api.md")
	require.NoError(t, err)
	text := strings.Join(strings.Fields(string(raw)), " ")
	doc := theDocument(t)
	known := map[string]bool{"syncd_subscription": true}
	for _, m := range doc.Methods {
		known[m.Name] = true
		if m.Name != "rpc_modules" {
			require.Contains(t, text, m.Name)
		}
	}
	for _, name := range regexp.MustCompile("`(?:syncd|rpc)[_.][a-z]+\\b").FindAllString(text, -1) {
		require.True(t, known[name[1:]], "%s is in the document and not served", name)
	}
	for name := range doc.Subscriptions {
		require.Contains(t, text, fmt.Sprintf("| `%s` |", name))
	}
	codes := map[string]bool{}
	for _, e := range doc.Components.Errors {
		row := fmt.Sprintf("| %d | `%s` | %s |", e.Code, e.Data["kind"], e.Message)
		if e.Data["kind"] == "" {
			row = fmt.Sprintf("| %d | | %s |", e.Code, e.Message)
		}
		require.Contains(t, text, row)
		codes[fmt.Sprint(e.Code)] = true
	}
	for _, code := range regexp.MustCompile(`-320\d\d`).FindAllString(text, -1) {
		require.True(t, codes[code], code)
	}
	tiers := memory.Tiers()
	for _, limit := range []string{
		fmt.Sprintf("| a request | %d KiB |", maxBody>>10),
		fmt.Sprintf("| a batch | %d calls, %d MiB of answers |", maxBatch, maxBatchResponse>>20),
		fmt.Sprintf("| %d a second, %d at once;", callsPerSecond, callsBurst),
		fmt.Sprintf("| connections | %d |", maxConnections),
		fmt.Sprintf("| WebSockets | %d |", maxWebSockets),
		fmt.Sprintf("| subscriptions of a WebSocket | %d | %d |", maxSubscriptions, CodeLimit),
		fmt.Sprintf("`limit` is 0 to %d samples (one a second), %d if", maxSamples, defaultSamples),
		fmt.Sprintf("more than %d,000 samples", memory.MostSamples/1000),
		fmt.Sprintf("by the second for %.0f minutes, by %.0f seconds for %.0f hours and by %.0f minutes for %.0f days",
			tiers[0].For.Minutes(), tiers[1].Pace.Seconds(), tiers[1].For.Hours(), tiers[2].Pace.Minutes(), tiers[2].For.Hours()/24),
		fmt.Sprintf("`limit` is 1 to 10,000, %d if", defaultHistory),
		fmt.Sprintf("at most %d bytes", maxReason),
		fmt.Sprintf("at most %s old", "30 s"),
		fmt.Sprintf("at most %d s from now", int(tokenWindow.Seconds())),
	} {
		require.Contains(t, text, limit)
	}
	require.Equal(t, 10_000, maxHistory)
	require.EqualValues(t, 30, maxAge.Seconds())
}
