package daemon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/sirupsen/logrus/hooks/test"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/internal/exit"
	"github.com/gwatsync/syncd/internal/testworld/certificate"
	"github.com/gwatsync/syncd/journal"
	"github.com/gwatsync/syncd/pair/memory"
	"github.com/gwatsync/syncd/settings"
)

func loaded(t *testing.T, flags map[string]string) *settings.Config {
	t.Helper()
	for key, value := range map[string]string{"data-dir": t.TempDir(), "api.listen": "127.0.0.1:0", "gwat.endpoint": "ws://127.0.0.1:1"} {
		if _, ok := flags[key]; !ok {
			flags[key] = value
		}
	}
	cfg, err := settings.Load(settings.Input{Flags: flags})
	require.NoError(t, err)
	return cfg
}

// Usage is for what no restart heals: the unit does not start syncd again after it.
func TestCodesOfTheStart(t *testing.T) {
	system := func(errno syscall.Errno) error {
		return fmt.Errorf("--api.listen: %w", &net.OpError{Op: "listen", Err: os.NewSyscallError("bind", errno)})
	}
	for _, c := range []struct {
		err  error
		code int
	}{
		{nil, exit.OK},
		{system(syscall.EADDRINUSE), exit.Busy},
		{fmt.Errorf("journal: %w", journal.ErrInUse), exit.Busy},
		{system(syscall.EADDRNOTAVAIL), exit.NotYet},
		{system(syscall.EAFNOSUPPORT), exit.NotYet},
		{system(syscall.EMFILE), exit.NotYet},
		{system(syscall.ENOBUFS), exit.NotYet},
		{system(syscall.EINVAL), exit.NotYet}, // the interface of a link-local address
		{system(syscall.EACCES), exit.Usage},
		{system(syscall.EPERM), exit.Usage},
		{fmt.Errorf("--api.listen: %w", &net.DNSError{Err: "no such host", Name: "vpn.example", IsNotFound: true}), exit.NotYet},
		{fmt.Errorf("--api.listen: %w", &net.DNSError{Err: "server misbehaving", Name: "vpn.example", IsTemporary: true}), exit.NotYet},
		{&fs.PathError{Op: "open", Path: "/x", Err: syscall.ENOSPC}, exit.NotYet},
		{&fs.PathError{Op: "open", Path: "/x", Err: syscall.EROFS}, exit.NotYet},
		{&fs.PathError{Op: "open", Path: "/x", Err: syscall.EIO}, exit.NotYet},
		{&fs.PathError{Op: "stat", Path: "/run/syncd", Err: syscall.ENOENT}, exit.NotYet},
		{&fs.PathError{Op: "mkdir", Path: "/x", Err: syscall.ENOTDIR}, exit.Usage},
		{&fs.PathError{Op: "mkdir", Path: "/x", Err: syscall.ENAMETOOLONG}, exit.Usage},
		{errors.New("--api.allowed-hosts: want a host name"), exit.Usage},
	} {
		require.Equal(t, c.code, exit.Of(startError(c.err)), "%v", c.err)
	}
}

