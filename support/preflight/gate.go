package preflight

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/gwatsync/syncd/endpoint"
)

// connectionsPath is where a beacon node says which execution endpoints it has. Most of
// its versions answer only while a connection is broken, and HTTP 500 otherwise.
const connectionsPath = "/eth/v1alpha1/node/eth1/connections"

// gate compares the beacon node's execution endpoint with the gate, if there is one.
func (c *checker) gate(ctx context.Context) []Finding {
	at := c.gateAddresses()
	if len(at) == 0 {
		return nil
	}
	set := "start the beacon node with --http-web3provider=" + at[0]
	has := c.executionEndpoints(ctx)
	switch {
	case len(has) == 0:
		return []Finding{ok("at %s; the beacon node does not say which execution endpoint it uses: %s", strings.Join(at, " and "), set)}
	case !slices.ContainsFunc(has, c.isGate):
		return []Finding{warn(set, "the beacon node's execution endpoint is %s, and not the gate at %s", endpoint.Mask(has[0]), strings.Join(at, " or "))}
	case !c.isGate(has[0]):
		return []Finding{warn(set+" and restart it", "the beacon node uses %s at present, and not the gate at %s", endpoint.Mask(has[0]), strings.Join(at, " or "))}
	}
	return []Finding{ok("the beacon node's execution endpoint is the gate (%s)", endpoint.Mask(has[0]))}
}

// gateAddresses returns what a beacon node on this machine may be given.
func (c *checker) gateAddresses() (at []string) {
	if local := endpoint.Local(c.cfg.Gate.Listen, c.cfg.Gate.TLSCert != ""); local != "" {
		at = append(at, local)
	}
	if c.cfg.Gate.Socket != "" {
		at = append(at, c.cfg.Gate.Socket)
	}
	return at
}

// executionEndpoints returns the beacon node's execution endpoints, the one in use first;
// none if it does not say.
func (c *checker) executionEndpoints(ctx context.Context) []string {
	status, body, err := c.beacon.Get(ctx, connectionsPath, nil)
	var said struct {
		CurrentAddress string   `json:"currentAddress"`
		Addresses      []string `json:"addresses"`
	}
	if err != nil || status != http.StatusOK || json.Unmarshal(body, &said) != nil {
		return nil
	}
	return slices.DeleteFunc(append([]string{said.CurrentAddress}, said.Addresses...), func(s string) bool { return s == "" })
}

// isGate reports whether an address leads to the gate. Another machine's name of it is
// taken for the gate if the port is: the beacon node may run in a container.
func (c *checker) isGate(address string) bool {
	if !strings.Contains(address, "://") {
		return address == c.cfg.Gate.Socket
	}
	u, err := url.Parse(address)
	if err != nil || c.cfg.Gate.Listen == "" {
		return false
	}
	host, port, err := net.SplitHostPort(c.cfg.Gate.Listen)
	if err != nil || port != u.Port() {
		return false
	}
	ip, err := netip.ParseAddr(host)
	everywhere := host == "" || err == nil && ip.IsUnspecified()
	return everywhere || strings.EqualFold(host, u.Hostname()) || loopback(host) && loopback(u.Hostname())
}

func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && ip.IsLoopback()
}
