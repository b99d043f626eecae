package health

import "github.com/gwatsync/syncd/status"

// explanations is the one table of causes. Of several active causes the first row of a
// finding explains it. The table has no cycles.
var explanations = explain(
	row("gwat_unreachable", "Both nodes went away at the same time: look first at what they share.", "nodes_unreachable"),
	row("gwat_hung", "Both nodes went away at the same time: look first at what they share.", "nodes_unreachable"),
	row("beacon_unreachable", "Both nodes went away at the same time: look first at what they share.", "nodes_unreachable"),
	row("beacon_hung", "Both nodes went away at the same time: look first at what they share.", "nodes_unreachable"),
	row("gwat_no_peers", "A node that was started for another network finds no peers of it here.", "wrong_network"),
	row("beacon_no_peers", "A node that was started for another network finds no peers of it here.", "wrong_network"),
	row("beacon_without_peers", "A node that was started for another network finds no peers of it here.", "wrong_network"),
	row("gwat_rolled_back", "Its number is of another chain: nothing was rolled back.", "wrong_network"),
	row("gwat_rolled_back", "A head sync begins with a rollback, the competing driver's as well.", "second_driver"),
	row("gwat_stalled", "gwat cannot finalize blocks of another chain.", "wrong_network"),
	row("gwat_stalled", "gwat refuses the calls of normal work while a competing driver has its lock.", "second_driver", "lock_held"),
	row("gwat_stalled", "gwat gets no blocks of the network that it could finalize.", "gwat_no_peers"),
	row("gwat_stalled", "No call of the beacon node reaches gwat.", "gate_unused"),
	row("gwat_stalled", "gwat's order of blocks is not the beacon's, so that it refuses what the beacon asks for.", "spines_differ"),
	row("gwat_stalled", "What gwat lacks is pushed by a head sync, and none succeeds.", "needs_human", "checkpoint_refused", "head_sync_failing"),
	row("lock_held", "The competing driver's ready has taken the lock.", "second_driver").unless(func(v *view) bool { return v.Lock != nil && v.Lock.Ours }),
	row("checkpoint_refused", "gwat has no state of another chain's checkpoint.", "wrong_network", "spines_differ"),
	row("beacon_stalled_head", "The beacon node ignores a block once its call to gwat has failed, and this gwat is of another network.", "wrong_network"),
	row("beacon_stalled_head", "The beacon node ignores a block once its call to gwat has failed.", "gwat_unreachable", "gwat_hung", "second_driver", "lock_held"),
	row("beacon_stalled_head", "It gets no blocks of the network.", "beacon_no_peers"),
	row("beacon_behind", "The clock of syncd's host is wrong.", "clock_skew"),
	row("beacon_behind", "It gets too few blocks of the network.", "beacon_no_peers"),
	row("beacon_behind", "It cannot process blocks as fast as they come.", "beacon_slow"),
	row("beacon_ahead_of_gwat", "The beacon's head names blocks of another chain.", "wrong_network"),
	row("beacon_ahead_of_gwat", "gwat does not carry out what the beacon node asks for.", "second_driver", "lock_held", "gwat_no_peers", "gate_unused", "spines_differ",
		"needs_human", "checkpoint_refused", "head_sync_failing", "gwat_rolled_back", "gwat_stalled"),
	row("gwat_ahead_of_beacon", "The two slots are of different chains.", "wrong_network"),
	row("gwat_ahead_of_beacon", "The beacon node does not advance.", "beacon_no_peers", "beacon_stalled_head", "beacon_behind", "beacon_rolled_back"),
	row("spines_differ", "Two networks have different chains.", "wrong_network"),
	row("spines_differ", "Two drivers finalize over each other.", "second_driver"),
	row("second_driver", "The beacon node's built-in driver reaches gwat past the gate.", "gate_bypassed", "gate_unused"),
	row("needs_human", "The token is refused.", "gwat_auth"),
	row("head_sync_failing", "A head sync needs both nodes.", "nodes_unreachable", "gwat_unreachable", "gwat_hung", "gwat_auth", "gwat_bad_answers", "gwat_rate_limited",
		"beacon_unreachable", "beacon_hung", "beacon_bad_answers", "beacon_rate_limited", "beacon_starting"),
	row("head_sync_failing", "gwat cannot take what the other network's beacon node says.", "wrong_network"),
	row("head_sync_failing", "The attempts fail because of it.", "needs_human", "second_driver", "gwat_no_peers", "spines_differ", "checkpoint_refused"),
	row("gwat_behind_gate", "gwat cannot finalize blocks of another chain.", "wrong_network"),
	row("gwat_behind_gate", "The gate answers in gwat's place because gwat does not.", "nodes_unreachable", "gwat_unreachable", "gwat_hung", "gwat_auth",
		"gwat_bad_answers", "gwat_rate_limited", "second_driver", "lock_held", "gwat_no_peers", "gwat_stalled").unless(lastingError),
	row("beacon_list_differs", "gwat has other blocks than the list names.", "wrong_network", "spines_differ"),

	row("gwat_wedged", "The beacon node asks for this checkpoint again and again and makes no other call.", "foreign_checkpoint"),
	row("gwat_wedged", "Every call fails at a gwat without peers.", "no_peers_loop"),
	row("gwat_wedged", "gwat refuses the blocks of that fork.", "private_fork"),
	row("beacon_silent", "The beacon node asks for this checkpoint again and again and makes no other call.", "foreign_checkpoint"),
	row("beacon_silent", "Every call fails at a gwat without peers.", "no_peers_loop"),
	row("network_stalled", "A beacon node that cannot call gwat processes no blocks.", "gwat_unreachable", "gwat_hung", "gwat_wedged", "beacon_silent"),
	row("network_stalled", "It gets no blocks of the network.", "beacon_without_peers"),
	row("sawtooth", "Nobody makes a block that it could miss.", "network_stalled"),
	row("sawtooth", "A beacon node that cannot call gwat processes no blocks.", "gwat_unreachable", "gwat_hung", "gwat_wedged", "beacon_silent"),
	row("sawtooth", "It gets no blocks of the network.", "beacon_without_peers"),
	row("sawtooth", "Its head is on a chain of its own.", "private_fork"),
	row("duties_at_risk", "gwat is not in normal work because of it.", "wrong_network", "nodes_unreachable", "gwat_unreachable", "gwat_hung", "gwat_auth",
		"gwat_bad_answers", "gwat_rate_limited", "foreign_checkpoint", "no_peers_loop", "beacon_without_peers", "private_fork", "gwat_wedged", "beacon_silent",
		"finalize_silently_failed", "beacon_unreachable", "beacon_hung", "beacon_bad_answers", "beacon_starting", "network_stalled", "sawtooth"),
)

