package health

// Advice is what an operator asks at night: is it urgent, is data at risk, and which commands
// help.
type Advice struct {
	Urgent   bool   // the pair does not do its work until somebody acts
	Why      string // it is urgent, or can wait
	Risk     string // which data is at risk; "" if none
	Commands []string
}

// The commands that several findings share. The units are called gwat and beacon, and the
// nodes listen where syncd's defaults look for them.
const (
	lookGwat      = "systemctl status gwat"
	lookBeacon    = "systemctl status beacon"
	logGwat       = "journalctl -u gwat -n 100 --no-pager"
	logBeacon     = "journalctl -u beacon -n 100 --no-pager"
	logSyncd      = "journalctl -u syncd -n 100 --no-pager"
	restartGwat   = "sudo systemctl restart gwat"
	restartBeacon = "sudo systemctl restart beacon"
	startGwat     = "sudo systemctl start gwat"
	startBeacon   = "sudo systemctl start beacon"
	askGwat       = `curl -sS -m 5 -H 'Content-Type: application/json' -d '{"jsonrpc":"2.0","id":1,"method":"eth_syncing"}' http://127.0.0.1:8545`
	askPeers      = `curl -sS -m 5 -H 'Content-Type: application/json' -d '{"jsonrpc":"2.0","id":1,"method":"net_peerCount"}' http://127.0.0.1:8545`
	askChain      = `curl -sS -m 5 -H 'Content-Type: application/json' -d '{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}' http://127.0.0.1:8545`
	askBeacon     = "curl -sS -m 5 http://127.0.0.1:3500/eth/v1/node/syncing"
	askFinality   = "curl -sS -m 5 http://127.0.0.1:3500/eth/v1/beacon/states/head/finality_checkpoints"
	askBcnPeers   = "curl -sS -m 5 http://127.0.0.1:3500/eth/v1/node/peer_count"
	askSpec       = "curl -sS -m 5 http://127.0.0.1:3500/eth/v1/config/spec"
	syncdCheck    = "sudo syncd check --config /etc/syncd/syncd.yaml"
	syncdDoctor   = "syncd doctor"
	syncdStatus   = "syncd status"
	syncdCalls    = "syncd calls --since 10m"
	syncdRecord   = "sudo syncd record --out pair.bundle"
	machine       = "df -h; free -m; uptime"
)

// The reasons that several findings share.
const (
	noWork  = "the pair does not work until it is healed"
	noBlock = "until it has peers it stays behind, and does not catch up by itself if the firewall is the cause"
	healsIt = "it goes away by itself, or costs some speed only"
)

func urgent(why string, commands ...string) Advice {
	return Advice{Urgent: true, Why: why, Commands: commands}
}

func canWait(why string, commands ...string) Advice { return Advice{Why: why, Commands: commands} }

// risking says which data is at risk.
func (a Advice) risking(what string) Advice {
	a.Risk = what
	return a
}

