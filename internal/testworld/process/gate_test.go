//go:build integration

package test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/internal/testworld/proof"
)

// asBeacon is the user agent of what the beacon node calls through a tap; the gate
// passes it on to gwat.
const asBeacon = "the beacon node"

// tap is between the beacon node and the gate: it marks the beacon node's calls and
// counts them by method.
type tap struct {
	url   string
	mu    sync.Mutex
	calls map[string]int
}

func newTap(t *testing.T, to string) *tap {
	t.Helper()
	target, err := url.Parse(to)
	require.NoError(t, err)
	p := &tap{calls: map[string]int{}}
	server := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Header.Set("User-Agent", asBeacon)
			body, _ := io.ReadAll(r.In.Body) // a call that is cut short fails where it arrives
			r.Out.Body = io.NopCloser(bytes.NewReader(body))
			p.count(body)
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	})
	t.Cleanup(server.Close)
	p.url = server.URL
	return p
}

func (p *tap) count(body []byte) {
	var call struct{ Method string }
	if json.Unmarshal(body, &call) != nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls[call.Method]++
}

func (p *tap) counted(method string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calls[method]
}

// newGatedTrio is a trio whose beacon node drives gwat by itself, through syncd's gate.
func newGatedTrio(t *testing.T) (*trio, *tap) {
	t.Helper()
	tr, gate := newTrio(t, overHTTP, false), freeAddress(t)
	p := newTap(t, "http://"+gate)
	tr.through(p.url, "--gate.listen="+gate)
	return tr, p
}

// through has the beacon node drive, and call gwat, at an endpoint of syncd's gate.
func (tr *trio) through(endpoint, listen string) {
	tr.beacon.args = slices.DeleteFunc(tr.beacon.args, func(arg string) bool { return strings.HasPrefix(arg, "--gwat=") })
	tr.beacon.args = append(tr.beacon.args, "--driver=real", "--gwat="+endpoint)
	tr.syncd.args = append(tr.syncd.args, listen)
}

func (tr *trio) startAll() {
	tr.t.Helper()
	tr.syncd.start()
	tr.gwat.start()
	tr.beacon.start()
}

// requireOneDriver proves by gwat's log that the beacon node's calls reach gwat, but
// none by which it drives gwat's head sync.
func (tr *trio) requireOneDriver(userAgent string) {
	tr.t.Helper()
	methods := map[string]int{}
	synced := 0
	for _, c := range tr.requireSafe() {
		switch {
		case c.Peer.UserAgent == userAgent:
			methods[c.Method]++
		case c.Method == proof.MethodPush:
			synced++
		}
	}
	require.Positive(tr.t, methods["dag_finalize"], "the beacon node's calls at gwat: %v", methods)
	require.Zero(tr.t, methods[proof.MethodReady]+methods[proof.MethodPush], "the beacon node's driver reached gwat: %v", methods)
	require.Positive(tr.t, synced, "syncd's pushes")
}

// The beacon node's driver is answered by the gate from the start on, and syncd alone
// brings gwat up. The kill of any of the three changes nothing of that.
func TestGateIsTheOnlyDriver(t *testing.T) {
	for _, victim := range []string{"", "gwat", "beacon", "syncd"} {
		t.Run("kill_"+cmp.Or(victim, "none"), func(t *testing.T) {
			t.Parallel()
			tr, p := newGatedTrio(t)
			tr.startAll()
			tr.reaches("working")
			require.Positive(t, p.counted(proof.MethodReady), "the beacon node's driver asked nothing")
			require.Positive(t, p.counted(proof.MethodPush), "the beacon node's driver sent nothing")
			if victim != "" {
				w, killed := tr.watch(), tr.byName(victim)
				killed.kill()
				if victim != "syncd" {
					tr.reaches("connecting")
				}
				begin := time.Now()
				killed.start()
				t.Logf("working %s after the start of %s", w.Recovers(begin), victim)
			}
			for _, process := range []*process{tr.gwat, tr.beacon, tr.syncd} {
				process.requireAlive()
			}
			tr.requireOneDriver(asBeacon)
		})
	}
}

// The same over the Unix socket: its calls have no user agent.
func TestGateOverTheSocket(t *testing.T) {
	t.Parallel()
	tr := newTrio(t, overHTTP, false)
	dir, err := os.MkdirTemp("", "g") // short: the path of a socket has at most 107 bytes
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket := filepath.Join(dir, "gate.ipc")
	tr.through(socket, "--gate.socket="+socket)
	tr.startAll()
	tr.reaches("working")
	tr.requireOneDriver("")
}
