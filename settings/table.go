package settings

import (
	"time"

	"github.com/gwatsync/syncd/headsync"
	"github.com/gwatsync/syncd/pair"
)

// Config is the configuration of run and check, and of the demo in part.
type Config struct {
	Gwat struct {
		Endpoint  string
		JWTSecret string // a file
		Lock      time.Duration
	}
	Beacon struct {
		Endpoint string
	}
	DataDir       string
	Pair          string
	Observe       bool
	PeersOptional bool
	PollInterval  time.Duration
	ReadyInterval time.Duration
	CallTimeout   time.Duration
	PushTimeout   time.Duration
	FallbackSlots int
	Push          struct {
		SegmentBytes int
		SegmentTime  time.Duration
		Capacity     int
	}
	Anchor string
	Gate   struct {
		Listen            string
		Socket            string
		TLSCert           string
		TLSKey            string
		Insecure          bool
		PassLastingErrors bool
		MendNullAnswers   bool
		MendWithoutPeers  bool
		MendRepeated      bool
		MendCheckpoints   bool
	}
	Heal struct {
		Peers         bool
		Checkpoint    bool
		Drive         bool
		RestartGwat   string
		RestartBeacon string
	}
	Notify struct {
		URL      string
		URLFile  string
		Template string // a file
	}
	API struct {
		Listen         string
		AllowedHosts   []string
		AllowedOrigins []string
		BasePath       string
		JWTSecret      string // a file
		Socket         string
		TLSCert        string
		TLSKey         string
		Insecure       bool
		Profiles       bool
	}
	Trace struct {
		Endpoint string
	}
	Log struct {
		Level  string
		Format string
	}

	sources map[string]Source // of each setting
	file    string            // in which they were looked for
	unread  error             // why it was not read
}

// The values of anchor.
const (
	AnchorProven    = "proven"
	AnchorJustified = "justified"
)

// The bounds of the times: below them the nodes are asked too often, above them
// trouble is reported late.
const (
	minInterval = 50 * time.Millisecond
	maxPoll     = 10 * time.Second
	maxInterval = time.Minute
	minTimeout  = 100 * time.Millisecond
	maxTimeout  = 10 * time.Minute
	maxLock     = time.Hour
)

// The bounds of a push: a segment below them is all overhead, one above them does
// not get through to gwat or fills the memory.
const (
	minSegment  = 4 << 10
	maxSegment  = 4 << 20
	minCapacity = 2
	maxCapacity = 64
	minFallback = 2
	maxFallback = 10_000
)

