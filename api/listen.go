package api

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/gwatsync/syncd/internal/watched"
)

// maxSocketPath leaves room, in the 108 bytes that the system has for it, for the
// name under which a socket is made.
const maxSocketPath = 90

// checkListening refuses what would let others read along, and unusable files.
func (c Config) checkListening(host string) error {
	if (c.TLSCert == "") != (c.TLSKey == "") {
		return errors.New("--api.tls-cert and --api.tls-key belong together: give both or none")
	}
	if c.TLSCert != "" {
		if _, err := tls.LoadX509KeyPair(c.TLSCert, c.TLSKey); err != nil {
			return fmt.Errorf("--api.tls-cert and --api.tls-key: %w; name the PEM files of a certificate and its key, readable for this user", err)
		}
	} else if !loopback(host) && !c.Insecure {
		return fmt.Errorf("--api.listen is %q, which other machines reach, and there is no TLS: give --api.tls-cert and --api.tls-key, "+
			"listen on 127.0.0.1, or set --api.insecure if everybody on that network may read along", c.Listen)
	}
	if c.Socket == "" {
		return nil
	}
	if len(c.Socket) > maxSocketPath {
		return fmt.Errorf("--api.socket has %d bytes, at most %d: give a shorter path", len(c.Socket), maxSocketPath)
	}
	return nil
}

func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && ip.Unmap().IsLoopback()
}

// listenTCP takes the address; the error wraps syscall.EADDRINUSE if it is busy.
func (c Config) listenTCP() (net.Listener, error) {
	l, err := net.Listen("tcp", c.Listen)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("--api.listen: %w; stop what listens there or give another address", err)
	}
	if err != nil {
		return nil, fmt.Errorf("--api.listen: %w; give an address of this machine", err)
	}
	l = newLimitListener(l, maxConnections)
	if c.TLSCert == "" {
		return l, nil
	}
	pair, err := watched.KeyPair(c.TLSCert, c.TLSKey, "--api.tls-cert", "--api.tls-key", c.Log)
	if err != nil {
		_ = l.Close()
		return nil, fmt.Errorf("--api.tls-cert and --api.tls-key: %w", err)
	}
	return tls.NewListener(l, watched.ServerTLS(pair)), nil
}

// localListener is the socket in the file system; it goes with its listener.
type localListener struct {
	net.Listener
	path string
	made os.FileInfo
}

// listenLocal makes the socket, for this user only. One that nobody listens on is
// replaced, a living one never: the error wraps syscall.EADDRINUSE then.
func listenLocal(path string) (net.Listener, error) {
	if err := vacant(path); err != nil {
		return nil, err
	}
	// Made in a directory that nobody else can enter, so that it never exists
	// there with more rights than it shall have.
	dir, err := os.MkdirTemp(filepath.Dir(path), ".s")
	if err != nil {
		return nil, fmt.Errorf("--api.socket: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	first := filepath.Join(dir, "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: first, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("--api.socket: %w", err)
	}
	l.SetUnlinkOnClose(false) // it gets another name
	made, err := place(first, path)
	if err != nil {
		_ = l.Close()
		return nil, fmt.Errorf("--api.socket: %w", err)
	}
	return newLimitListener(&localListener{Listener: l, path: path, made: made}, maxConnections), nil
}

func place(from, to string) (os.FileInfo, error) {
	if err := os.Chmod(from, 0o600); err != nil {
		return nil, err
	}
	if err := os.Rename(from, to); err != nil {
		return nil, err
	}
	return os.Lstat(to)
}

// vacant reports whether a socket may be made at path. Only who listens wants the
// directory: before the start it may be one that the service manager makes.
func vacant(path string) error {
	if info, err := os.Stat(filepath.Dir(path)); err != nil {
		return fmt.Errorf("--api.socket is %q, whose directory is not there: make it, or give another path (%w)", path, err)
	} else if !info.IsDir() {
		return fmt.Errorf("--api.socket is %q, whose directory is not there: make it, or give another path", path)
	}
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("--api.socket: %w", err)
	case info.Mode().Type() != os.ModeSocket:
		return fmt.Errorf("--api.socket is %q, where something else than a socket is: move it away, or give another path", path)
	}
	conn, err := net.DialTimeout("unix", path, time.Second)
	switch {
	case err == nil:
		_ = conn.Close()
		return fmt.Errorf("--api.socket is %q, on which a running program listens: %w; stop it, or give another path", path, syscall.EADDRINUSE)
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, os.ErrNotExist):
		return nil
	}
	return fmt.Errorf("--api.socket: whether somebody listens on %q could not be found out: %w", path, err)
}

// Close removes the socket, unless another one is there by now.
func (l *localListener) Close() error {
	err := l.Listener.Close()
	if now, statErr := os.Lstat(l.path); statErr == nil && os.SameFile(now, l.made) {
		return errors.Join(err, os.Remove(l.path))
	}
	return err
}
