package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// gated is a syncd that stands before a gwat, with a socket that outlives it as one of
// the service manager's does. Its beacon node is away, so that nothing but the gate works.
type gated struct {
	gwat    *plainGwat
	socket  *os.File
	address string // of the gate
	data    string
	b       *bench
	*daemon
}

// nowhere refuses every connection.
const nowhere = "http://127.0.0.1:1"

func (b *bench) newGated(ctx context.Context) (*gated, error) {
	gwat, err := newPlainGwat()
	if err != nil {
		return nil, err
	}
	g := &gated{gwat: gwat, b: b}
	if err := g.open(ctx); err != nil {
		return nil, errors.Join(err, g.close())
	}
	return g, nil
}

// open takes the gate's socket and starts syncd.
func (g *gated) open(ctx context.Context) (err error) {
	if g.data, err = os.MkdirTemp(g.b.programs, "data-"); err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen for the gate: %w", err)
	}
	defer l.Close()
	g.address = l.Addr().String()
	tcp, ok := l.(*net.TCPListener)
	if !ok {
		return fmt.Errorf("%T is no TCP listener", l)
	}
	if g.socket, err = tcp.File(); err != nil {
		return fmt.Errorf("the gate's socket: %w", err)
	}
	return g.start(ctx)
}

// start runs a syncd and waits until a call comes through.
func (g *gated) start(ctx context.Context) error {
	d := &daemon{out: &tail{}}
	// The shell names itself as the receiver of the socket, and becomes syncd.
	d.cmd = exec.Command("sh", "-c", `LISTEN_PID=$$ exec "$0" "$@"`, filepath.Join(g.b.programs, "syncd"), "run", "--gwat.endpoint="+g.gwat.url,
		"--beacon.endpoint="+nowhere, "--data-dir="+g.data, "--api.listen=127.0.0.1:0")
	d.cmd.Env = append(os.Environ(), "LISTEN_FDS=1", "LISTEN_FDNAMES=gate-http")
	d.cmd.ExtraFiles = []*os.File{g.socket}
	d.cmd.Stdout, d.cmd.Stderr = d.out, d.out
	if err := d.cmd.Start(); err != nil {
		return fmt.Errorf("start syncd: %w", err)
	}
	g.daemon = d
	return d.explain(answers(ctx, g.address))
}

// answers waits until calls to an address are answered.
func answers(ctx context.Context, address string) error {
	var last error
	err := waitFor(ctx, time.Minute, "an answer from "+address, func() bool {
		c := newClient(address, numberCall)
		defer c.close()
		last = c.call()
		return last == nil
	})
	if err != nil {
		return errors.Join(err, last)
	}
	return nil
}

func (g *gated) close() error {
	if g.daemon != nil {
		g.stop()
	}
	var err error
	if g.socket != nil {
		err = g.socket.Close()
	}
	return errors.Join(err, g.gwat.close())
}

// errNoProxy says why the rows beside nginx are not measured.
var errNoProxy = errors.New("nginx is not installed: apt-get install nginx-light")

const proxyConfig = `worker_processes 1;
daemon off;
master_process off;
pid pid;
error_log stderr;
events { worker_connections 1024; }
http {
  access_log off;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  keepalive_requests 1000000000;
  upstream gwat {
    server GWAT;
    keepalive 64;
    keepalive_requests 1000000000;
  }
  server {
    listen ADDRESS;
    location / {
      proxy_pass http://gwat;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
    }
  }
}
`

// proxy is Debian's nginx with one worker as a plain reverse proxy that keeps its
// connections.
type proxy struct {
	address string
	*daemon
}

func (b *bench) newProxy(ctx context.Context, gwat *plainGwat) (*proxy, error) {
	path, err := findProxy()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(b.programs, "nginx-")
	if err != nil {
		return nil, err
	}
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	text := strings.NewReplacer("GWAT", gwat.listener.Addr().String(), "ADDRESS", address).Replace(proxyConfig)
	if err := os.WriteFile(filepath.Join(dir, "nginx.conf"), []byte(text), 0o600); err != nil {
		return nil, err
	}
	p := &proxy{address: address, daemon: &daemon{out: &tail{}}}
	p.cmd = exec.Command(path, "-e", "stderr", "-p", dir, "-c", "nginx.conf")
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.out
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start nginx: %w", err)
	}
	if err := answers(ctx, address); err != nil {
		p.kill()
		return nil, fmt.Errorf("nginx: %w; it said: %s", err, p.out)
	}
	return p, nil
}

// findProxy looks for nginx, which is not in every user's path.
func findProxy() (string, error) {
	for _, name := range []string{"nginx", "/usr/sbin/nginx"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errNoProxy
}
