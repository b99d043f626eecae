package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rpc"
)

// peer is the built-in driver's algorithm over REST, written anew for the
// comparison: ready at current_justified, then one block after the other up to
// head, then all in one dag_headSync.
type peer struct {
	base string
	rest *http.Client
	gwat *rpc.Client

	slotsPerEpoch uint64
	perSlot       uint64
	addresses     map[string]common.Address // by validator index
	committees    map[uint64][]committee    // by slot
}

// peerEntry is an entry as it is sent.
type peerEntry struct {
	Slot       string           `json:"slot"`
	Creators   []common.Address `json:"creators"`
	Finalizing []common.Hash    `json:"finalizing"`
}

type committee struct {
	Index      string   `json:"index"`
	Slot       string   `json:"slot"`
	Validators []string `json:"validators"`
}

type peerBlock struct {
	slot   uint64
	parent string
	spines []common.Hash
}

// errNoBlock tells an empty slot.
var errNoBlock = errors.New("no block")

func newPeer(ctx context.Context, r *rig) (*peer, error) {
	client, err := rpc.DialOptions(ctx, r.gwatURL, rpc.WithHTTPClient(&http.Client{Transport: &http.Transport{}}))
	if err != nil {
		return nil, fmt.Errorf("dial gwat: %w", err)
	}
	spec := r.chain.Spec()
	return &peer{
		base: r.beaconURL, rest: &http.Client{Transport: &http.Transport{}}, gwat: client,
		slotsPerEpoch: spec.SlotsPerEpoch, perSlot: spec.CreatorsPerSlot, committees: map[uint64][]committee{},
	}, nil
}

func (p *peer) close() {
	p.gwat.Close()
	p.rest.CloseIdleConnections()
}

// run is a whole head sync. It ends with the answer to the push, unproved.
func (p *peer) run(ctx context.Context) error {
	from, err := p.ready(ctx)
	if err != nil {
		return err
	}
	entries, err := p.collect(ctx, from)
	if err != nil {
		return err
	}
	var ok bool
	if err := p.gwat.CallContext(ctx, &ok, "dag_headSync", entries); err != nil {
		return fmt.Errorf("dag_headSync: %w", err)
	}
	if !ok {
		return errors.New("dag_headSync answered false")
	}
	return nil
}

// ready asks gwat once a second to stand at current_justified.
func (p *peer) ready(ctx context.Context) (peerBlock, error) {
	for {
		from, err := p.checkpoint(ctx)
		if err != nil {
			return from, err
		}
		e, err := p.entry(ctx, from)
		if err != nil {
			return from, err
		}
		var ok bool
		if err = p.gwat.CallContext(ctx, &ok, "dag_headSyncReady", e); err == nil && ok {
			return from, nil
		}
		select {
		case <-ctx.Done():
			return from, fmt.Errorf("dag_headSyncReady: %w", errors.Join(err, ctx.Err()))
		case <-time.After(time.Second):
		}
	}
}

// checkpoint is the block of current_justified; gwat takes none without spines,
// so an empty one stands back for the one before.
func (p *peer) checkpoint(ctx context.Context) (peerBlock, error) {
	var finality struct {
		Justified struct {
			Root string `json:"root"`
		} `json:"current_justified"`
	}
	if err := p.get(ctx, "/eth/v1/beacon/states/head/finality_checkpoints", &finality); err != nil {
		return peerBlock{}, err
	}
	for id := finality.Justified.Root; ; {
		b, err := p.block(ctx, id)
		if err != nil || len(b.spines) > 0 {
			return b, err
		}
		id = b.parent
	}
}

