package settings

import (
	"fmt"

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
	if c.Gate.Listen != "" && c.Gate.Listen == c.API.Listen {
		return fmt.Errorf("--gate.listen and --api.listen are both %s: give them two ports", c.Gate.Listen)
	}
	cfg.Log = logrus.StandardLogger() // it is checked only
	if err := cfg.Check(); err != nil {
		return fmt.Errorf("--gate.listen, --gate.socket: %w", err)
	}
	return nil
}
