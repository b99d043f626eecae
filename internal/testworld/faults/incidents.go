package faults

// incident is a row of the coordinated era's simulation. until says what ends the incident.
func incident(fault, until, does, sees string) Row {
	return Row{Group: GroupIncidents, Fault: fault, Instead: until, Does: does, Sees: sees, Tests: []string{"simulation.TestSeeds"}}
}

const (
	byItself = "works again by itself"
	healed   = "works again by a heal that is on, else when the cause is gone"
)

var incidentRows = []Row{
	incident("A1 gwat stopped", byItself, "Gives each call its time; heals nothing.", "`gwat_hung`, `duties_at_risk`"),
	incident("beacon stopped", byItself, "Gives each call its time; heals nothing.", "`beacon_hung`"),
	incident("B1 gwat killed", byItself, "Connects again; the beacon node drives.", "`gwat_unreachable`, `gwat_restart_rollback`"),
	incident("B2 gwat back without peers", healed, "`heal.peers` adds the peers that gwat had, or has it finalize what it has.", "`no_peers_loop`"),
	incident("gwat loses its peers", healed, "Nothing while gwat follows; then as above.", "`no_peers_loop` once gwat lacks what the head finalizes"),
	incident("B3 foreign checkpoint", healed, "`heal.checkpoint` exchanges it, only for one whose spine is final in gwat.", "`foreign_checkpoint`"),
	incident("B4 beacon without peers", byItself, "Heals nothing.", "`beacon_without_peers`"),
	incident("B5 gwat wiped", byItself, "Connects again; the beacon node drives.", "`gwat_unreachable`, `gwat_restart_rollback`"),
	incident("B6 beacon wiped", byItself, "Connects again.", "`beacon_unreachable`"),
	incident("B7 beacon silent", healed, "`heal.drive` makes the beacon node's calls, once; `heal.restart-beacon` has it restarted.", "`beacon_silent`"),
	incident("A2' gwat wedged", healed, "`heal.restart-gwat` has it restarted.", "`gwat_wedged`"),
	incident("A3 beacon killed", byItself, "Connects again.", "`beacon_unreachable`"),
	incident("S beacon's head does not move", byItself, "Heals nothing while gwat is in normal work.", "`sawtooth`, `network_stalled` after two epochs and eight slots"),
	incident("the pair is paused", "works again once resumed", "Heals nothing until resumed.", "`paused`, verdict paused"),
	incident("a validator leaves", "the pair works on", "Drives over no epoch in which an operation is pending.", "nothing, or why `heal.drive` was refused"),
}
