package settings

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strings"

	"github.com/sirupsen/logrus"

	"github.com/gwatsync/syncd/endpoint"
	"github.com/gwatsync/syncd/gate"
)

// GateConfig returns the configuration of the gate; false if the settings ask for none.
// The caller adds the log and the sockets of the service manager.
func (c *Config) GateConfig() (gate.Config, bool) {
	g := &c.Gate
	return gate.Config{
		HTTP: g.Listen, WS: g.Listen, Socket: g.Socket,
		TLS:     gate.TLS{TLSCert: g.TLSCert, TLSKey: g.TLSKey, Insecure: g.Insecure},
		Backend: c.Gwat.Endpoint, PassLastingErrors: g.PassLastingErrors,
		Mends: gate.Mends{NullAnswers: g.MendNullAnswers, WithoutPeers: g.MendWithoutPeers, Join: g.MendRepeated, Checkpoints: g.MendCheckpoints},
	}, g.Listen != "" || g.Socket != ""
}

func checkGateListen(c *Config) error {
	if c.Gate.Listen == "" {
		return nil
	}
	if err := endpoint.CheckListen(c.Gate.Listen); err != nil {
		return fmt.Errorf("--gate.listen is %.200q: %w", endpoint.MaskWord(c.Gate.Listen), err)
	}
	return nil
}

func checkGateSocket(c *Config) error {
	if err := endpoint.CheckSocketPath(c.Gate.Socket); err != nil {
		return fmt.Errorf("--gate.socket: %w", err)
	}
	return nil
}

// checkGate checks what belongs together in the gate's settings.
func (c *Config) checkGate() error {
	cfg, on := c.GateConfig()
	if !on {
		return nil
	}
	if c.Gate.Listen != "" && c.Gate.Listen == c.API.Listen && !strings.HasSuffix(c.Gate.Listen, ":0") {
		return fmt.Errorf("--gate.listen and --api.listen are both %s: give them two ports", c.Gate.Listen)
	}
	if setting := c.gateOfEndpoint(); setting != "" {
		return fmt.Errorf("--gwat.endpoint is %s, which --%s names too: the gate would forward to itself; "+
			"give --gwat.endpoint the address of gwat, and the beacon node that of the gate", endpoint.Mask(c.Gwat.Endpoint), setting)
	}
	cfg.Log = logrus.StandardLogger() // it is checked only
	if err := cfg.Check(); err != nil {
		return fmt.Errorf("--gate.listen, --gate.socket: %w", err)
	}
	return nil
}

// gateOfEndpoint names the setting that has the gate listen at gwat's endpoint; "" if none does.
func (c *Config) gateOfEndpoint() string {
	at, err := endpoint.Gwat.Parse(c.Gwat.Endpoint)
	switch {
	case err != nil:
		return ""
	case at.Socket():
		if c.Gate.Socket != "" && absolute(at.Raw()) == absolute(c.Gate.Socket) {
			return "gate.socket"
		}
		return ""
	}
	u := at.URL()
	port := cmp.Or(u.Port(), map[bool]string{true: "443", false: "80"}[strings.HasSuffix(u.Scheme, "s")])
	listen, listenPort, err := net.SplitHostPort(c.Gate.Listen)
	if err == nil && port == listenPort && reaches(u.Hostname(), listen) {
		return "gate.listen"
	}
	return ""
}

// absolute returns a path as far as it can be compared with another one.
func absolute(path string) string {
	if full, err := filepath.Abs(path); err == nil {
		path = full
	}
	if dir, err := filepath.EvalSymlinks(filepath.Dir(path)); err == nil {
		return filepath.Join(dir, filepath.Base(path))
	}
	return path
}

// reaches reports whether who dials host of this machine reaches what listens at listen.
func reaches(host, listen string) bool {
	dialled, listens := address(host), address(listen)
	switch {
	case !dialled.IsValid() || !listens.IsValid():
		return strings.EqualFold(host, listen)
	case listens.IsUnspecified():
		return dialled.IsLoopback() || dialled.IsUnspecified()
	case dialled.IsUnspecified():
		return listens.IsLoopback()
	}
	return dialled == listens
}

// address returns the address that a host is known to have; the zero one of a name, which
// only a resolver knows.
func address(host string) netip.Addr {
	switch {
	case host == "":
		return netip.IPv4Unspecified()
	case strings.EqualFold(host, "localhost"):
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Addr{}
	}
	return ip.Unmap()
}
