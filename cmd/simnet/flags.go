package main

import (
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/gwatsync/syncd/internal/testworld/simnet"
	"github.com/gwatsync/syncd/internal/testworld/simnet/beaconsim"
	"github.com/gwatsync/syncd/internal/testworld/simnet/gwatsim"
	"github.com/gwatsync/syncd/internal/testworld/simnet/world"
)

// env names the environment variable of a flag: SIMNET_ and the flag in capitals.
func env(flag string) cli.ValueSourceChain {
	return cli.EnvVars("SIMNET_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_")))
}

func text(name, value, usage string) cli.Flag {
	return &cli.StringFlag{Name: name, Value: value, Usage: usage, Sources: env(name)}
}

func number(name string, value uint64, usage string) cli.Flag {
	return &cli.Uint64Flag{Name: name, Value: value, Usage: usage, Sources: env(name)}
}

func float(name string, usage string) cli.Flag {
	return &cli.FloatFlag{Name: name, Usage: usage, Sources: env(name)}
}

func period(name string, value time.Duration, usage string) cli.Flag {
	return &cli.DurationFlag{Name: name, Value: value, Usage: usage, Sources: env(name)}
}

func yes(name, usage string) cli.Flag {
	return &cli.BoolFlag{Name: name, Usage: usage, Sources: env(name)}
}

func list(name, usage string) cli.Flag {
	return &cli.StringSliceFlag{Name: name, Usage: usage, Sources: env(name)}
}

// worldFlags describe the network; both nodes of a pair get the same.
func worldFlags() []cli.Flag {
	return []cli.Flag{
		text("era", eraHeadSync, "era of the protocol: head-sync or coordinated; the latter takes of the network's flags genesis, genesis-file, seconds-per-slot, slots-per-epoch and chain-id"),
		number("seed", 1, "what the generated network is made from"),
		text("genesis", "", "genesis time: Unix seconds, or relative to now as in now-120s"),
		text("genesis-file", "", "file that keeps a relative genesis, so that the other node and a restart take the same"),
		number("seconds-per-slot", world.DefaultSecondsPerSlot, "length of a slot"),
		number("slots-per-epoch", world.DefaultSlotsPerEpoch, "length of an epoch"),
		number("creators-per-slot", world.DefaultCreatorsPerSlot, "members of a committee that may create gwat blocks"),
		number("chain-id", world.DefaultChainID, "gwat's chain id and the beacon's deposit chain id"),
		number("validators", world.DefaultValidators, "number of validators"),
		number("committees-per-slot", world.DefaultCommitteesPerSlot, "committees in a slot"),
		number("max-blocks-per-slot", world.DefaultMaxBlocksPerSlot, "most gwat blocks in a slot; 1 makes the DAG a chain"),
		float("miss-rate", "part of the slots without a beacon block, 0 to 1"),
		float("quiet-rate", "part of the slots without gwat blocks, 0 to 1"),
		float("fork-rate", "part of the slots in which a fork begins, 0 to 1"),
		number("max-fork-depth", world.DefaultMaxForkDepth, "most slots a fork by chance lasts"),
		list("reorg", "an exact reorg as slot:depth; may be given several times"),
		list("stall", "epochs that are not justified as from-to; may be given several times"),
		number("finalization-delay", world.DefaultFinalizationDelay, "slots between a spine and the body that finalizes it"),
		yes("recorded", "serve the recorded chain instead of a generated network"),
		number("recorded-head", 0, "last slot of the recorded chain that is a head; 0 for all"),
		number("recorded-justified", 0, "epoch that the recorded chain justifies; 0 as recorded"),
	}
}

// nodeFlags are common to both nodes.
func nodeFlags(listen, version string) []cli.Flag {
	return []cli.Flag{
		text("listen", listen, "address to serve on"),
		text("data-dir", "", "directory that keeps the node's state over a restart; empty keeps nothing"),
		text("jwt-secret", "", "file with the secret of gwat's RPC, 32 bytes in hex"),
		number("start-slot", 0, "slot where a node without stored state begins"),
		float("sync-speed", "speed of the node's own sync a second (gwat: finalized blocks, beacon: slots); 0 is synced at start"),
		number("peers", simnet.DefaultPeers, "number of peers"),
		text("node-version", version, "version that the node states"),
	}
}

func gwatFlags() []cli.Flag {
	return append(nodeFlags("127.0.0.1:8545", gwatsim.DefaultVersion),
		text("ipc", "", "path of a socket to serve on as well"),
		text("call-log", "", "file to which every call is appended as a line of JSON"),
		float("dag-speed", "slots a second in DAG sync; 0 is done at once"),
		period("lock", gwatsim.DefaultLock, "how long an answered dag_headSyncReady holds the lock"),
		period("rollback-cost", 0, "time to roll a block back"),
		period("entry-cost", 0, "time to apply an entry of dag_headSync"),
		yes("go-on", "go on finalizing with the network after the checkpoint was reached"),
		number("fallback-slots", gwatsim.DefaultFallbackSlots, "slots of silence after which the node syncs with its peers again"),
		&cli.StringSliceFlag{Name: "vhosts", Value: []string{"localhost"}, Usage: "names allowed in the Host header; * for all", Sources: env("vhosts")},
	)
}

func beaconFlags() []cli.Flag {
	return append(nodeFlags("127.0.0.1:3500", beaconsim.DefaultVersion),
		text("gwat", "", "RPC endpoint of gwat (http, ws, path of an IPC socket); empty makes no calls"),
		text("driver", "real", "real: as the real node does, with its built-in driver and its bad blocks; on: no block is bad; off: it does not drive"),
		yes("idle-work", "make none of the calls of normal work"),
		yes("bad-blocks", "a gossip block whose dag_finalize fails is bad for good with every --driver"),
		period("answer-cost", 0, "time that a REST answer takes"),
		period("sse-timeout", beaconsim.DefaultSSETimeout, "time after which an event stream fails and falls silent"),
	)
}

func healthFlags() []cli.Flag {
	return []cli.Flag{
		text("url", "", "address that must answer, for example http://127.0.0.1:8545"),
		period("timeout", 3*time.Second, "how long to wait for the answer"),
	}
}