// All are the settings, in the order of the documents.
var All = []Setting{
	{Key: "gwat.endpoint", Default: "http://127.0.0.1:8545", field: func(c *Config) any { return &c.Gwat.Endpoint }, check: checkGwatEndpoint,
		Usage: "gwat's RPC: http(s)://, ws(s):// or the path of its IPC socket (the last two have no 30 s limit for an answer)"},
	{Key: "gwat.jwt-secret", Names: SecretFile, field: func(c *Config) any { return &c.Gwat.JWTSecret },
		Usage: "`FILE` with the 64 hex digits of gwat's JWT secret; empty for none; run waits for one that is not written yet"},
	{Key: "gwat.lock", Default: pair.DefaultLockTime, field: func(c *Config) any { return &c.Gwat.Lock }, times: between(minTimeout, maxLock),
		Usage: "how long this gwat holds its head-sync lock"},
	{Key: "beacon.endpoint", Default: "http://127.0.0.1:3500", field: func(c *Config) any { return &c.Beacon.Endpoint }, check: checkBeaconEndpoint,
		Usage: "the beacon node's REST API: http(s)://host:port"},
	{Key: "data-dir", Default: "syncd-data", Names: Directory, field: func(c *Config) any { return &c.DataDir }, check: checkDataDir,
		Usage: "`DIR` of the journal; it is made if it is not there"},
	{Key: "pair", Default: "main", field: func(c *Config) any { return &c.Pair }, check: checkPairName,
		Usage: "name of the pair in the journal's file name, the status, logs and metrics"},
	{Key: "observe", Default: false, field: func(c *Config) any { return &c.Observe },
		Usage: "only watch and report: never make a call that changes a node"},
	{Key: "peers-optional", Default: false, field: func(c *Config) any { return &c.PeersOptional },
		Usage: "the network may have only one node of a kind, for which it is normal to have no peers"},
	{Key: "poll-interval", Default: pair.DefaultPollInterval, field: func(c *Config) any { return &c.PollInterval }, times: between(minInterval, maxPoll),
		Usage: "time between two polls of both nodes"},
	{Key: "ready-interval", Default: pair.DefaultReadyInterval, field: func(c *Config) any { return &c.ReadyInterval }, times: between(minInterval, maxInterval),
		Usage: "time between two calls of dag_headSyncReady"},
	{Key: "call-timeout", Default: pair.DefaultCallTimeout, field: func(c *Config) any { return &c.CallTimeout }, times: between(minTimeout, maxTimeout),
		Usage: "how long a node may take to answer a read"},
	{Key: "push-timeout", Default: pair.DefaultPushTimeout, field: func(c *Config) any { return &c.PushTimeout }, times: between(minTimeout, maxTimeout),
		Usage: "how long gwat may take to answer dag_headSyncReady and dag_headSync, each; less than gwat.lock"},
	{Key: "fallback-slots", Default: pair.DefaultFallbackSlots, field: func(c *Config) any { return &c.FallbackSlots }, numbers: between(minFallback, maxFallback),
		Usage: "slots without a new head of the beacon, while gwat's DAG grows, after which the pair goes back to its own sync"},
	{Key: "push.segment-bytes", Default: headsync.DefaultBatchBytes, field: func(c *Config) any { return &c.Push.SegmentBytes }, numbers: between(minSegment, maxSegment),
		Usage: "most bytes of one dag_headSync; gwat takes 5 MiB over HTTP"},
	{Key: "push.segment-time", Default: headsync.DefaultSoft, field: func(c *Config) any { return &c.Push.SegmentTime }, times: between(minTimeout, maxTimeout),
		Usage: "how long gwat should take for one dag_headSync, by its measured speed; at most half of push-timeout counts"},
	{Key: "push.capacity", Default: headsync.DefaultCapacity, field: func(c *Config) any { return &c.Push.Capacity }, numbers: between(minCapacity, maxCapacity),
		Usage: "most batches of a push that are collected or pushed, but not yet confirmed; bounds the memory of a push"},
	{Key: "anchor", Default: AnchorProven, Values: []string{AnchorProven, AnchorJustified}, field: func(c *Config) any { return &c.Anchor },
		Usage: "where a push begins: proven (behind the last entry that gwat was proved to have) or justified (at the last checkpoint, whatever gwat has; rolls it back)"},
	{Key: "gate.listen", field: func(c *Config) any { return &c.Gate.Listen }, check: checkGateListen,
		Usage: "`HOST:PORT` at which the beacon node's --http-web3provider finds gwat through syncd, over HTTP and WebSocket; empty for none"},
	{Key: "gate.socket", Names: AnyFile, field: func(c *Config) any { return &c.Gate.Socket }, check: checkGateSocket,
		Usage: "`PATH` of a socket in the form of gwat's IPC for the same; empty for none"},
	{Key: "gate.tls-cert", Names: SecretFile, field: func(c *Config) any { return &c.Gate.TLSCert },
		Usage: "PEM `FILE` of the certificate of gate.listen; with gate.tls-key it is https and wss"},
	{Key: "gate.tls-key", Names: SecretFile, field: func(c *Config) any { return &c.Gate.TLSKey },
		Usage: "PEM `FILE` of the certificate's key"},
	{Key: "gate.insecure", Default: false, field: func(c *Config) any { return &c.Gate.Insecure },
		Usage: "let gate.listen be an address that other machines reach, without TLS"},
	{Key: "gate.pass-lasting-errors", Default: false, field: func(c *Config) any { return &c.Gate.PassLastingErrors },
		Usage: "pass an error of dag_finalize that waiting does not cure on to the beacon node, which then ignores that block and all that follow it; without it such a call is answered in gwat's place and reported"},
	{Key: "gate.mend-null-answers", Default: false, field: func(c *Config) any { return &c.Gate.MendNullAnswers },
		Usage: "coordinated era: answer the error spine not found to a dag_finalize that gwat answers with null in every field; the beacon node then repairs, and does not go on over a hole"},
	{Key: "gate.mend-without-peers", Default: false, field: func(c *Config) any { return &c.Gate.MendWithoutPeers },
		Usage: "coordinated era: pass a dag_finalize on in mode NoSync while gwat has no peers, but has the blocks of all its spines; needs gwat's IPC socket"},
	{Key: "gate.mend-repeated", Default: false, field: func(c *Config) any { return &c.Gate.MendRepeated },
		Usage: "coordinated era: give a dag_finalize the answer of an equal one that gwat works on, so that repeated calls do not pile up on gwat's lock"},
	{Key: "gate.mend-checkpoints", Default: false, field: func(c *Config) any { return &c.Gate.MendCheckpoints },
		Usage: "coordinated era: refuse a dag_finalize whose checkpoint is no block of the beacon node's chain; gwat stores it unchecked"},
	{Key: "heal.peers", Default: false, field: func(c *Config) any { return &c.Heal.Peers },
		Usage: "coordinated era: connect a gwat that lost all its peers to those that it had before; if none is known, finalize what it has"},
	{Key: "heal.checkpoint", Default: false, field: func(c *Config) any { return &c.Heal.Checkpoint },
		Usage: "coordinated era: exchange a checkpoint of gwat that is no block of the beacon node's chain"},
	{Key: "heal.drive", Default: false, field: func(c *Config) any { return &c.Heal.Drive },
		Usage: "coordinated era: make the calls of a beacon node's driver that makes none after a restart of gwat; never while validators wait for an activation, an exit or a withdrawal"},
	{Key: "heal.restart-gwat", field: func(c *Config) any { return &c.Heal.RestartGwat },
		Usage: "coordinated era: `COMMAND` for a gwat that carries out no call, such as systemctl restart gwat; it is run without a shell; empty for none"},
	{Key: "heal.restart-beacon", field: func(c *Config) any { return &c.Heal.RestartBeacon },
		Usage: "coordinated era: `COMMAND` for a beacon node that makes no call; empty for none"},
	{Key: "notify.url", field: func(c *Config) any { return &c.Notify.URL },
		Usage: "`URL` to which a message is posted when a finding lasts and when it is over; empty for none; one with credentials goes into notify.url-file"},
	{Key: "notify.url-file", Names: SecretFile, field: func(c *Config) any { return &c.Notify.URLFile },
		Usage: "`FILE` that holds such a URL, with credentials or a secret in its path; it is read again when it changes"},
	{Key: "notify.template", Names: AnyFile, field: func(c *Config) any { return &c.Notify.Template },
		Usage: "`FILE` with a Go template of the message; empty: the message as JSON"},
	{Key: "api.listen", Default: "127.0.0.1:8650", Serving: true, field: func(c *Config) any { return &c.API.Listen }, check: checkListen,
		Usage: "`HOST:PORT` of the API, the probes and the metrics; port 0 takes a free one"},
	{Key: "api.allowed-hosts", Serving: true, field: func(c *Config) any { return &c.API.AllowedHosts },
		Usage: "host names under which the API may be asked, beside localhost and the listen host; * for any"},
	{Key: "api.allowed-origins", Serving: true, field: func(c *Config) any { return &c.API.AllowedOrigins },
		Usage: "origins of web pages that may ask the API, such as http://localhost:3000; * for any"},
	{Key: "api.base-path", Serving: true, field: func(c *Config) any { return &c.API.BasePath },
		Usage: "`PATH` such as /syncd below which a reverse proxy asks for the page and the API; the root stays; empty for none"},
	{Key: "api.jwt-secret", Names: SecretFile, Serving: true, field: func(c *Config) any { return &c.API.JWTSecret },
		Usage: "`FILE` with the 64 hex digits of the secret for tokens, which the calls that change something need; empty: only the socket takes those calls"},
	{Key: "api.socket", Names: AnyFile, Serving: true, field: func(c *Config) any { return &c.API.Socket }, check: checkSocket,
		Usage: "`PATH` of a socket for this user only, over which those calls need no token; empty for none; not set: syncd.sock in XDG_RUNTIME_DIR, if run there by a user"},
	{Key: "api.tls-cert", Names: SecretFile, Serving: true, field: func(c *Config) any { return &c.API.TLSCert },
		Usage: "PEM `FILE` of the API's certificate; with api.tls-key the API is https and wss"},
	{Key: "api.tls-key", Names: SecretFile, Serving: true, field: func(c *Config) any { return &c.API.TLSKey },
		Usage: "PEM `FILE` of the certificate's key"},
	{Key: "api.insecure", Default: false, Serving: true, field: func(c *Config) any { return &c.API.Insecure },
		Usage: "let api.listen be an address that other machines reach, without TLS"},
	{Key: "api.pprof", Default: false, Serving: true, field: func(c *Config) any { return &c.API.Profiles },
		Usage: "serve Go's profiles under /debug/pprof/ to callers of this machine, and to others with a token"},
	{Key: "trace.endpoint", field: func(c *Config) any { return &c.Trace.Endpoint }, check: checkTraceEndpoint,
		Usage: "URL of an OpenTelemetry collector, such as http://127.0.0.1:4318, to which one trace of each head sync is sent by OTLP over HTTP; empty for none"},
	{Key: "log.level", Default: "info", Values: []string{"debug", "info", "warn", "error"}, Serving: true, field: func(c *Config) any { return &c.Log.Level },
		Usage: "debug, info, warn or error"},
	{Key: "log.format", Default: "text", Values: []string{"text", "json"}, Serving: true, field: func(c *Config) any { return &c.Log.Format },
		Usage: "text or json"},
}
