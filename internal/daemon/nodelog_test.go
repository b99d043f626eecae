package daemon

import (
	"testing"

	"github.com/sirupsen/logrus"
	"github.com/sirupsen/logrus/hooks/test"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/status"
)

func TestNodeLogTellsOfEachChangeOnce(t *testing.T) {
	log, hook := test.NewNullLogger()
	n := nodeLog{log: log, kind: map[string]string{}}
	down := func(kind, message string) status.Node {
		return status.Node{Endpoint: "ws://a:1", Error: &status.Error{Kind: kind, Message: message}}
	}
	up := status.Node{Endpoint: "ws://a:1", Reachable: true}
	for _, step := range []struct {
		name  string
		node  status.Node
		level logrus.Level
		want  string // empty: no line
	}{
		{"gwat", status.Node{Endpoint: "ws://a:1"}, 0, ""}, // not looked at yet
		{"gwat", up, 0, ""},
		{"gwat", down("retry_later", "refused"), logrus.WarnLevel, "gwat at ws://a:1 has no usable answer: refused; start it or correct --gwat.endpoint"},
		{"gwat", down("retry_later", "refused again"), 0, ""},
		{"beacon", down("needs_human", "no"), logrus.WarnLevel, "beacon at ws://a:1 has no usable answer: no; start it or correct --beacon.endpoint"},
		{"gwat", down("needs_human", "401"), logrus.WarnLevel, "gwat at ws://a:1 has no usable answer: 401; correct --gwat.endpoint or --gwat.jwt-secret"},
		{"gwat", down("retry_later", "eth_syncing: no JWT secret: open /jwt: no such file"), logrus.WarnLevel, "gwat at ws://a:1 has no usable answer: eth_syncing: no JWT secret: open /jwt: no such file; let --gwat.jwt-secret name the file that gwat was started with"},
		{"gwat", up, logrus.InfoLevel, "gwat at ws://a:1 answers again"},
		{"gwat", up, 0, ""},
	} {
		hook.Reset()
		n.compare(step.name, step.node)
		if step.want == "" {
			require.Empty(t, hook.Entries)
			continue
		}
		require.Len(t, hook.Entries, 1)
		require.Equal(t, step.level, hook.LastEntry().Level)
		require.Equal(t, step.want, hook.LastEntry().Message)
	}
}
