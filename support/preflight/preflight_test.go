package preflight

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gwatsync/syncd/internal/exit"
	"github.com/gwatsync/syncd/internal/testworld/simnet"
	"github.com/gwatsync/syncd/internal/testworld/simnet/world"
	"github.com/gwatsync/syncd/settings"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func loaded(t *testing.T, flags map[string]string) *settings.Config {
	t.Helper()
	for key, value := range map[string]string{"data-dir": filepath.Join(t.TempDir(), "data"), "api.listen": "127.0.0.1:0"} {
		if _, ok := flags[key]; !ok {
			flags[key] = value
		}
	}
	cfg, err := settings.Load(settings.Input{Flags: flags})
	require.NoError(t, err)
	return cfg
}

// found runs every check and returns the findings by check.
func found(t *testing.T, cfg *settings.Config) map[string][]Finding {
	t.Helper()
	out := map[string][]Finding{}
	require.NoError(t, Run(t.Context(), cfg, func(f Finding) { out[f.Check] = append(out[f.Check], f) }))
	return out
}

func TestRunOnASimulatedPair(t *testing.T) {
	pair, err := simnet.Start(t.Context(), simnet.Options{World: world.Config{GenesisTime: uint64(time.Now().Unix()) - 60, SecondsPerSlot: 1, SlotsPerEpoch: 8}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, pair.Close()) })
	cfg := loaded(t, map[string]string{"gwat.endpoint": pair.GwatWS, "beacon.endpoint": pair.BeaconURL})
	for check, findings := range found(t, cfg) {
		for _, f := range findings {
			require.Equal(t, OK, f.Level, "%s: %s", check, f.Text)
		}
	}
	require.NoDirExists(t, cfg.DataDir)

	cfg = loaded(t, map[string]string{"gwat.endpoint": "ws://127.0.0.1:1", "beacon.endpoint": pair.BeaconURL})
	findings := found(t, cfg)
	require.Equal(t, Fail, findings["gwat"][0].Level)
	require.Equal(t, exit.Unreachable, findings["gwat"][0].Code)
	require.Equal(t, Warn, findings["network"][0].Level)
	require.Equal(t, OK, findings["beacon"][0].Level)
	var out bytes.Buffer
	err = Print(t.Context(), cfg, &out)
	require.Equal(t, exit.Unreachable, exit.Of(err))
	require.EqualError(t, err, "1 check failed: gwat; its line above says what to do")
	require.Contains(t, out.String(), "\nfail  gwat      ws://127.0.0.1:1: ")
}

// A provider that refuses batches is named, with its own words.
func TestBatchesAreRefused(t *testing.T) {
	pair, err := simnet.Start(t.Context(), simnet.Options{World: world.Config{GenesisTime: uint64(time.Now().Unix()) - 60, SecondsPerSlot: 1, SlotsPerEpoch: 8}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, pair.Close()) })
	target, err := url.Parse(pair.GwatURL)
	require.NoError(t, err)
	pass := httputil.NewSingleHostReverseProxy(target)
	for _, status := range []int{http.StatusOK, http.StatusBadRequest} {
		provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err != nil || !bytes.HasPrefix(bytes.TrimSpace(body), []byte("[")) {
				r.Body = io.NopCloser(bytes.NewReader(body))
				pass.ServeHTTP(w, r)
				return
			}
			w.WriteHeader(status)
			_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"batch requests are not supported on this plan"}}`)
		}))
		findings := found(t, loaded(t, map[string]string{"gwat.endpoint": provider.URL, "beacon.endpoint": pair.BeaconURL}))
		provider.Close()
		last := findings["gwat"][len(findings["gwat"])-1]
		require.Equal(t, Fail, last.Level)
		require.Contains(t, last.Text, "the endpoint refuses batches: batch requests are not supported on this plan")
		require.Equal(t, exit.Unreachable, last.Code)
	}
}

func TestASecretThatIsNotThere(t *testing.T) {
	err := Run(t.Context(), loaded(t, map[string]string{"gwat.jwt-secret": filepath.Join(t.TempDir(), "none")}), func(Finding) { t.Error("checked without it") })
	require.Equal(t, exit.Usage, exit.Of(err))
}

// certificateFiles writes a certificate of its own issuer that is valid in a time.
func certificateFiles(t *testing.T, from, to time.Time) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "syncd"}, NotBefore: from, NotAfter: to,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature,
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	require.NoError(t, err)
	secret, err := x509.MarshalECPrivateKey(private)
	require.NoError(t, err)
	cert, key = filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")
	require.NoError(t, os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw}), 0o600))
	require.NoError(t, os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: secret}), 0o600))
	return cert, key
}

func TestCertificateDates(t *testing.T) {
	now := time.Now()
	day := 24 * time.Hour
	for _, c := range []struct {
		from, to time.Time
		level    Level
		text     string
	}{
		{now.Add(-day), now.Add(90 * day), OK, "is in date"},
		{now.Add(-9 * day), now.Add(-day), Warn, "expired at " + now.Add(-day).UTC().Format("2006-01-02")},
		{now.Add(-9 * day), now.Add(3 * day), Warn, "expires at " + now.Add(3*day).UTC().Format("2006-01-02")},
		{now.Add(day), now.Add(90 * day), Warn, "is valid from "},
	} {
		cert, key := certificateFiles(t, c.from, c.to)
		cfg := loaded(t, map[string]string{"api.tls-cert": cert, "api.tls-key": key})
		require.NoError(t, cfg.Check(), "syncd serves it")
		findings := (&checker{cfg: cfg}).certificate(now)
		require.Len(t, findings, 1)
		require.Equal(t, c.level, findings[0].Level)
		require.Contains(t, findings[0].Text, c.text)
	}
	require.Empty(t, (&checker{cfg: loaded(t, map[string]string{})}).certificate(now))
}

// A directory of another user is the service's, perhaps; one's own is to be repaired.
func TestRightsOnTheDirectory(t *testing.T) {
	own := notOurs(t.TempDir(), os.ErrPermission)
	require.Equal(t, Fail, own.Level)
	require.Equal(t, exit.Usage, own.Code)
	other := notOurs(filepath.Join(t.TempDir(), "hidden"), os.ErrPermission)
	require.Equal(t, Warn, other.Level)
	require.Contains(t, other.Remedy, "sudo")
	if os.Geteuid() == 0 {
		return // who may write everywhere
	}
	closed := filepath.Join(t.TempDir(), "closed")
	require.NoError(t, os.Mkdir(closed, 0o500))
	c := &checker{cfg: &settings.Config{DataDir: closed, Pair: "main"}}
	require.Equal(t, Fail, c.writable().Level)
}

func TestRoomOnTheDisk(t *testing.T) {
	require.Equal(t, Fail, roomFinding("/d", leastDisk-1).Level)
	require.Equal(t, Warn, roomFinding("/d", leastDisk).Level)
	require.Equal(t, OK, roomFinding("/d", scarceDisk).Level)
}
