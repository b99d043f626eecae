package gate

import (
	"bytes"

	"github.com/gwatsync/syncd/checkpoint"
)

// The methods that the policy names.
const (
	methodReady    = "dag_headSyncReady"
	methodHeadSync = "dag_headSync"
	methodFinalize = "dag_finalize"
	methodSync     = "dag_sync"
	methodChainID  = "eth_chainId"
)

// Action is what the gate does with a call.
type Action string

// The actions.
const (
	ActionForward Action = "forward" // at once, as it came
	ActionAnswer  Action = "answer"  // true, without gwat
	ActionHold    Action = "hold"    // wait until gwat takes it; absorb it after a while
	ActionMend    Action = "mend"    // forward, with the mends that are on
	ActionVouch   Action = "vouch"   // forward; answer the chain id of the network while gwat is away
)

// Rule is one row of the policy. The first row that matches decides.
type Rule struct {
	Eras    []checkpoint.Era
	States  []State
	Methods []string // empty: every method
	Action  Action
	Why     string
}

var (
	everyEra    = []checkpoint.Era{checkpoint.EraUnknown, checkpoint.EraHeadSync, checkpoint.EraCoordinated}
	everyState  = []State{StateSyncing, StateWorking, StateHandsOff}
	activeState = []State{StateSyncing, StateWorking}
)

// Table returns the policy: era × method × state of the pair.
func Table() []Rule {
	return []Rule{
		{everyEra, []State{StateHandsOff}, nil, ActionForward,
			"An operator's pause, a halt, `--observe` and another syncd's claim: the gate holds back nothing (S10)."},
		{[]checkpoint.Era{checkpoint.EraHeadSync, checkpoint.EraUnknown}, activeState, []string{methodReady}, ActionAnswer,
			"syncd makes gwat ready. Answered at the first ask: until then the beacon node's head does not move, and nothing can be pushed."},
		{[]checkpoint.Era{checkpoint.EraHeadSync, checkpoint.EraUnknown}, activeState, []string{methodHeadSync}, ActionAnswer,
			"syncd pushes. The beacon node takes any answer for success; its list is kept and compared with what syncd collected."},
		{[]checkpoint.Era{checkpoint.EraHeadSync}, activeState, []string{methodFinalize}, ActionHold,
			"An error answered to it, a refused or a reset connection marks the block bad in the beacon node for ever; a wait and an absorbed call do not."},
		{[]checkpoint.Era{checkpoint.EraCoordinated}, activeState, []string{methodFinalize}, ActionMend,
			"The beacon node drives. Forwarded as it came, unless a setting has one of its traps mended: `gate.mend-null-answers`, `gate.mend-without-peers`, `gate.mend-repeated`, `gate.mend-checkpoints`."},
		{everyEra, activeState, []string{methodChainID}, ActionVouch,
			"The beacon node's first call of each new connection. If it fails on a socket, the beacon node closes that connection and uses it for 15 s more: every call of its driver fails without reaching the gate."},
		{everyEra, everyState, nil, ActionForward,
			"Everything else passes at once (S10)."},
	}
}

// rules is Table as decide reads it: by era, state and method.
var rules = func() map[ruleKey]Action {
	out := make(map[ruleKey]Action)
	for _, r := range Table() {
		methods := r.Methods
		if methods == nil {
			methods = []string{""}
		}
		for _, era := range r.Eras {
			for _, state := range r.States {
				for _, method := range methods {
					key := ruleKey{era, state, method}
					if _, ok := out[ruleKey{era, state, ""}]; ok {
						continue // an earlier row has every method
					}
					if _, ok := out[key]; !ok {
						out[key] = r.Action
					}
				}
			}
		}
	}
	return out
}()

type ruleKey struct {
	era    checkpoint.Era
	state  State
	method string // "" is every other method
}

// decide returns what the policy does with a call.
func decide(era checkpoint.Era, state State, method string) Action {
	if action, ok := rules[ruleKey{era, state, method}]; ok {
		return action
	}
	return rules[ruleKey{era, state, ""}]
}

// owns reports whether the policy has calls in era and state that may be long; mends says
// whether any of them is on.
func owns(era checkpoint.Era, state State, mends bool) bool {
	for _, method := range []string{methodReady, methodHeadSync, methodFinalize} {
		if action := decide(era, state, method); action != ActionForward && (mends || action != ActionMend) {
			return true
		}
	}
	return false
}

// eraOf returns the era that a call shows by itself, for a gate that was not
// told one: dag_finalize takes a list of hashes in the head-sync era, an object
// in the coordinated one.
func eraOf(method string, params []byte) checkpoint.Era {
	switch method {
	case methodReady, methodHeadSync:
		return checkpoint.EraHeadSync
	case methodFinalize:
		params = bytes.TrimLeft(params, " \t\r\n")
		if len(params) == 0 || params[0] != '[' {
			return checkpoint.EraUnknown
		}
		switch params = bytes.TrimLeft(params[1:], " \t\r\n"); {
		case len(params) > 0 && params[0] == '[':
			return checkpoint.EraHeadSync
		case len(params) > 0 && params[0] == '{':
			return checkpoint.EraCoordinated
		}
	}
	return checkpoint.EraUnknown
}