// advice has an entry for every finding of both eras.
var advice = map[string]Advice{
	"nodes_unreachable":   urgent(noWork, "ping -c 3 NODE-HOST", lookGwat, lookBeacon, machine, startGwat, startBeacon),
	"gwat_unreachable":    urgent(noWork, lookGwat, logGwat, askGwat, startGwat),
	"gwat_hung":           urgent(noWork, askGwat, machine, "dmesg -T | tail", logGwat, restartGwat),
	"gwat_auth":           urgent(noWork, syncdCheck, "timedatectl", logSyncd),
	"gwat_bad_answers":    urgent(noWork, syncdCheck, askGwat, "syncd conformance --config /etc/syncd/syncd.yaml"),
	"gwat_rate_limited":   urgent("while calls are refused syncd neither sees nor drives the pair", askGwat, syncdCheck),
	"beacon_unreachable":  urgent(noWork, lookBeacon, logBeacon, askBeacon, startBeacon),
	"beacon_hung":         urgent(noWork, askBeacon, machine, "dmesg -T | tail", logBeacon, restartBeacon),
	"beacon_bad_answers":  urgent(noWork, syncdCheck, askBeacon, "syncd conformance --config /etc/syncd/syncd.yaml"),
	"beacon_rate_limited": urgent("while calls are refused syncd neither sees nor drives the pair", askBeacon, syncdCheck),
	"beacon_starting": urgent("a restart may not heal it", logBeacon, askBeacon).
		risking("the beacon node's database may lack states; what the network has can be synced again, keys are not touched"),

	"gwat_slow":     canWait(healsIt, machine, logGwat, askGwat),
	"gwat_no_peers": urgent(noBlock, askPeers, "sudo ss -lntup | grep 30303", logGwat),
	"gwat_rolled_back": urgent("find out why it happened; syncd already brings gwat back up", lookGwat, logGwat, syncdCalls).
		risking("gwat may have lost blocks that it had stored: they are synced again; look for disk errors now"),
	"head_sync_rollback": canWait("it is part of every head sync", syncdStatus),
	"gwat_stalled":       urgent(noWork, askGwat, logBeacon, logGwat, syncdCalls, restartGwat),
	"lock_held":          canWait("gwat lets the lock go within two minutes", syncdStatus, syncdCalls),
	"checkpoint_refused": canWait("syncd tries older checkpoints; it becomes urgent with head_sync_failing", logGwat, restartGwat).
		risking("gwat may lack states; they come back with a sync from its peers"),

	"beacon_slow":         canWait(healsIt, machine, logBeacon, askBeacon),
	"beacon_no_peers":     urgent(noBlock, askBcnPeers, "sudo ss -lntup | grep -e 13000 -e 12000", logBeacon),
	"beacon_stalled_head": urgent("a stalled head does not move again by itself", askBeacon, askBcnPeers, logBeacon, restartBeacon),
	"beacon_behind":       canWait("the pair works again once it has caught up; nothing is lost meanwhile", askBeacon, askBcnPeers, machine),
	"beacon_rolled_back": canWait("it syncs again by itself", askBeacon, logBeacon).
		risking("the beacon node may have lost blocks that it had stored: they are synced again"),
	"finality_stalled": canWait("only the network's validators can end it", askFinality, askBcnPeers).
		risking("while nothing is justified, new blocks are not final and may still be replaced"),
	"sse_silent": canWait("syncd polls instead", "curl -sS -N -m 20 http://127.0.0.1:3500/eth/v1/events?topics=head"),

	"beacon_ahead_of_gwat": canWait("before switching it is the way of every sync; at work it is followed by gwat_stalled if it does not end", syncdStatus, askGwat),
	"gwat_ahead_of_beacon": canWait("the beacon node catches up while its head moves", askBeacon),
	"spines_differ": urgent("the two nodes follow different chains, and one of them is wrong", askFinality, syncdRecord, logGwat, logBeacon).
		risking("gwat's finalized blocks may be of another fork: do not delete anything before you know which node is right"),
	"second_driver": canWait("syncd makes no call that changes gwat until the competing driver stops", syncdCalls, "ps aux | grep -e beacon -e syncd", syncdStatus).
		risking("two drivers roll gwat back again and again; no data is lost by it, but the pair never works"),
	"wrong_network":     urgent(noWork, askChain, askSpec, syncdCheck),
	"needs_human":       urgent("no retry heals it", syncdDoctor, syncdCheck, logGwat),
	"head_sync_failing": urgent(noWork, syncdDoctor, logGwat, restartGwat).risking("gwat's database may be damaged if its log says so: a resync from its peers restores it"),
	"clock_skew":        canWait("values that are counted in slots are wrong; the pair itself may work", "timedatectl", "chronyc tracking"),
	"journal_failing": canWait("the pair works without it", machine, "ls -l /var/lib/syncd", logSyncd).
		risking("syncd's history and its memory of what was sent last; the nodes' data is not"),

	"gwat_behind_gate": canWait("syncd proves and pushes what gwat lacks; it is critical if gwat answered an error that waiting does not cure", "syncd calls --since 1h --outcome absorbed", syncdStatus, logGwat).
		risking("none while it is a warning; when it is critical gwat may lack blocks below the beacon's checkpoint"),
	"beacon_list_differs": canWait("syncd pushes what it proved itself, not this list", syncdRecord, syncdStatus).
		risking("gwat may lack blocks below the beacon's checkpoint"),
	"gate_unused":   urgent("gwat does not follow until the beacon node calls it", syncdCalls, logBeacon, restartBeacon),
	"gate_bypassed": canWait("the pair works, but nothing protects the beacon's chain while gwat is away", syncdCalls, logBeacon, restartBeacon),

	"foreign_checkpoint": urgent("both nodes report that all is well, and neither makes progress", logBeacon, "sudo systemctl stop gwat", "sudo ls -l /var/lib/gwat", startGwat).
		risking("gwat's chain data must be removed; keep its node key and its keystore"),
	"no_peers_loop":        urgent("it does not heal by itself", askPeers, "sudo ss -lntup | grep 30303", logGwat),
	"private_fork":         urgent("blocks that validators make on a chain of their own are lost", askFinality, askBcnPeers, restartBeacon).risking("no stored data; blocks and duties on this fork are lost"),
	"gwat_wedged":          urgent("gwat refuses every block until it is restarted", restartGwat, restartBeacon),
	"beacon_silent":        urgent("it may wait for a head for ever", askBeacon, restartBeacon),
	"network_stalled":      urgent("nothing becomes final while it lasts; if only this beacon node is affected, it must be restarted", askBeacon, askBcnPeers, logBeacon),
	"beacon_without_peers": urgent(noBlock, askBcnPeers, "sudo ss -lntup | grep -e 13000 -e 12000", logBeacon),
	"sawtooth":             canWait("it catches up now and then, but misses blocks meanwhile", askBcnPeers, machine, "timedatectl"),
	"finalize_silently_failed": urgent("the beacon node goes on over a hole in gwat", logGwat, restartGwat, restartBeacon).
		risking("gwat may lack finalized blocks; they come back from its peers"),
	"gwat_restart_rollback": canWait("every start of gwat begins so", logGwat),
	"duties_at_risk":        urgent("if validators run on this pair: each epoch of it costs them their rewards", syncdDoctor, logGwat).risking("no stored data; the duties of validators, if the pair has any, are missed"),
}
