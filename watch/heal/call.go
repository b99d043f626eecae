package heal

import (
	"strings"

	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/protocol"
)

// Call is one call of a heal. One of its fields is set.
type Call struct {
	AddPeer  string // an enode
	Finalize *gwatclient.Finalization
	Command  string // of the operator
}

// Shown returns what is called, and with which parameters.
func (c *Call) Shown() (method string, params []any) {
	switch {
	case c.Finalize != nil:
		return protocol.Shown(*c.Finalize)
	case c.AddPeer != "":
		return "admin_addPeer", []any{c.AddPeer}
	}
	words := strings.Fields(c.Command)
	params = []any{}
	for _, word := range words[1:] {
		params = append(params, word)
	}
	return "run " + words[0], params
}
