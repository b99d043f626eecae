package coordinated

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"
)

const readHeaderTimeout = 10 * time.Second

// Pair is a pair that is served on 127.0.0.1.
type Pair struct {
	Gwat      *Gwat
	Beacon    *Beacon
	GwatURL   string
	BeaconURL string

	cancel context.CancelFunc
	group  *errgroup.Group
}

// Speeds are how long an empty pair needs for its sync. The zero value is at once.
type Speeds struct {
	BlockTime time.Duration // that gwat loads a block
	SyncSpeed uint64        // slots a second of the beacon node's initial sync
}

// Start serves an empty pair of the network until ctx ends or Close is called.
func Start(ctx context.Context, n *Network, speeds Speeds) (*Pair, error) {
	forGwat, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for gwat: %w", err)
	}
	forBeacon, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(fmt.Errorf("listen for the beacon node: %w", err), forGwat.Close())
	}
	p := &Pair{GwatURL: "http://" + forGwat.Addr().String(), BeaconURL: "http://" + forBeacon.Addr().String()}
	p.Gwat = NewGwat(n, Enodes(3)...)
	p.Gwat.BlockTime = speeds.BlockTime
	transport := &http.Transport{}
	p.Beacon = NewBeacon(n, Caller{URL: p.GwatURL, Transport: transport}, 3)
	if speeds.SyncSpeed > 0 {
		p.Beacon.SyncSpeed = speeds.SyncSpeed
	}
	ctx, p.cancel = context.WithCancel(ctx)
	p.group, ctx = errgroup.WithContext(ctx)
	p.group.Go(func() error {
		defer transport.CloseIdleConnections()
		p.Beacon.Run(ctx)
		return nil
	})
	p.group.Go(func() error { return serve(ctx, forGwat, p.Gwat) })
	p.group.Go(func() error { return serve(ctx, forBeacon, p.Beacon) })
	return p, nil
}

// Close stops both nodes, waits for their goroutines, and returns the first error that
// any of them ended with.
func (p *Pair) Close() error {
	p.cancel()
	return p.group.Wait()
}

// serve answers on a listener until ctx ends.
func serve(ctx context.Context, l net.Listener, h http.Handler) error {
	server := &http.Server{Handler: h, ReadHeaderTimeout: readHeaderTimeout}
	defer context.AfterFunc(ctx, func() { _ = server.Close() })()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Enodes returns n addresses of peers.
func Enodes(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("enode://%0128x@127.0.0.1:%d", i+1, 30303+i)
	}
	return out
}
