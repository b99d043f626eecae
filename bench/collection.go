package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/gwatsync/syncd/headsync"
	"github.com/gwatsync/syncd/internal/testworld/simnet/world"
)

const collected = 2000 // slots of a collection

var collectionRows = []rowName{
	{"collection, entries a second: ours / raw parallel GETs of the same URLs by a plain client", atLeast(0.85, "")},
	{"collection, entries a second: ours / peer", atLeast(6, "")},
}

var collection = subject{name: "collection", rows: collectionRows, measure: measureCollection, bound: 3 * time.Minute}

// measureCollection has peer, ours and the plain client collect the same slots in
// turn, each on a fresh pair with cold clients.
func measureCollection(ctx context.Context, b *bench) ([]row, error) {
	var toRaw, toPeer, rates []float64
	var wrong error
	var entries, requests int
	for seed := range uint64(b.rounds(rounds)) {
		chain, err := stalledNetwork(200+seed, b.size(collected), true)
		if err != nil {
			return nil, err
		}
		p := plan{chain: chain, costs: statedCosts, at: chain.atCheckpoint}
		var theirs, own, raw time.Duration
		var urls []string
		if err := on(ctx, p, func(r *rig) (err error) { theirs, err = peerCollect(ctx, r); return err }); err != nil {
			return nil, fmt.Errorf("peer, seed %d: %w", seed, err)
		}
		err = on(ctx, p, func(r *rig) (err error) {
			var got []headsync.Entry
			own, got, err = ourCollect(ctx, r)
			urls, entries = r.paths.take(), len(got)
			if wrong == nil && err == nil {
				wrong = sameEntries(chain, got)
			}
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("ours, seed %d: %w", seed, err)
		}
		if err := on(ctx, p, func(r *rig) (err error) { raw, err = getAll(ctx, r.beaconURL, urls); return err }); err != nil {
			return nil, fmt.Errorf("plain client, seed %d: %w", seed, err)
		}
		requests = len(urls)
		toRaw = append(toRaw, raw.Seconds()/own.Seconds())
		toPeer = append(toPeer, theirs.Seconds()/own.Seconds())
		rates = append(rates, float64(entries)/own.Seconds())
	}
	note := fmt.Sprintf("%d entries by %d requests a round, a seed a round; ours %s entries a second (median); ours and the plain client have %d requests in flight, the peer one",
		entries, requests, short(median(rates)), headsync.Concurrency)
	rows := make([]row, len(collectionRows))
	for i, values := range [][]float64{toRaw, toPeer} {
		rows[i] = figure(collectionRows[i].name, collectionRows[i].want, median(values), wrong)
		rows[i].Spread, rows[i].Costs, rows[i].Note = spreadOf(values), statedCosts.String(), note
	}
	return rows, nil
}

func peerCollect(ctx context.Context, r *rig) (time.Duration, error) {
	p, err := newPeer(ctx, r)
	if err != nil {
		return 0, err
	}
	defer p.close()
	begin := time.Now()
	from, err := p.checkpoint(ctx)
	if err != nil {
		return 0, err
	}
	_, err = p.collect(ctx, from)
	return time.Since(begin), err
}

func ourCollect(ctx context.Context, r *rig) (time.Duration, []headsync.Entry, error) {
	o, err := newOurs(r)
	if err != nil {
		return 0, nil, err
	}
	defer o.close()
	begin := time.Now()
	got, err := o.collect(ctx)
	return time.Since(begin), got, err
}

// sameEntries compares a collection with the network it was read from.
func sameEntries(chain *network, got []headsync.Entry) error {
	head := chain.now()
	if want := chain.entries(chain.checkpoint(head), head); len(got) != want {
		return fmt.Errorf("%d entries were collected, the chain has %d", len(got), want)
	}
	for _, e := range got {
		b, ok := chain.Ancestor(head, e.Slot())
		switch {
		case !ok || b.Root != e.Root || b.ParentRoot != e.Parent:
			return fmt.Errorf("the entry of slot %d is of another block", e.Slot())
		case !slices.Equal(b.Finalization, e.Info.Finalizing):
			return fmt.Errorf("the entry of slot %d has other spines", e.Slot())
		case !slices.Equal(world.Creators(chain, e.Slot()), e.Info.Creators):
			return fmt.Errorf("the entry of slot %d has other creators", e.Slot())
		}
	}
	return nil
}

// getAll reads URLs with as many requests in flight as a collection has, and
// does nothing with the answers.
func getAll(ctx context.Context, base string, urls []string) (time.Duration, error) {
	client := &http.Client{Transport: &http.Transport{
		MaxConnsPerHost: headsync.Concurrency, MaxIdleConnsPerHost: headsync.Concurrency,
	}}
	defer client.CloseIdleConnections()
	begin := time.Now()
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(headsync.Concurrency)
	for _, url := range urls {
		group.Go(func() error {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+url, nil)
			if err != nil {
				return err
			}
			resp, err := client.Do(req)
			if err != nil {
				return err
			}
			defer resp.Body.Close()
			_, err = io.Copy(io.Discard, resp.Body)
			return err
		})
	}
	err := group.Wait()
	return time.Since(begin), err
}
