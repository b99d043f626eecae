package settings

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/gwatsync/syncd/api"
	"github.com/gwatsync/syncd/endpoint"
	"github.com/gwatsync/syncd/failure"
	"github.com/gwatsync/syncd/gwatclient"
)

// ErrNotYet marks an error of something that is not there yet and that a later start
// may find: a file that another program writes, a mount, an address.
var ErrNotYet = errors.New("not there yet")

type notYet struct{ error }

func (n notYet) Unwrap() []error { return []error{ErrNotYet, n.error} }

var pairName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$`)

// Check refuses what cannot work, except the file of gwat.jwt-secret, which
// GwatSecret reads. Its error is one line that names the setting, its value and the
// remedy; a value that may hold a password or a secret is not repeated.
func (c *Config) Check() error {
	return c.checkAll(func(Setting) bool { return true }, func() error {
		if err := c.checkTimes(); err != nil {
			return err
		}
		if err := c.checkNotify(); err != nil {
			return err
		}
		return c.checkGate()
	})
}

// CheckServing is Check of the settings that the demo has.
func (c *Config) CheckServing() error {
	return c.checkAll(func(s Setting) bool { return s.Serving }, func() error { return nil })
}

func (c *Config) checkAll(has func(Setting) bool, together func() error) error {
	for _, s := range All {
		if !has(s) {
			continue
		}
		if err := s.checkAlone(c); err != nil {
			return failure.WithKind(failure.NeedsHuman, err)
		}
	}
	for _, check := range []func() error{together, c.checkServing} {
		if err := check(); errors.Is(err, ErrNotYet) {
			return err
		} else if err != nil {
			return failure.WithKind(failure.NeedsHuman, err)
		}
	}
	return nil
}

func checkGwatEndpoint(c *Config) error {
	if e := endpoint.MaskWord(c.Gwat.Endpoint); e != "" && !strings.ContainsAny(e, `/\:`) && filepath.Ext(e) != ".ipc" {
		return fmt.Errorf("--gwat.endpoint is %.200q, neither a URL nor the path of a socket: write http://%.200s:8545 or the path of gwat.ipc", e, e)
	}
	if _, err := endpoint.Gwat.Parse(c.Gwat.Endpoint); err != nil {
		return fmt.Errorf("--gwat.endpoint: %w", err)
	}
	return nil
}

func checkBeaconEndpoint(c *Config) error {
	if _, err := endpoint.Beacon.Parse(c.Beacon.Endpoint); err != nil {
		return fmt.Errorf("--beacon.endpoint: %w", err)
	}
	return nil
}

func checkTraceEndpoint(c *Config) error {
	if c.Trace.Endpoint == "" {
		return nil
	}
	if _, err := endpoint.Collector.Parse(c.Trace.Endpoint); err != nil {
		return fmt.Errorf("--trace.endpoint: %w", err)
	}
	return nil
}

func checkDataDir(c *Config) error {
	if c.DataDir == "" {
		return errors.New("--data-dir is empty: name the directory of the journal")
	}
	if err := endpoint.CheckTilde(c.DataDir); err != nil {
		return fmt.Errorf("--data-dir: %w", err)
	}
	return nil
}

// RemedyOfDataDir says what to do about a data directory that cannot be used.
func RemedyOfDataDir(err error) string {
	switch {
	case errors.Is(err, syscall.EROFS):
		return "mount its disk writable, or name a directory on another disk"
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.ENOTDIR):
		return "name a directory that this user can write"
	}
	return "see whether its disk is mounted and has room, or name a directory that this user can write"
}

func checkPairName(c *Config) error {
	if !pairName.MatchString(c.Pair) {
		return fmt.Errorf("--pair is %.200q: want 1 to 64 letters, digits, - and _", endpoint.MaskWord(c.Pair))
	}
	return nil
}

func checkListen(c *Config) error {
	if err := endpoint.CheckListen(c.API.Listen); err != nil {
		return fmt.Errorf("--api.listen is %.200q: %w", endpoint.MaskWord(c.API.Listen), err)
	}
	return nil
}

func checkSocket(c *Config) error {
	if err := endpoint.CheckSocketPath(c.API.Socket); err != nil {
		return fmt.Errorf("--api.socket: %w", err)
	}
	return nil
}

func (c *Config) checkTimes() error {
	if c.PushTimeout >= c.Gwat.Lock {
		return fmt.Errorf("--push-timeout is %s and --gwat.lock %s: a push must end while gwat still holds the lock; make --push-timeout the shorter one",
			Duration(c.PushTimeout), Duration(c.Gwat.Lock))
	}
	if c.ReadyInterval >= c.Gwat.Lock {
		return fmt.Errorf("--ready-interval is %s and --gwat.lock %s: the lock would expire between two calls; make --ready-interval the shorter one",
			Duration(c.ReadyInterval), Duration(c.Gwat.Lock))
	}
	return nil
}

// checkServing reads the files that the API and the gate are served with.
func (c *Config) checkServing() error {
	if err := checkKeyPair("api.tls-cert", c.API.TLSCert, "api.tls-key", c.API.TLSKey); err != nil {
		return err
	}
	if err := checkKeyPair("gate.tls-cert", c.Gate.TLSCert, "gate.tls-key", c.Gate.TLSKey); err != nil {
		return err
	}
	serving, err := c.Serving()
	if err != nil {
		return err
	}
	return serving.Check()
}

// checkKeyPair reads a certificate and its key. Two PEM files that do not fit are met in the
// middle of a renewal, too: a later start may find them whole.
func checkKeyPair(certSetting, cert, keySetting, key string) error {
	const remedy = "name the PEM files of a certificate and its key, readable for this user"
	if cert == "" || key == "" {
		return nil // whether both belong there is checked with the address
	}
	for _, file := range []struct{ setting, path string }{{certSetting, cert}, {keySetting, key}} {
		if why := notWritten(file.path); why != "" {
			return notYet{fmt.Errorf("--%s is %q, which %s; %s", file.setting, file.path, why, remedy)}
		}
	}
	_, err := tls.LoadX509KeyPair(cert, key)
	switch {
	case err == nil:
		return nil
	case isPEM(cert) && isPEM(key):
		return notYet{fmt.Errorf("--%s and --%s: %w; if they are not being renewed, %s", certSetting, keySetting, err, remedy)}
	}
	return fmt.Errorf("--%s and --%s: %w; %s", certSetting, keySetting, err, remedy)
}

// isPEM reports whether a file begins as PEM does, in its first lines.
func isPEM(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	begin, _ := io.ReadAll(io.LimitReader(f, 64<<10))
	return bytes.Contains(begin, []byte("-----BEGIN "))
}

// notWritten says why a file cannot be read that may be readable later, "" if it can
// or never will.
func notWritten(path string) string {
	info, err := os.Stat(path)
	switch {
	case path == "":
		return ""
	case errors.Is(err, fs.ErrNotExist):
		return "is not there: no such file or directory"
	case err == nil && info.Mode().IsRegular() && info.Size() == 0:
		return "is empty"
	}
	return ""
}

// GwatSecret reads the file of gwat.jwt-secret; nil without one. Its error is
// ErrNotYet if the file is missing, empty or not readable for this user: gwat may
// still write it, or another program its rights.
func (c *Config) GwatSecret() ([]byte, error) {
	return readSecret("gwat.jwt-secret", c.Gwat.JWTSecret, "name the file that gwat was started with, readable for this user")
}

// APISecret reads the file of api.jwt-secret; nil without one. Its errors are those
// of GwatSecret.
func (c *Config) APISecret() ([]byte, error) {
	return readSecret("api.jwt-secret", c.API.JWTSecret, "name a file of 64 hex digits, such as `openssl rand -hex 32` makes, readable for this user")
}

func readSecret(key, path, remedy string) ([]byte, error) {
	if path == "" {
		return nil, nil
	}
	if err := endpoint.CheckSecretPath(path); err != nil {
		return nil, failure.Newf(failure.NeedsHuman, "--%s %w", key, err)
	}
	if err := endpoint.CheckTilde(path); err != nil {
		return nil, failure.Newf(failure.NeedsHuman, "--%s: %w", key, err)
	}
	secret, err := gwatclient.LoadJWTSecret(path)
	if err == nil {
		return secret, nil
	}
	err = fmt.Errorf("--%s: %w; %s", key, err, remedy)
	if blank(path) || errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return nil, notYet{err}
	}
	return nil, failure.WithKind(failure.NeedsHuman, err)
}

// blank reports whether a file holds nothing but white space, as one that is being
// written.
func blank(path string) bool {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() || info.Size() > 16 {
		return false
	}
	raw, err := os.ReadFile(path)
	return err == nil && strings.TrimSpace(string(raw)) == ""
}

// Serving returns the part of the API's config that the settings hold.
func (c *Config) Serving() (api.Config, error) {
	secret, err := c.APISecret()
	return api.Config{
		Listen: c.API.Listen, AllowedHosts: c.API.AllowedHosts, AllowedOrigins: c.API.AllowedOrigins, BasePath: c.API.BasePath,
		JWTSecret: secret, Socket: c.API.Socket, TLS: api.TLS{TLSCert: c.API.TLSCert, TLSKey: c.API.TLSKey, Insecure: c.API.Insecure},
		Profiles: c.API.Profiles,
		Settings: c.Shown(),
	}, err
}

// Shown returns the settings in force, in the order of the table, fit for others'
// eyes: secrets are named by their files only, and URLs lose what may be one.
func (c *Config) Shown() []api.Setting {
	var out []api.Setting
	for _, s := range All {
		out = append(out, api.Setting{Key: s.Key, Value: s.shown(c), Source: string(c.sources[s.Key])})
	}
	return out
}

// SetEndpoints replaces the endpoints by those of nodes that no source names, as the
// demo's.
func (c *Config) SetEndpoints(gwat, beacon string) {
	c.Gwat.Endpoint, c.Beacon.Endpoint = gwat, beacon
	delete(c.sources, "gwat.endpoint")
	delete(c.sources, "beacon.endpoint")
}

// Source returns where the value of a setting is from.
func (c *Config) Source(key string) Source { return c.sources[key] }

// JournalPath returns the path of the journal's file.
func (c *Config) JournalPath() string { return filepath.Join(c.DataDir, c.Pair+".journal") }

// PastPath returns the path of the file that keeps the pair's past.
func (c *Config) PastPath() string { return c.JournalPath() + ".past" }

// gwatHTTPLimit is gwat's write timeout over HTTP.
const gwatHTTPLimit = 30 * time.Second

// Warnings names settings that work, but not well together.
func (c *Config) Warnings() []string {
	var out []string
	isURL := strings.Contains(c.Gwat.Endpoint, "://")
	chosen := c.sources["gwat.endpoint"] != FromDefault || c.sources["push-timeout"] != FromDefault // the defaults do not warn about themselves
	if strings.HasPrefix(c.Gwat.Endpoint, "http") && isURL && chosen && c.PushTimeout > gwatHTTPLimit {
		out = append(out, fmt.Sprintf("over HTTP a gwat of the head-sync era cuts an answer off after %s, --push-timeout is %s: give --gwat.endpoint its IPC socket or a ws:// URL; today's network has no push",
			Duration(gwatHTTPLimit), Duration(c.PushTimeout)))
	}
	if !isURL && c.Gwat.JWTSecret != "" {
		out = append(out, "--gwat.jwt-secret is not used over IPC: leave it out")
	}
	if limit := 10 * c.PollInterval; c.CallTimeout > limit {
		out = append(out, fmt.Sprintf("--call-timeout is %s, over ten times --poll-interval (%s): a node that hangs is noticed late; lower --call-timeout",
			Duration(c.CallTimeout), Duration(c.PollInterval)))
	}
	return out
}