func TestWhatIsNotThereYet(t *testing.T) {
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty")
	require.NoError(t, os.WriteFile(empty, nil, 0o600))
	cert, oldKey, half := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "old.key"), filepath.Join(dir, "half.pem")
	certificate.Write(t, half, oldKey, time.Now().Add(time.Hour))
	certificate.Write(t, cert, filepath.Join(dir, "new.key"), time.Now().Add(time.Hour))
	require.NoError(t, os.Truncate(half, 100))
	log, _ := test.NewNullLogger()
	for name, c := range map[string]struct {
		flags map[string]string
		code  int
	}{
		"an address of no interface":   {map[string]string{"api.listen": "203.0.113.7:0", "api.insecure": "true"}, exit.NotYet},
		"an IPv6 address of none":      {map[string]string{"api.listen": "[2001:db8::7]:0", "api.insecure": "true"}, exit.NotYet},
		"an interface of none":         {map[string]string{"api.listen": "[fe80::7%nosuch0]:0", "api.insecure": "true"}, exit.NotYet},
		"a name of none":               {map[string]string{"api.listen": "nosuchhost.invalid:0", "api.insecure": "true"}, exit.NotYet},
		"the secret of the API":        {map[string]string{"api.jwt-secret": filepath.Join(dir, "later")}, exit.NotYet},
		"an empty secret of the API":   {map[string]string{"api.jwt-secret": empty}, exit.NotYet},
		"a certificate":                {map[string]string{"api.tls-cert": filepath.Join(dir, "cert"), "api.tls-key": filepath.Join(dir, "key")}, exit.NotYet},
		"one with the key before":      {map[string]string{"api.tls-cert": cert, "api.tls-key": oldKey}, exit.NotYet},
		"half of one":                  {map[string]string{"api.tls-cert": half, "api.tls-key": oldKey}, exit.NotYet},
		"a certificate of the gate":    {map[string]string{"gate.listen": "127.0.0.1:0", "gate.tls-cert": filepath.Join(dir, "cert"), "gate.tls-key": oldKey}, exit.NotYet},
		"the gate's with another key":  {map[string]string{"gate.listen": "127.0.0.1:0", "gate.tls-cert": cert, "gate.tls-key": oldKey}, exit.NotYet},
		"the directory of the socket":  {map[string]string{"api.socket": filepath.Join(dir, "run", "s")}, exit.NotYet},
		"gwat's secret is waited for":  {map[string]string{"gwat.jwt-secret": filepath.Join(dir, "later")}, exit.OK},
		"an empty one too":             {map[string]string{"gwat.jwt-secret": empty}, exit.OK},
		"gwat's secret is a directory": {map[string]string{"gwat.jwt-secret": dir}, exit.Usage},
		"an unusable name":             {map[string]string{"pair": "../x"}, exit.Usage},
		"a socket on a file":           {map[string]string{"api.socket": empty}, exit.Usage},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := loaded(t, c.flags)
			err := Check(cfg)
			if err == nil {
				var d *Daemon
				if d, err = New(cfg, "test", Kept{Journal: journal.OpenMemory()}, log); err == nil {
					ended, cancel := context.WithCancel(t.Context())
					cancel()
					require.NoError(t, d.Run(ended))
				}
			}
			require.Equal(t, c.code, exit.Of(err), "%v", err)
		})
	}
}

func TestOpenJournal(t *testing.T) {
	dir := t.TempDir()
	cfg := loaded(t, map[string]string{"data-dir": dir})
	j, err := OpenJournal(cfg)
	require.NoError(t, err)
	_, err = OpenJournal(cfg)
	require.Equal(t, exit.Busy, exit.Of(err))
	require.ErrorContains(t, err, "another --data-dir or --pair")
	require.NoError(t, j.Close())
	_, err = OpenJournal(loaded(t, map[string]string{"data-dir": cfg.JournalPath()}))
	require.Equal(t, exit.Usage, exit.Of(err))
	require.ErrorContains(t, err, "name a directory that this user can write")
}

// The past is written when syncd ends and is there at the next start; one that cannot be
// read is told, and no reason not to start.
func TestThePastIsKept(t *testing.T) {
	cfg := loaded(t, map[string]string{"log.format": "text"})
	run := func() string {
		var stderr bytes.Buffer
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.NoError(t, Serve(ctx, cfg, "v1", &stderr))
		return stderr.String()
	}
	run()
	past, note := memory.Open(cfg.PastPath())
	require.Empty(t, note)
	require.NotEmpty(t, past.Newest(1))
	require.NotContains(t, run(), "cannot be read")
	require.NoError(t, os.WriteFile(cfg.PastPath(), []byte("torn"), 0o600))
	require.Contains(t, run(), "cannot be read")
	require.NotContains(t, run(), "cannot be read")
}
