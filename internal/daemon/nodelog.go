package daemon

import (
	"context"
	"strings"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/gwatsync/syncd/failure"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/status"
)

// nodeLog writes one line when a node stops to answer, another when it answers
// again. The pair logs stages; what to do about an endpoint is known here,
// where the settings have their names.
type nodeLog struct {
	log  logrus.FieldLogger
	kind map[string]string // by node: the kind of its error, none while it answers
}

// run compares the newest snapshot every interval until ctx ends.
func (n *nodeLog) run(ctx context.Context, interval time.Duration, snapshot func() *status.Snapshot) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if s := snapshot(); s != nil {
				n.compare("gwat", s.Gwat)
				n.compare("beacon", s.Beacon)
			}
		}
	}
}

func (n *nodeLog) compare(name string, node status.Node) {
	was := n.kind[name]
	log := n.log.WithFields(logrus.Fields{"node": name, "endpoint": node.Endpoint})
	switch {
	case node.Reachable && was != "":
		delete(n.kind, name)
		log.Infof("%s at %s answers again", name, node.Endpoint)
	case !node.Reachable && node.Error != nil && node.Error.Kind != was:
		n.kind[name] = node.Error.Kind
		remedy := "start it or correct --" + name + ".endpoint"
		switch {
		case name == "gwat" && strings.Contains(node.Error.Message, gwatclient.ErrSecret.Error()):
			remedy = "let --gwat.jwt-secret name the file that gwat was started with"
		case name == "gwat" && node.Error.Kind == failure.Name(failure.NeedsHuman):
			remedy = "correct --gwat.endpoint or --gwat.jwt-secret"
		}
		log.WithField("kind", node.Error.Kind).Warnf("%s at %s has no usable answer: %s; %s", name, node.Endpoint, node.Error.Message, remedy)
	}
}
