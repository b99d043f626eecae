package main

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/gwatsync/syncd/api"
	"github.com/gwatsync/syncd/beaconclient"
	"github.com/gwatsync/syncd/endpoint"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/internal/logs"
)

// Config is the configuration of run and check, and of the demo in part.
type Config struct {
	Gwat struct {
		Endpoint  string        `koanf:"endpoint"`
		JWTSecret string        `koanf:"jwt-secret"` // a file
		Lock      time.Duration `koanf:"lock"`
	} `koanf:"gwat"`
	Beacon struct {
		Endpoint string `koanf:"endpoint"`
	} `koanf:"beacon"`
	DataDir       string        `koanf:"data-dir"`
	Pair          string        `koanf:"pair"`
	Observe       bool          `koanf:"observe"`
	PollInterval  time.Duration `koanf:"poll-interval"`
	ReadyInterval time.Duration `koanf:"ready-interval"`
	CallTimeout   time.Duration `koanf:"call-timeout"`
	PushTimeout   time.Duration `koanf:"push-timeout"`
	Push          struct {
		SegmentBytes int           `koanf:"segment-bytes"`
		SegmentTime  time.Duration `koanf:"segment-time"`
		Capacity     int           `koanf:"capacity"`
	} `koanf:"push"`
	Anchor        string `koanf:"anchor"`
	FallbackSlots int    `koanf:"fallback-slots"`
	API           struct {
		Listen         string   `koanf:"listen"`
		AllowedHosts   []string `koanf:"allowed-hosts"`
		AllowedOrigins []string `koanf:"allowed-origins"`
		JWTSecret      string   `koanf:"jwt-secret"` // a file
		Socket         string   `koanf:"socket"`
		TLSCert        string   `koanf:"tls-cert"`
		TLSKey         string   `koanf:"tls-key"`
		Insecure       bool     `koanf:"insecure"`
	} `koanf:"api"`
	Log struct {
		Level  string `koanf:"level"`
		Format string `koanf:"format"`
	} `koanf:"log"`

	jwt     []byte            // of gwat; read by Check
	apiJWT  []byte            // read by checkServing
	sources map[string]string // of each setting, as shown tells them
}

// The bounds of the times: below them the nodes are hammered, above them
// nothing is told in time.
const (
	minInterval = 50 * time.Millisecond
	maxPoll     = 10 * time.Second
	maxInterval = time.Minute
	minTimeout  = 100 * time.Millisecond
	maxTimeout  = 10 * time.Minute
	maxLock     = time.Hour
)

