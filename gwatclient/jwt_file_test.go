package gwatclient

import (
	"encoding/hex"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/checkpoint"
	"github.com/gwatsync/syncd/failure"
)

// guarded is a node that wants tokens of a secret, which a test may change.
type guarded struct {
	want     atomic.Pointer[[]byte]
	requests atomic.Int32
	refuse   atomic.Int32 // requests that are refused whatever their token is
}

func (g *guarded) accept(key []byte) { g.want.Store(&key) }

func (g *guarded) handler() http.HandlerFunc {
	inner := scriptHandler(result("true"))
	return func(w http.ResponseWriter, r *http.Request) {
		g.requests.Add(1)
		if g.refuse.Add(-1) >= 0 {
			http.Error(w, "signature is invalid", http.StatusUnauthorized)
			return
		}
		if err := checkToken(r.Header, *g.want.Load()); err != nil {
			http.Error(w, err.Error(), http.StatusUnauthorized)
			return
		}
		inner(w, r)
	}
}

func key(letter string) []byte { return []byte(strings.Repeat(letter, 32)) }

func writeKey(t *testing.T, path string, key []byte) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte(hex.EncodeToString(key)+"\n"), 0o600))
}

// TestSecretFileChanges: whichever way the file comes to hold another secret, and
// however little its stat shows of that, calls go on, those that change gwat too.
func TestSecretFileChanges(t *testing.T) {
	for name, change := range map[string]func(t *testing.T, path string, key []byte){
		"written": writeKey,
		"replaced by rename": func(t *testing.T, path string, key []byte) {
			writeKey(t, path+".new", key)
			require.NoError(t, os.Rename(path+".new", path))
		},
		"removed and made": func(t *testing.T, path string, key []byte) {
			require.NoError(t, os.Remove(path))
			writeKey(t, path, key)
		},
		"a link to another file": func(t *testing.T, path string, key []byte) {
			writeKey(t, path+".2", key)
			require.NoError(t, os.Remove(path))
			require.NoError(t, os.Symlink(path+".2", path))
		},
		"same time and size": func(t *testing.T, path string, key []byte) {
			info, err := os.Stat(path)
			require.NoError(t, err)
			writeKey(t, path, key)
			require.NoError(t, os.Chtimes(path, info.ModTime(), info.ModTime()))
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "jwt.hex")
			writeKey(t, path, key("a"))
			node := new(guarded)
			node.accept(key("a"))
			client := serveHTTP(t, Config{JWTSecretFile: path}, node.handler())
			call := func() error {
				_, err := client.Changes(permit).HeadSyncReady(t.Context(), checkpoint.ConsensusInfo{})
				return err
			}
			require.NoError(t, call())
			change(t, path, key("b"))
			node.accept(key("b"))
			require.NoError(t, call())
			require.NoError(t, client.ProbeBatch(t.Context()))
			// One refusal alone is told, and heals by itself.
			node.refuse.Store(1)
			require.ErrorIs(t, call(), ErrUnauthorized)
			require.NoError(t, call())
		})
	}
}

func TestSecretFileChangesUnderWebSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "jwt.hex")
	writeKey(t, path, key("a"))
	node := new(guarded)
	node.accept(key("b"))
	client := serveHTTP(t, Config{Endpoint: "ws", JWTSecretFile: path}, node.handler())
	_, err := client.ValidateSpines(t.Context(), nil)
	require.ErrorIs(t, err, ErrUnauthorized)
	require.EqualValues(t, 1, node.requests.Load(), "the secret is the same, so the call is not repeated")
	writeKey(t, path, key("b"))
	known, err := client.ValidateSpines(t.Context(), nil)
	require.NoError(t, err)
	require.True(t, known)
}