// lastingError reports whether gwat answered the gate with an error that is a finding of its own.
func lastingError(v *view) bool { return v.Gate != nil && v.Gate.Lasting > 0 }

// nodesRule is the finding of a pair whose nodes both do not answer.
var nodesRule = []rule{{
	Entry: Entry{Name: "nodes_unreachable", Severity: status.SeverityCritical, Node: nodePair,
		Meaning: "Neither node answers: most often what they share is gone, such as their host, the network to it, its disk or the container engine.",
		Remedy:  "From syncd's host, check whether the nodes' host answers (ping, ssh), and its disk and memory. If the host is well, start both nodes. If neither has ever answered, compare both endpoints in syncd's config with the addresses that the nodes listen on: `syncd check` tries them. syncd goes on by itself once they answer."},
	window: polls(3), windowNote: "in which neither answered", clear: polls(1), clearNote: "that one of them answered",
	needs: nobody, look: (*view).nobodyAnswers,
}}

func (v *view) nobodyAnswers() signal {
	gone := func(how Reach) bool { return how == Down || how == Silent }
	switch {
	case v.Gwat.Reach == NotAsked || v.Beacon.Reach == NotAsked:
		return unmeasured
	case gone(v.Gwat.Reach) && gone(v.Beacon.Reach):
		return shows("gwat: "+v.Gwat.Error, "beacon node: "+v.Beacon.Error)
	}
	return healthy
}

// rows are the Explanations of one finding for one reason.
type rows []Explanation

func row(finding, why string, by ...string) rows {
	var out rows
	for _, name := range by {
		out = append(out, Explanation{Finding: finding, By: name, Why: why})
	}
	return out
}

func (r rows) unless(f func(*view) bool) rows {
	for i := range r {
		r[i].unless = f
	}
	return r
}

func explain(groups ...rows) (out []Explanation) {
	for _, g := range groups {
		out = append(out, g...)
	}
	return out
}
