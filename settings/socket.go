package settings

import (
	"net"
	"path/filepath"
	"strings"
	"time"
)

// maxUserSocket is what api.socket may have at most, in bytes.
const maxUserSocket = 90

// UserSocket returns where a syncd that a user runs without api.socket takes orders:
// syncd.sock in XDG_RUNTIME_DIR, which only that user can enter; "" without one.
func UserSocket(environ []string) string {
	dir := ""
	for _, e := range environ {
		if value, ok := strings.CutPrefix(e, "XDG_RUNTIME_DIR="); ok {
			dir = value
		}
	}
	path := filepath.Join(dir, "syncd.sock")
	if !filepath.IsAbs(dir) || len(path) > maxUserSocket {
		return ""
	}
	return path
}

// UseUserSocket has the API take orders at UserSocket unless a source sets api.socket,
// the directory is not there, or another syncd listens there already.
func (c *Config) UseUserSocket(environ []string) {
	path := UserSocket(environ)
	if c.Source("api.socket") != FromDefault || path == "" {
		return
	}
	if _, err := filepath.EvalSymlinks(filepath.Dir(path)); err != nil {
		return
	}
	if conn, err := net.DialTimeout("unix", path, time.Second); err == nil {
		_ = conn.Close()
		return
	}
	c.API.Socket = path
}