// TestSecretFileIsEmptiedForAMoment: the last good secret serves meanwhile.
func TestSecretFileIsEmptiedForAMoment(t *testing.T) {
	path := filepath.Join(t.TempDir(), "jwt.hex")
	writeKey(t, path, key("a"))
	node := new(guarded)
	node.accept(key("a"))
	client := serveHTTP(t, Config{JWTSecretFile: path}, node.handler())
	call := func() error { _, err := client.ValidateSpines(t.Context(), nil); return err }
	require.NoError(t, call())
	for _, half := range []string{"", "\n", "6262", "not hex"} {
		require.NoError(t, os.WriteFile(path, []byte(half), 0o600))
		require.NoError(t, call(), "%q", half)
	}
	require.NoError(t, os.Remove(path))
	require.NoError(t, call())
	node.accept(key("b"))
	require.ErrorIs(t, call(), ErrUnauthorized)
	require.ErrorIs(t, call(), fs.ErrNotExist)
	require.ErrorContains(t, call(), path)
	writeKey(t, path, key("b"))
	require.NoError(t, call())
}

// TestSecretFileIsNotThereYet: the node may write it after syncd has started.
func TestSecretFileIsNotThereYet(t *testing.T) {
	for _, scheme := range []string{"http", "ws"} {
		t.Run(scheme, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "jwt.hex")
			node := new(guarded)
			node.accept(key("a"))
			client := serveHTTP(t, Config{Endpoint: scheme, JWTSecretFile: path}, node.handler())
			call := func() error {
				_, err := client.Changes(permit).HeadSyncReady(t.Context(), checkpoint.ConsensusInfo{})
				return err
			}
			requireNoSecret(t, call(), path, failure.RetryLater)
			require.ErrorIs(t, call(), fs.ErrNotExist)
			require.NoError(t, os.WriteFile(path, nil, 0o600))
			requireNoSecret(t, call(), path, failure.RetryLater)
			require.NoError(t, os.WriteFile(path, []byte("0x1234"), 0o600))
			requireNoSecret(t, call(), path, failure.NeedsHuman)
			require.EqualValues(t, 0, node.requests.Load())
			writeKey(t, path, key("a"))
			require.NoError(t, call())
		})
	}
}

func requireNoSecret(t *testing.T, err error, path string, kind error) {
	t.Helper()
	require.ErrorIs(t, err, ErrSecret)
	require.ErrorIs(t, err, ErrUnauthorized)
	require.ErrorIs(t, err, ErrDown, "nothing was sent")
	require.False(t, PossiblyDone(err))
	require.ErrorContains(t, err, path)
	require.Equal(t, kind, failure.Kind(err), "%v", err)
}

// TestOldSecretServesUntilItIsRefused: the node reads its file at its start only.
func TestOldSecretServesUntilItIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "jwt.hex")
	writeKey(t, path, key("a"))
	node := new(guarded)
	node.accept(key("a"))
	client := serveHTTP(t, Config{JWTSecretFile: path}, node.handler())
	call := func() error { _, err := client.Changes(permit).HeadSync(t.Context(), nil); return err }
	require.NoError(t, call())
	writeKey(t, path, key("b"))
	require.NoError(t, call())
	require.EqualValues(t, 2, node.requests.Load())
	node.accept(key("b"))
	require.NoError(t, call())
	require.EqualValues(t, 4, node.requests.Load(), "refused once, and repeated once")
	node.accept(key("c"))
	require.ErrorIs(t, call(), ErrUnauthorized)
	require.EqualValues(t, 5, node.requests.Load(), "the file holds no other secret")
}

// TestSecretInPlaceOfItsFile: no error repeats it.
func TestSecretInPlaceOfItsFile(t *testing.T) {
	digits := strings.Repeat("0aF1", 16)
	for _, text := range []string{digits, "0x" + digits, "0X" + digits, " " + digits} {
		_, err := LoadJWTSecret(text)
		require.ErrorContains(t, err, "is the secret itself")
		require.NotContains(t, err.Error(), digits)
		require.Equal(t, failure.NeedsHuman, failure.Kind(err))
		_, err = New(Config{Endpoint: "http://h", JWTSecretFile: text})
		require.ErrorContains(t, err, "is the secret itself")
		require.NotContains(t, err.Error(), digits)
	}
	_, err := New(Config{Endpoint: "http://h", JWTSecretFile: "f", JWTSecret: key("a")})
	require.ErrorContains(t, err, "want one of them")
}
