//go:build integration

package test

import (
	"bytes"
	"context"
	"encoding/json"
	"testing"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/internal/testworld/faults"
	"github.com/gwatsync/syncd/internal/testworld/proof"
)

// link is a proxy between two processes of a trio.
type link struct {
	t       *testing.T
	proxy   *toxiproxy.Proxy
	address string // where the caller connects to
}

// newLink leads to upstream until the end of the test.
func newLink(t *testing.T, upstream string) *link {
	t.Helper()
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	proxy := toxiproxy.NewProxy(server, upstream, freeAddress(t), upstream)
	l := &link{t: t, proxy: proxy, address: proxy.Listen}
	l.up()
	t.Cleanup(proxy.Stop)
	return l
}

// up listens. A process that is just being started may still hold the socket
// that was closed a moment ago.
func (l *link) up() {
	l.t.Helper()
	require.Eventually(l.t, func() bool { return l.proxy.Start() == nil }, proof.Within, time.Millisecond, "listen on %s", l.address)
}

// poison begins a toxic; without spoils of its own the proxy goes down.
func (l *link) poison(toxic faults.Toxic) {
	l.t.Helper()
	if len(toxic.Spoils) == 0 {
		l.proxy.Stop()
		return
	}
	for _, spoil := range toxic.Spoils {
		raw, err := json.Marshal(spoil)
		require.NoError(l.t, err)
		_, err = l.proxy.Toxics.AddToxicJson(bytes.NewReader(raw))
		require.NoError(l.t, err)
	}
}

// heal ends every toxic.
func (l *link) heal(toxic faults.Toxic) {
	l.t.Helper()
	if len(toxic.Spoils) == 0 {
		l.up()
		return
	}
	l.proxy.Toxics.ResetToxics(context.Background())
}