// collect reads the blocks from one to head, one request at a time.
func (p *peer) collect(ctx context.Context, from peerBlock) ([]peerEntry, error) {
	head, err := p.block(ctx, "head")
	if err != nil {
		return nil, err
	}
	var out []peerEntry
	for slot := from.slot; slot <= head.slot; slot++ {
		b, err := p.block(ctx, strconv.FormatUint(slot, 10))
		if errors.Is(err, errNoBlock) {
			continue
		} else if err != nil {
			return nil, err
		}
		e, err := p.entry(ctx, b)
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, nil
}

func (p *peer) block(ctx context.Context, id string) (peerBlock, error) {
	var in struct {
		Message struct {
			Slot   string `json:"slot"`
			Parent string `json:"parent_root"`
			Body   struct {
				Eth1 struct {
					Finalization string `json:"finalization"`
				} `json:"eth1_data"`
			} `json:"body"`
		} `json:"message"`
	}
	if err := p.get(ctx, "/eth/v2/beacon/blocks/"+id, &in); err != nil {
		return peerBlock{}, err
	}
	slot, err := strconv.ParseUint(in.Message.Slot, 10, 64)
	b := peerBlock{slot: slot, parent: in.Message.Parent}
	raw := common.FromHex(in.Message.Body.Eth1.Finalization)
	for ; len(raw) >= common.HashLength; raw = raw[common.HashLength:] {
		b.spines = append(b.spines, common.BytesToHash(raw[:common.HashLength]))
	}
	return b, err
}

func (p *peer) entry(ctx context.Context, b peerBlock) (peerEntry, error) {
	creators, err := p.creators(ctx, b.slot)
	return peerEntry{Slot: "0x" + strconv.FormatUint(b.slot, 16), Creators: creators, Finalizing: append([]common.Hash{}, b.spines...)}, err
}

// creators asks for the committees once an epoch and for the validators once.
func (p *peer) creators(ctx context.Context, slot uint64) ([]common.Address, error) {
	if err := p.learn(ctx, slot); err != nil {
		return nil, err
	}
	var names []string
	for _, c := range p.committees[slot] {
		for _, v := range c.Validators[:min(uint64(len(c.Validators)), p.perSlot)] {
			names = append(names, p.addresses[v].Hex())
		}
	}
	slices.Sort(names)
	out := []common.Address{}
	for _, name := range slices.Compact(names) {
		out = append(out, common.HexToAddress(name))
	}
	return out, nil
}

func (p *peer) learn(ctx context.Context, slot uint64) error {
	if p.addresses == nil {
		var list []struct {
			Index     string `json:"index"`
			Validator struct {
				Credentials common.Hash `json:"withdrawal_credentials"`
			} `json:"validator"`
		}
		if err := p.get(ctx, "/eth/v1/beacon/states/head/validators", &list); err != nil {
			return err
		}
		p.addresses = make(map[string]common.Address, len(list))
		for _, v := range list {
			p.addresses[v.Index] = common.BytesToAddress(v.Validator.Credentials[12:])
		}
	}
	if _, ok := p.committees[slot]; ok {
		return nil
	}
	var list []committee
	epoch := strconv.FormatUint(slot/p.slotsPerEpoch, 10)
	if err := p.get(ctx, "/eth/v1/beacon/states/head/committees?epoch="+epoch, &list); err != nil {
		return err
	}
	for _, c := range list {
		at, err := strconv.ParseUint(c.Slot, 10, 64)
		if err != nil {
			return err
		}
		p.committees[at] = append(p.committees[at], c)
	}
	return nil
}

func (p *peer) get(ctx context.Context, path string, out any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.base+path, nil)
	if err != nil {
		return err
	}
	resp, err := p.rest.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return fmt.Errorf("GET %s: %w", path, err)
	case resp.StatusCode == http.StatusInternalServerError && strings.Contains(string(body), "NotFound"):
		return errNoBlock
	case resp.StatusCode != http.StatusOK:
		return fmt.Errorf("GET %s: status %d: %.200s", path, resp.StatusCode, body)
	}
	var envelope struct {
		Data json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(body, &envelope); err != nil {
		return fmt.Errorf("GET %s: %w", path, err)
	}
	return json.Unmarshal(envelope.Data, out)
}