var pairName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$`)

// Check refuses what cannot work. Its error is one line that names the setting,
// its value and the remedy; a value that may hold a password is not repeated.
func (c *Config) Check() error {
	for _, check := range []func() error{c.checkNodes, c.checkTimes, c.checkPush, c.checkOwn} {
		if err := check(); err != nil {
			return &exitError{code: exitUsage, err: err}
		}
	}
	return nil
}

func (c *Config) checkNodes() error {
	if e := c.Gwat.Endpoint; e != "" && !strings.ContainsAny(e, `/\:`) && filepath.Ext(e) != ".ipc" {
		return fmt.Errorf("--gwat.endpoint is %q, neither a URL nor the path of a socket: write http://%s:8545 or the path of gwat.ipc", e, e)
	}
	gwat, err := gwatclient.New(gwatclient.Config{Endpoint: c.Gwat.Endpoint})
	if err != nil {
		return fmt.Errorf("--gwat.endpoint: %w", err)
	}
	gwat.Close()
	beacon, err := beaconclient.New(beaconclient.Config{URL: c.Beacon.Endpoint})
	if err != nil {
		return fmt.Errorf("--beacon.endpoint: %w", err)
	}
	beacon.Close()
	if c.Gwat.JWTSecret != "" {
		if c.jwt, err = gwatclient.LoadJWTSecret(c.Gwat.JWTSecret); err != nil {
			return fmt.Errorf("--gwat.jwt-secret: %w; name the file that gwat was started with, readable for this user", err)
		}
	}
	return nil
}

func (c *Config) checkTimes() error {
	for _, d := range []struct {
		key      string
		value    time.Duration
		min, max time.Duration
	}{
		{"poll-interval", c.PollInterval, minInterval, maxPoll},
		{"ready-interval", c.ReadyInterval, minInterval, maxInterval},
		{"call-timeout", c.CallTimeout, minTimeout, maxTimeout},
		{"push-timeout", c.PushTimeout, minTimeout, maxTimeout},
		{"gwat.lock", c.Gwat.Lock, minTimeout, maxLock},
		{"push.segment-time", c.Push.SegmentTime, minTimeout, maxTimeout},
	} {
		if d.value < d.min || d.value > d.max {
			return fmt.Errorf("--%s is %s: want %s to %s", d.key, shortDuration(d.value), shortDuration(d.min), shortDuration(d.max))
		}
	}
	if c.PushTimeout >= c.Gwat.Lock {
		return fmt.Errorf("--push-timeout is %s and --gwat.lock %s: a push must end while gwat still holds the lock; make --push-timeout the shorter one",
			shortDuration(c.PushTimeout), shortDuration(c.Gwat.Lock))
	}
	if c.ReadyInterval >= c.Gwat.Lock {
		return fmt.Errorf("--ready-interval is %s and --gwat.lock %s: the lock would run out between two asks; make --ready-interval the shorter one",
			shortDuration(c.ReadyInterval), shortDuration(c.Gwat.Lock))
	}
	return nil
}

// The bounds of a push: a segment below them is all overhead, one above them
// does not get through to gwat or fills the memory.
const (
	minSegment  = 4 << 10
	maxSegment  = 4 << 20
	minCapacity = 2
	maxCapacity = 64
	minFallback = 2
	maxFallback = 10_000

	anchorProven    = "proven"
	anchorJustified = "justified"
)

func (c *Config) checkPush() error {
	for _, n := range []struct {
		key             string
		value, min, max int
	}{
		{"push.segment-bytes", c.Push.SegmentBytes, minSegment, maxSegment},
		{"push.capacity", c.Push.Capacity, minCapacity, maxCapacity},
		{"fallback-slots", c.FallbackSlots, minFallback, maxFallback},
	} {
		if n.value < n.min || n.value > n.max {
			return fmt.Errorf("--%s is %d: want %d to %d", n.key, n.value, n.min, n.max)
		}
	}
	if c.Anchor != anchorProven && c.Anchor != anchorJustified {
		return fmt.Errorf("--anchor is %q: want %s or %s", c.Anchor, anchorProven, anchorJustified)
	}
	return nil
}

func (c *Config) checkOwn() error {
	if c.DataDir == "" {
		return fmt.Errorf("--data-dir is empty: name the directory of the journal")
	}
	if !pairName.MatchString(c.Pair) {
		return fmt.Errorf("--pair is %q: want 1 to 64 letters, digits, - and _", c.Pair)
	}
	return c.checkServing()
}

// checkServing is the part that the demo has as well.
func (c *Config) checkServing() error {
	if err := endpoint.CheckListen(c.API.Listen); err != nil {
		return fmt.Errorf("--api.listen is %q: %w", c.API.Listen, err)
	}
	var err error
	if c.API.JWTSecret != "" {
		if c.apiJWT, err = gwatclient.LoadJWTSecret(c.API.JWTSecret); err != nil {
			return fmt.Errorf("--api.jwt-secret: %w; name a file of 64 hex digits, such as `openssl rand -hex 32` makes, readable for this user", err)
		}
	}
	if err := c.serving().Check(); err != nil {
		return err
	}
	if levels := []string{"debug", "info", "warn", "error"}; !slices.Contains(levels, c.Log.Level) {
		return fmt.Errorf("--log.level is %q: want one of %s", c.Log.Level, strings.Join(levels, ", "))
	}
	if c.Log.Format != "text" && c.Log.Format != "json" {
		return fmt.Errorf("--log.format is %q: want text or json", c.Log.Format)
	}
	return nil
}

// serving is the part of the API's config that the settings hold.
func (c *Config) serving() api.Config {
	return api.Config{
		Listen: c.API.Listen, AllowedHosts: c.API.AllowedHosts, AllowedOrigins: c.API.AllowedOrigins,
		JWTSecret: c.apiJWT, Socket: c.API.Socket, TLSCert: c.API.TLSCert, TLSKey: c.API.TLSKey, Insecure: c.API.Insecure,
		Settings: c.shown(),
	}
}

// gwatHTTPLimit is gwat's write timeout over HTTP.
const gwatHTTPLimit = 30 * time.Second

// warnings names settings that work, but not well together.
func (c *Config) warnings() []string {
	var out []string
	isURL := strings.Contains(c.Gwat.Endpoint, "://")
	if strings.HasPrefix(c.Gwat.Endpoint, "http") && isURL && c.PushTimeout > gwatHTTPLimit {
		out = append(out, fmt.Sprintf("over HTTP gwat cuts an answer off after %s, --push-timeout is %s: give --gwat.endpoint a ws:// URL or the IPC socket",
			shortDuration(gwatHTTPLimit), shortDuration(c.PushTimeout)))
	}
	if !isURL && c.Gwat.JWTSecret != "" {
		out = append(out, "--gwat.jwt-secret is not used over IPC: leave it out")
	}
	if limit := 10 * c.PollInterval; c.CallTimeout > limit {
		out = append(out, fmt.Sprintf("--call-timeout is %s, over ten times --poll-interval (%s): a node that hangs is noticed late; lower --call-timeout",
			shortDuration(c.CallTimeout), shortDuration(c.PollInterval)))
	}
	return out
}

// newLog writes to the console's stderr; stdout is a command's answer.
func (c *Config) newLog(con console) (*logrus.Logger, error) {
	return logs.New(con.stderr, c.Log.Level, c.Log.Format)
}
